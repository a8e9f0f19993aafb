"""Read a pickle with constructors of our own only."""

import pickle
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np

from ercfw.errors import InputError, shown
from ercfw.pickles import allowlist, tensors
from ercfw.pickles.scan import scan
from ercfw.pickles.stand_ins import Array, Budget
from ercfw.pickles.to_plain import to_plain
from ercfw.system.files import is_file

ROOM = 2**20
TIMES = 4
"""Bytes that may be created per byte of the file, besides ``ROOM``: text, bytes and array are copies of one content."""
FORM = "a pickle may hold numbers, text, plain containers, numpy arrays and torch tensors; no code in it is run"


def read_pickle(path: Path) -> Any:
    """Read a pickle, or a file of ``torch.save``, into plain containers, text, numbers and arrays.

    Tensors become arrays, bfloat16 becomes float32, and text of Python 2 is read as latin1. Reading needs at most some
    hundred bytes of memory per byte of the file.

    Raises:
        InputError: there is no such file, it is damaged, or it holds anything else; the message names it.
    """
    if not is_file(path):  # a device or a pipe may never end
        raise InputError.at(path, "there is no such file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError.at(path, f"cannot be read: {error.strerror}") from error
    budget = Budget(TIMES * len(data) + ROOM)
    try:
        return tensors.load(data, budget) if tensors.is_of_torch(data) else _load(data, budget)
    except MemoryError:
        raise InputError.at(path, "needs more memory than there is") from None
    except UnpicklingError as error:
        raise InputError.at(path, f"cannot be opened: {shown(str(error))}", FORM) from error
    except Exception as error:  # the error's text could show content of the file, which is not trusted
        raise InputError.at(path, f"cannot be opened: it is damaged ({type(error).__name__})", FORM) from error


def _load(data: bytes, budget: Budget) -> Any:
    file = BytesIO(data)
    scan(file)
    if file.tell() < len(data):
        raise UnpicklingError(f"there are more bytes after its end, at byte {file.tell()}")
    return to_plain(_Reader(data, budget).load(), Array, lambda array: array.view(np.ndarray))


class _Reader(pickle.Unpickler):
    """An unpickler that finds allowed names only."""

    def __init__(self, data: bytes, budget: Budget) -> None:
        super().__init__(BytesIO(data), encoding="latin1")
        self._allowed = {**allowlist.allowed(budget), **tensors.allowed(budget)}

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name.

        Raises:
            UnpicklingError: the name is not allowed.
        """
        if (module, name) not in self._allowed:
            raise UnpicklingError(f"it names {module}.{name}")
        return self._allowed[module, name]
