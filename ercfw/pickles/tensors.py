"""Tensors in pickles, by torch's own loader that runs nothing."""

import math
import re
import warnings
from io import BytesIO
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile, ZipFile

from numpy.typing import NDArray

from ercfw.pickles.made import Budget, Call, Table
from ercfw.pickles.plain import plain
from ercfw.pickles.scan import FETCHED, REFUSED, scan

OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of ``torch.save`` began before they were zip archives."""
ZIP = b"PK\x03\x04"
OLD_PICKLES = 5
"""Those that an old file begins with: a number, the version, the machine, the content, the names of its storages."""


def is_of_torch(data: bytes) -> bool:
    """Whether a file that begins so is one of ``torch.save``."""
    return data.startswith((OLD_TORCH, ZIP))


def load(data: bytes, budget: Budget) -> Any:
    """What ``torch.save`` wrote, its tensors as arrays.

    Raises:
        UnpicklingError: it holds more than tensors in plain containers, or is damaged.
    """
    import torch

    return plain(_load(data, budget), torch.Tensor, lambda tensor: _array(tensor, budget))


def allowed(budget: Budget) -> Table:
    """What a pickled tensor names."""

    def storage(content: object) -> object:
        if not isinstance(content, bytes) or not is_of_torch(content):
            raise UnpicklingError("it has a tensor without content")
        return _load(content, budget)

    def rebuild(storage: Any, offset: Any, size: Any, stride: Any, *_: object) -> NDArray[Any]:
        import torch

        if not isinstance(storage, torch.storage.TypedStorage):
            raise UnpicklingError("it has a tensor without content")
        untyped = storage._untyped_storage  # a tensor cannot be made of the public, typed one without a warning
        whole = torch.empty(0, dtype=storage.dtype).set_(untyped)
        return _array(whole.as_strided(tuple(size), tuple(stride), int(offset)), budget)  # refuses what is beyond it

    return {
        ("torch._utils", "_rebuild_tensor_v2"): Call(rebuild),
        ("torch._utils", "_rebuild_tensor"): Call(rebuild),
        ("torch.storage", "_load_from_bytes"): Call(storage),
    }


def _load(data: bytes, budget: Budget) -> Any:
    import torch

    data = _unpacked(data, budget) if data.startswith(ZIP) else _looked_through(data, budget)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch says of odd files is for its own developers
            return torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds, and advises to run what it has refused
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise UnpicklingError(f"it names {named[1]}" if named else "torch finds it damaged") from error


def _looked_through(data: bytes, budget: Budget) -> bytes:
    """An old file, when torch can read its pickles without harm."""
    budget.take(len(data))
    file = BytesIO(data)
    for _ in range(OLD_PICKLES):
        scan(file, REFUSED - FETCHED)
    return data


def _unpacked(data: bytes, budget: Budget) -> bytes:
    """The archive written anew: what was looked through, and within the budget, is what torch reads."""
    written = BytesIO()
    try:
        with ZipFile(BytesIO(data)) as archive, ZipFile(written, "w") as copy:
            for entry in archive.infolist():
                budget.take(entry.file_size)
                content = archive.read(entry)
                if entry.filename.endswith(".pkl"):
                    scan(BytesIO(content), REFUSED - FETCHED)
                copy.writestr(entry.filename, content)
    except BadZipFile as error:
        raise UnpicklingError("it is a damaged archive") from error
    return written.getvalue()


def _array(tensor: Any, budget: Budget) -> NDArray[Any]:
    """A tensor as an array of its own, within the budget; bfloat16, which numpy has not, as float32."""
    import torch

    kind = torch.float32 if tensor.dtype == torch.bfloat16 else tensor.dtype
    budget.take(math.prod(tensor.shape) * kind.itemsize)
    try:
        array: NDArray[Any] = tensor.detach().to(kind).resolve_conj().resolve_neg().clone().numpy()
    except (TypeError, RuntimeError) as error:  # sparse, quantised, on no device
        raise UnpicklingError("it has a tensor that is no plain table of numbers") from error
    return array
