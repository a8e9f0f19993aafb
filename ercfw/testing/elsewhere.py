"""A stand-in for a GPU where there is none: the meta device, whose tensors have shapes, and no values to read."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ercfw.errors import cause_of
from ercfw.testing.outcome import NotAsked, NotMet

ELSEWHERE = torch.device("meta")
MAY_MIX = {
    "aten::index", "aten::index_put_", "aten::_index_put_impl_", "aten::_to_copy", "aten::copy_",
    "aten::_pack_padded_sequence",
}  # fmt: skip
"""Places and lengths may be named on the host, and a copy is there to mix."""
READS = "meta tensor"
"""What PyTorch's messages hold where values are asked for."""


class OneDevice(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses an operation on tensors of two devices, which meta kernels let pass and those of a GPU do not.

    Raises:
        NotMet: at such an operation; single numbers may be on the host.
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        devices = {x.device for x in tensors if x.dim() or x.device == ELSEWHERE}
        if len(devices) > 1 and func._schema.name not in MAY_MIX:
            raise NotMet(f"{func._schema.name} is handed a tensor of the host with those of the device: give device=")
        return func(*args, **kwargs or {})


def run_elsewhere(step: Callable[[], Any]) -> None:
    """Run what only computes on tensors that are ``ELSEWHERE``.

    Raises:
        NotMet: a tensor of the host gets among them.
        NotAsked: a value is read, so that it cannot be told what comes after.
    """
    try:
        with _known_to_autocast(), OneDevice():  # type: ignore[no-untyped-call]
            step()
    except NotImplementedError as error:
        raise NotAsked(
            f"it waits for the device, or does what cannot be told without one: {cause_of(error)}"
        ) from error
    except (RuntimeError, TypeError) as error:
        if READS in str(error) or "meta device" in str(error):
            raise NotAsked(f"it waits for the device to read a value: {cause_of(error)}") from error
        raise NotMet(f"it fails on another device than the host's: {cause_of(error)}") from error


@contextmanager
def _known_to_autocast() -> Iterator[None]:
    """Autocast knows no meta device, and is asked about the host instead."""

    def about_the_host(asked: Callable[..., Any], place: int) -> Callable[..., Any]:
        def ask(*args: Any, **kwargs: Any) -> Any:
            known = ["cpu" if n == place and x == ELSEWHERE.type else x for n, x in enumerate(args)]
            return asked(*known, **kwargs)

        return ask

    with (
        mock.patch.object(torch.autocast, "__init__", about_the_host(torch.autocast.__init__, 1)),
        mock.patch.object(torch, "is_autocast_enabled", about_the_host(torch.is_autocast_enabled, 0)),
        mock.patch.object(torch, "get_autocast_dtype", about_the_host(torch.get_autocast_dtype, 0)),
    ):
        yield
