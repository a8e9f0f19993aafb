"""Read tensors in pickles with torch's own safe loader."""

import math
import re
import warnings
from io import BytesIO
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile, ZipFile

from numpy.typing import NDArray

from ercfw.pickles.allowlist import Table
from ercfw.pickles.scan import FETCHED, REFUSED, scan
from ercfw.pickles.stand_ins import Budget, Call
from ercfw.pickles.to_plain import to_plain

OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first bytes of a ``torch.save`` file from before these files were zip archives."""
ZIP = b"PK\x03\x04"
OLD_PICKLES = 5
"""Pickles at the start of an old file: a number, the version, the machine, the content, the names of storages."""


def is_of_torch(data: bytes) -> bool:
    """Return whether this is the content of a ``torch.save`` file."""
    return data.startswith((OLD_TORCH, ZIP))


def load(data: bytes, budget: Budget) -> Any:
    """Read what ``torch.save`` wrote, with tensors as arrays.

    Raises:
        UnpicklingError: it holds more than tensors in plain containers, or is damaged.
    """
    import torch

    return to_plain(_load(data, budget), torch.Tensor, lambda tensor: _array(tensor, budget))


def allowed(budget: Budget) -> Table:
    """Return the names that a pickled tensor uses, with the stand-in for each."""

    def storage(content: object) -> object:
        if not isinstance(content, bytes) or not is_of_torch(content):
            raise UnpicklingError("it has a tensor without content")
        return _load(content, budget)

    def rebuild(storage: Any, offset: Any, size: Any, stride: Any, *_: object) -> NDArray[Any]:
        import torch

        if not isinstance(storage, torch.storage.TypedStorage):
            raise UnpicklingError("it has a tensor without content")
        untyped = storage._untyped_storage  # the public, typed one causes a warning
        whole = torch.empty(0, dtype=storage.dtype).set_(untyped)
        return _array(whole.as_strided(tuple(size), tuple(stride), int(offset)), budget)  # fails beyond the storage

    return {
        ("torch._utils", "_rebuild_tensor_v2"): Call(rebuild),
        ("torch._utils", "_rebuild_tensor"): Call(rebuild),
        ("torch.storage", "_load_from_bytes"): Call(storage),
    }


def _load(data: bytes, budget: Budget) -> Any:
    import torch

    data = _scanned_archive(data, budget) if data.startswith(ZIP) else _scanned_file(data, budget)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's warnings about odd files are for its own developers
            return torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types, and its messages advise to run refused code
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise UnpicklingError(f"it names {named[1]}" if named else "it is damaged, as torch reports") from error


def _scanned_file(data: bytes, budget: Budget) -> bytes:
    """Return an old file once its pickles are scanned, so that torch can read them without harm."""
    budget.take(len(data))
    file = BytesIO(data)
    for _ in range(OLD_PICKLES):
        scan(file, REFUSED - FETCHED)
    return data


def _scanned_archive(data: bytes, budget: Budget) -> bytes:
    """Return the archive written anew, so that torch reads exactly what was scanned and is within the budget."""
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
    """Return a copy of a tensor as an array, within the budget; bfloat16, which numpy lacks, becomes float32."""
    import torch

    kind = torch.float32 if tensor.dtype == torch.bfloat16 else tensor.dtype
    budget.take(math.prod(tensor.shape) * kind.itemsize)
    try:
        array: NDArray[Any] = tensor.detach().to(kind).resolve_conj().resolve_neg().clone().numpy()
    except (TypeError, RuntimeError) as error:  # sparse, quantised, on no device
        raise UnpicklingError("it has a tensor that is not a plain table of numbers") from error
    return array
