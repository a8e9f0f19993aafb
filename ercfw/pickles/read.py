"""Read the file of a pickle."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from ercfw.errors import InputError, shown
from ercfw.pickles.reader import load
from ercfw.pickles.stand_ins import Budget
from ercfw.system.files import is_file, read_bytes

ROOM = 2**20
TIMES = 4
"""Bytes that may be created per byte of the file, besides ``ROOM``: text, bytes and array are copies of one content."""
FORM = "a pickle may hold numbers, text, plain containers, numpy arrays and torch tensors; no code in it is run"


def read_pickle(path: Path) -> Any:
    """Read a pickle, or a file of ``torch.save``, into plain containers, text, numbers and arrays.

    Tensors become arrays. Types that numpy lacks, such as bfloat16, become float32 or complex64. Text of Python 2 is
    read as latin1. Reading needs at most some hundred bytes of memory per byte of the file.

    Raises:
        InputError: there is no such file, it is damaged, or it holds anything else; the message names it.
    """
    if not is_file(path):  # a device or a pipe may never end
        raise InputError.at(path, "there is no such file")
    try:
        data = read_bytes(path)
    except OSError as error:
        raise InputError.unreadable(path, error) from error
    budget = Budget(TIMES * len(data) + ROOM)
    try:
        return load(data, budget)
    except MemoryError:
        raise InputError.at(path, "needs more memory than there is") from None
    except UnpicklingError as error:
        raise InputError.at(path, f"cannot be opened: {shown(str(error))}", FORM) from error
    except Exception as error:  # the error's text could show content of the file, which is not trusted
        raise InputError.at(path, f"cannot be opened: it is damaged ({type(error).__name__})", FORM) from error
