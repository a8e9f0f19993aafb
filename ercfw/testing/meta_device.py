"""Run code on the meta device, which stands in for a GPU: its tensors have shapes, but no values to read."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ercfw.errors import cause_of
from ercfw.testing.outcome import CheckFailed, CheckSkipped

META = torch.device("meta")
MAY_MIX = {
    "aten::index", "aten::index_put_", "aten::_index_put_impl_", "aten::_to_copy", "aten::copy_",
    "aten::_pack_padded_sequence",
}  # fmt: skip
"""Operations that may mix devices: indices and lengths may be on the host, and copies go between devices."""
READS = "meta tensor"
"""Words of PyTorch's error message for reading a value of a meta tensor."""


class OneDevice(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses operations on tensors of two devices: kernels of a GPU fail on them, meta kernels do not.

    Raises:
        CheckFailed: an operation mixes devices; tensors without dimensions may be on the host.
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        devices = {x.device for x in tensors if x.dim() or x.device == META}
        if len(devices) > 1 and func._schema.name not in MAY_MIX:
            what = f"{func._schema.name} gets tensors of both the CPU and the device"
            raise CheckFailed(f"{what}: pass device= where the tensor is made")
        return func(*args, **kwargs or {})


def run_on_meta(step: Callable[[], Any]) -> None:
    """Run a step whose tensors are all on the meta device.

    Raises:
        CheckFailed: the step mixes in a tensor of the CPU, or fails.
        CheckSkipped: the step reads a value, so that the rest of it cannot be checked.
    """
    try:
        with _known_to_autocast(), OneDevice():  # type: ignore[no-untyped-call]
            step()
    except NotImplementedError as error:
        if "nonzero" in str(error):
            masked = NotImplementedError("torch.nonzero").with_traceback(error.__traceback__)
            what = "it selects rows by a mask, so that the CPU waits for their number"
            raise CheckSkipped(f"{what}: {cause_of(masked)}") from error
        raise CheckSkipped(f"it reads a value, or needs a real device: {cause_of(error)}") from error
    except (RuntimeError, TypeError) as error:
        if READS in str(error) or "meta device" in str(error):
            raise CheckSkipped(f"it reads a value, which makes the CPU wait: {cause_of(error)}") from error
        raise CheckFailed(f"it fails on a device other than the CPU: {cause_of(error)}") from error


@contextmanager
def _known_to_autocast() -> Iterator[None]:
    """Let autocast treat the meta device as the CPU, since it does not support it."""

    def as_cpu(function: Callable[..., Any], place: int) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            known = ["cpu" if n == place and x == META.type else x for n, x in enumerate(args)]
            return function(*known, **kwargs)

        return call

    with (
        mock.patch.object(torch.autocast, "__init__", as_cpu(torch.autocast.__init__, 1)),
        mock.patch.object(torch, "is_autocast_enabled", as_cpu(torch.is_autocast_enabled, 0)),
        mock.patch.object(torch, "get_autocast_dtype", as_cpu(torch.get_autocast_dtype, 0)),
    ):
        yield
