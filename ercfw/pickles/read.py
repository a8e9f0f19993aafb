"""A pickle's content, made by callables of ours alone."""

import pickle
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from ercfw.errors import InputError, shown
from ercfw.files import is_file
from ercfw.pickles import made, tensors
from ercfw.pickles.scan import scan

ROOM = 2**20
TIMES = 4
"""Bytes that may be made for each of the file's, beside ``ROOM``: text to bytes to array are copies of one content."""
FORM = "numbers, text, plain containers, numpy arrays and torch tensors are read; nothing else, and nothing is run"


def read_pickle(path: Path) -> Any:
    """What a pickle, or a file of ``torch.save``, holds: plain containers, text, numbers and arrays.

    Arrays are instances of a subclass of numpy's that ``np.asarray`` makes plain; tensors come as arrays. Text of
    Python 2 comes as latin1. Needs some hundred bytes of memory for each of the file's at most.

    Raises:
        InputError: there is no such file, it is damaged, or it holds anything else, which is named.
    """
    if not is_file(path):  # a device or a pipe may never end
        raise InputError.at(path, "there is no such file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError.at(path, f"cannot be read: {error.strerror}") from error
    try:
        if tensors.is_of_torch(data[: len(tensors.OLD_TORCH)]):
            return tensors.load_file(path)
        scan(data)
        return _Reader(data).load()
    except MemoryError:
        raise InputError.at(path, "needs more memory than there is") from None
    except Exception as error:  # whatever is in it was written by others
        raise InputError.at(path, f"is not opened: {shown(str(error)) or type(error).__name__}", FORM) from error


class _Reader(pickle.Unpickler):
    """Finds nothing but what is allowed."""

    def __init__(self, data: bytes) -> None:
        super().__init__(BytesIO(data), encoding="latin1")
        budget = made.Budget(TIMES * len(data) + ROOM)
        self._allowed = {**made.allowed(budget), **tensors.allowed(budget)}

    def find_class(self, module: str, name: str) -> Any:
        """Ours in place of what is named.

        Raises:
            UnpicklingError: it is not on the list.
        """
        if (module, name) not in self._allowed:
            raise UnpicklingError(f"it names {module}.{name}")
        return self._allowed[module, name]
