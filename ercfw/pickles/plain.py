"""What an unpickler has made, in plain types throughout: no stand-in is left in it."""

from collections.abc import Callable, Iterable
from operator import is_
from pickle import UnpicklingError
from typing import Any

import numpy as np

from ercfw.pickles.made import Dtype, Fixed

SCALARS = {type(None), bool, int, float, str, bytes}
CONTAINERS = (list, dict, set, frozenset)


def plain(content: Any, stand_in: type, array_of: Callable[[Any], Any]) -> Any:
    """The content with ``array_of`` in place of each ``stand_in``; what was one object is one object.

    Lists, dicts and arrays of objects are changed in place, so that what holds itself may.

    Raises:
        UnpicklingError: something else is among the values, or what stands for an array is a key.
    """
    walk = _Walk(stand_in, array_of)
    content = walk.made_plain(content)
    while walk.waiting:
        walk.descend(walk.waiting.pop())
    return content


class _Walk:
    """The containers that were met, each once; by hand, since content may be nested deeper than calls."""

    def __init__(self, stand_in: type, array_of: Callable[[Any], Any]) -> None:
        self.waiting: list[Any] = []
        self._stand_in, self._array_of = stand_in, array_of
        self._met: dict[int, tuple[Any, Any]] = {}  # with the value itself, so that its id stays its own

    def made_plain(self, value: Any) -> Any:
        """The value itself, or what takes its place; its own values are seen to later, but for a tuple's."""
        if type(value) in SCALARS or isinstance(value, np.generic):
            return value
        if id(value) not in self._met:
            self._met[id(value)] = value, self._new(value)
        return self._met[id(value)][1]

    def descend(self, value: Any) -> None:
        """See to the values of a container."""
        if isinstance(value, list):
            if not SCALARS.issuperset(map(type, value)):
                value[:] = map(self.made_plain, value)
        elif isinstance(value, dict):
            self._check_keys(value)
            for key, item in value.items():
                value[key] = self.made_plain(item)
        elif isinstance(value, np.ndarray):
            flat = value.reshape(-1, order="A")  # never a copy: unpickled arrays have no gaps
            for place, item in enumerate(flat):
                flat[place] = self.made_plain(item)
        else:
            self._check_keys(value)

    def _new(self, value: Any) -> Any:
        if isinstance(value, self._stand_in):
            value = self._array_of(value)
        if isinstance(value, tuple):  # the scan has seen that they are not nested too deep for calls
            items = tuple(map(self.made_plain, value))
            return value if type(value) is tuple and all(map(is_, items, value)) else items
        if isinstance(value, CONTAINERS) or (isinstance(value, np.ndarray) and value.dtype.hasobject):
            self.waiting.append(value)
        elif not isinstance(value, np.ndarray | bytearray):
            what = "function or type" if isinstance(value, Fixed | Dtype) else type(value).__name__
            raise UnpicklingError(f"it has a {what} among its values")
        return value

    def _check_keys(self, keys: Iterable[Any]) -> None:
        if not all(self.made_plain(key) is key for key in keys):
            raise UnpicklingError("it has an array for a key")
