"""Unpickle with constructors of our own only."""

import pickle
from collections.abc import Callable
from io import BytesIO
from pickle import UnpicklingError
from typing import Any

import numpy as np

from ercfw.pickles import allowlist, tensors
from ercfw.pickles.scan import scan
from ercfw.pickles.stand_ins import Array, Attributes, Budget
from ercfw.pickles.tensors import Storage, Tensor
from ercfw.pickles.to_plain import to_plain
from ercfw.pickles.torch_files import is_of_torch, open_torch_file


def load(data: bytes, budget: Budget) -> Any:
    """Return the content of a pickle, or of a file of ``torch.save``, in plain types.

    Raises:
        UnpicklingError: it is damaged, hostile, or holds something else.
    """

    def plain(value: Any) -> Any:
        if isinstance(value, Attributes):
            return dict(value)
        if isinstance(value, Storage):
            value = tensors.whole(value)
        return value.to_array(budget) if isinstance(value, Tensor) else value.view(np.ndarray)

    raw = _load_torch(data, budget) if is_of_torch(data) else _load_pickle(data, budget)
    return to_plain(raw, (Array, Attributes, Storage, Tensor), plain)


def _load_pickle(data: bytes, budget: Budget) -> Any:
    file = BytesIO(data)
    scan(file)
    if file.tell() < len(data):
        raise UnpicklingError(f"there are more bytes after its end, at byte {file.tell()}")
    return _Unpickler(data, budget).load()


def _load_torch(data: bytes, budget: Budget) -> Any:
    if not is_of_torch(data):
        raise UnpicklingError(tensors.NO_CONTENT)
    file = open_torch_file(data, budget)
    content = _Unpickler(file.content, budget, file.fetch).load()
    file.finish()
    return content


class _Unpickler(pickle.Unpickler):
    """An unpickler that finds allowed names only."""

    def __init__(self, data: bytes, budget: Budget, fetch: Callable[[object], Storage] | None = None) -> None:
        super().__init__(BytesIO(data), encoding="latin1")
        self._allowed = {
            **allowlist.allowed(budget),
            **tensors.allowed(lambda content: _load_torch(content, budget)),
        }
        self._fetch = fetch

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name.

        Raises:
            UnpicklingError: the name is not allowed.
        """
        if (module, name) not in self._allowed:
            raise UnpicklingError(f"it names {module}.{name}")
        return self._allowed[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """Return the storage that a file of ``torch.save`` holds beside its pickle.

        Raises:
            UnpicklingError: the pickle is not in such a file.
        """
        if self._fetch is None:
            raise UnpicklingError("it fetches something from elsewhere")
        return self._fetch(pid)
