"""Convert unpickled content to plain types, so that no stand-in is left in it."""

from collections.abc import Callable, Iterable
from operator import is_
from pickle import UnpicklingError
from typing import Any

import numpy as np

from ercfw.pickles.stand_ins import Dtype, Fixed

SCALARS = {type(None), bool, int, float, str, bytes}
CONTAINERS = (list, dict, set, frozenset)


def to_plain(content: Any, stand_ins: tuple[type, ...], plain: Callable[[Any], Any]) -> Any:
    """Return the content with each value of ``stand_ins`` replaced by ``plain(value)``; shared objects stay shared.

    Lists, dicts and arrays of objects are changed in place, since a container may contain itself.

    Raises:
        UnpicklingError: a value has another type, or a stand-in is a key.
    """
    walk = _Walk(stand_ins, plain)
    content = walk.convert(content)
    while walk.waiting:
        walk.descend(walk.waiting.pop())
    return content


class _Walk:
    """A walk over all containers, each once. It does not recurse, since content may be nested deeper than calls."""

    def __init__(self, stand_ins: tuple[type, ...], plain: Callable[[Any], Any]) -> None:
        self.waiting: list[Any] = []
        self._stand_ins, self._plain = stand_ins, plain
        self._met: dict[int, tuple[Any, Any]] = {}  # holds the value too, so that its id is not used again

    def convert(self, value: Any) -> Any:
        """Return the value or its replacement. The content of a tuple is converted now, of other containers later."""
        if type(value) in SCALARS or isinstance(value, np.generic):
            return value
        if id(value) not in self._met:
            self._met[id(value)] = value, self._new(value)
        return self._met[id(value)][1]

    def descend(self, value: Any) -> None:
        """Convert the values of a container."""
        if isinstance(value, list):
            if not SCALARS.issuperset(map(type, value)):
                value[:] = map(self.convert, value)
        elif isinstance(value, dict):
            self._check_keys(value)
            for key, item in value.items():
                value[key] = self.convert(item)
        elif isinstance(value, np.ndarray):
            flat = value.reshape(-1, order="A")  # never a copy: unpickled arrays have no gaps
            for place, item in enumerate(flat):
                flat[place] = self.convert(item)
        else:
            self._check_keys(value)

    def _new(self, value: Any) -> Any:
        if isinstance(value, self._stand_ins):
            value = self._plain(value)
        if isinstance(value, tuple):  # the scan refused tuples that are nested too deeply to recurse
            items = tuple(map(self.convert, value))
            return value if type(value) is tuple and all(map(is_, items, value)) else items
        if isinstance(value, CONTAINERS) or (isinstance(value, np.ndarray) and value.dtype.hasobject):
            self.waiting.append(value)
        elif not isinstance(value, np.ndarray | bytearray):
            what = "function or type" if isinstance(value, Fixed | Dtype) else type(value).__name__
            raise UnpicklingError(f"it has a {what} among its values")
        return value

    def _check_keys(self, keys: Iterable[Any]) -> None:
        if not all(self.convert(key) is key for key in keys):
            raise UnpicklingError("it has an array for a key")
