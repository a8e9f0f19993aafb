"""Tensors in pickles, by torch's own loader that runs nothing."""

import math
import warnings
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from numpy.typing import NDArray

from ercfw.pickles.made import Budget, Call, Name, Table

OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of ``torch.save`` began before they were zip archives."""
ZIP = b"PK\x03\x04"


def is_of_torch(head: bytes) -> bool:
    """Whether a file that begins so is one of ``torch.save``."""
    return head.startswith((OLD_TORCH, ZIP))


def load_file(path: Path) -> Any:
    """What ``torch.save`` wrote, its tensors as arrays.

    Raises:
        UnpicklingError: it holds more than tensors in plain containers, or is damaged.
    """
    return _plain(_load(path))


def allowed(budget: Budget) -> Table:
    """What a pickled tensor names."""

    def storage(content: object) -> object:
        if not isinstance(content, bytes):
            raise UnpicklingError("it has a tensor without content")
        budget.take(len(content))
        return _load(BytesIO(content))

    def rebuild(storage: Any, offset: Any, size: Any, stride: Any, *_: object) -> NDArray[Any]:
        import torch

        if not isinstance(storage, torch.storage.TypedStorage):
            raise UnpicklingError("it has a tensor without content")
        untyped = storage._untyped_storage  # a tensor cannot be made of the public, typed one without a warning
        whole = torch.empty(0, dtype=storage.dtype).set_(untyped)
        budget.take(math.prod(int(n) for n in size) * whole.element_size())
        return _array(whole.as_strided(tuple(size), tuple(stride), int(offset)).clone())  # refuses what is beyond it

    return {
        ("torch._utils", "_rebuild_tensor_v2"): Call(rebuild),
        ("torch._utils", "_rebuild_tensor"): Call(rebuild),
        ("torch.storage", "_load_from_bytes"): Call(storage),
        ("torch", "device"): Name(),
    }


def _load(file: Path | BytesIO) -> Any:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch says of odd files is for its own developers
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for damaged files
        raise UnpicklingError(_in_short(error)) from error


def _array(tensor: Any) -> NDArray[Any]:
    """A tensor as an array; bfloat16, which numpy has not, as float32."""
    import torch

    plain = tensor.detach().cpu()
    array: NDArray[Any] = (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
    return array


def _plain(content: Any) -> Any:
    import torch

    if isinstance(content, torch.Tensor):
        return _array(content)
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return type(content)(map(_plain, content)) if type(content) in (list, tuple) else list(map(_plain, content))
    return content


def _in_short(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
