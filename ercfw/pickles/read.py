"""A pickle's content, made by callables of ours alone."""

import pickle
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np

from ercfw.errors import InputError, shown
from ercfw.pickles import made, tensors
from ercfw.pickles.plain import plain
from ercfw.pickles.scan import scan
from ercfw.system.files import is_file

ROOM = 2**20
TIMES = 4
"""Bytes that may be made for each of the file's, beside ``ROOM``: text to bytes to array are copies of one content."""
FORM = "numbers, text, plain containers, numpy arrays and torch tensors are read; nothing else, and nothing is run"


def read_pickle(path: Path) -> Any:
    """What a pickle, or a file of ``torch.save``, holds: plain containers, text, numbers and arrays.

    Tensors come as arrays, bfloat16 as float32. Text of Python 2 comes as latin1. Needs some hundred bytes of
    memory for each of the file's at most.

    Raises:
        InputError: there is no such file, it is damaged, or it holds anything else, which is named.
    """
    if not is_file(path):  # a device or a pipe may never end
        raise InputError.at(path, "there is no such file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError.at(path, f"cannot be read: {error.strerror}") from error
    budget = made.Budget(TIMES * len(data) + ROOM)
    try:
        return tensors.load(data, budget) if tensors.is_of_torch(data) else _load(data, budget)
    except MemoryError:
        raise InputError.at(path, "needs more memory than there is") from None
    except UnpicklingError as error:
        raise InputError.at(path, f"is not opened: {shown(str(error))}", FORM) from error
    except Exception as error:  # whatever is in it was written by others; the error's text could show it
        raise InputError.at(path, f"is not opened: it is damaged ({type(error).__name__})", FORM) from error


def _load(data: bytes, budget: made.Budget) -> Any:
    file = BytesIO(data)
    scan(file)
    if file.tell() < len(data):
        raise UnpicklingError(f"something follows its end at byte {file.tell()}")
    return plain(_Reader(data, budget).load(), made.Array, lambda array: array.view(np.ndarray))


class _Reader(pickle.Unpickler):
    """Finds nothing but what is allowed."""

    def __init__(self, data: bytes, budget: made.Budget) -> None:
        super().__init__(BytesIO(data), encoding="latin1")
        self._allowed = {**made.allowed(budget), **tensors.allowed(budget)}

    def find_class(self, module: str, name: str) -> Any:
        """Ours in place of what is named.

        Raises:
            UnpicklingError: it is not on the list.
        """
        if (module, name) not in self._allowed:
            raise UnpicklingError(f"it names {module}.{name}")
        return self._allowed[module, name]
