"""The names that a pickle of numbers and text may use, and the stand-in for each."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pickle import UnpicklingError
from typing import Any

import numpy as np

from ercfw.pickles.keys import Keys
from ercfw.pickles.stand_ins import Array, Attributes, Budget, Call, Dtype, Name, filled

ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
NUMERIC_MODULES = ("numpy.core.numeric", "numpy._core.numeric")
BUILTINS = ("builtins", "__builtin__")
Table = Mapping[tuple[str, str], object]
"""The stand-in for each (module, name)."""


def allowed(budget: Budget) -> Table:
    """Return every name that a pickle may use, as Python 2 and 3 and numpy 1 and 2 spell it."""
    make = _Constructors(budget)
    named: dict[tuple[str, str], object] = {
        ("numpy", "ndarray"): Name(),
        ("numpy", "dtype"): Call(Dtype),
        ("numpy", "frombuffer"): Call(make.from_buffer),
        ("collections", "OrderedDict"): Call(make.ordered_dict),
        ("collections", "Counter"): Call(make.ordered_dict),
        ("collections", "defaultdict"): Call(_default_dict),
        ("_codecs", "encode"): Call(make.encoded),
    }
    named |= {(module, "_reconstruct"): Call(make.empty_array) for module in ARRAY_MODULES}
    named |= {(module, "scalar"): Call(make.scalar) for module in ARRAY_MODULES}
    named |= {(module, "_frombuffer"): Call(make.from_buffer) for module in NUMERIC_MODULES}
    for module in BUILTINS:
        named |= {(module, kind.__name__): Call(partial(make.set_of, kind)) for kind in (set, frozenset)}
        named |= {(module, name): Name() for name in ("list", "dict", "int", "float", "str", "bool")}
        named |= {(module, "bytes"): Call(_no_bytes)}
    return named


class _Constructors:
    """The functions that build the values of one pickle, within one budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._keys = Keys()

    def empty_array(self, *_: object) -> Array:
        """Return an array that takes its content later, from ``__setstate__``."""
        array = np.empty(0, np.int8).view(Array)
        array.budget = self._budget
        return array

    def scalar(self, dtype: object, content: object = b"") -> object:
        """Return a number or a text of numpy's."""
        if not isinstance(content, bytes | str):  # a scalar of type object would return whatever it is given
            raise UnpicklingError("it has a number without content")
        kind = dtype if isinstance(dtype, Dtype) else Dtype(dtype)
        if kind.as_numpy.kind == "c":  # as keys, they would collide as easily as tuples
            raise UnpicklingError("it has a complex number outside an array")
        if not kind.as_numpy.itemsize and not content:  # numpy has text of no length, but no arrays of it
            return kind.as_numpy.type()
        return filled(self._budget, content, kind, (1,), False)[0]

    def from_buffer(self, content: object, dtype: object, shape: object = None, order: object = "C") -> object:
        """Return an array of raw bytes."""
        kind = dtype if isinstance(dtype, Dtype) else Dtype(dtype)
        size = len(content) if isinstance(content, bytes | bytearray) else 0
        whole = (size // max(1, kind.as_numpy.itemsize),)
        return filled(self._budget, content, kind, whole if shape is None else shape, order == "F")

    def set_of(self, kind: Callable[[Iterable[Any]], object], values: object = ()) -> object:
        """Return a set or a frozenset."""
        if not isinstance(values, list | tuple | set | frozenset):
            raise UnpicklingError("it makes a set of something else")
        self._take_keys(values)
        made = kind(values)
        if isinstance(made, frozenset):  # it may be a key itself
            self._keys.check(made)
        return made

    def ordered_dict(self, pairs: object = ()) -> dict[Any, Any]:
        """Return a dict, which keeps the order too; ``to_plain`` makes it a plain one."""
        pairs = list(pairs.items()) if isinstance(pairs, dict) else pairs
        if not isinstance(pairs, list | tuple) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in pairs):
            raise UnpicklingError("it makes a dict of something else")
        self._take_keys([key for key, _ in pairs])
        return Attributes(pairs)

    def encoded(self, text: object, encoding: object = "latin1") -> bytes:
        """Return the bytes that protocols 0 to 2 write as text."""
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise UnpicklingError("it has bytes in another form than Python writes")
        self._budget.take(len(text))
        return text.encode("latin1")

    def _take_keys(self, keys: Iterable[object]) -> None:
        """Check the keys, and charge the budget for every value that hashing visits.

        One list could be hashed again and again.
        """
        for key in keys:
            self._budget.take(8 * _hashed(key))
            self._keys.check(key)


def _hashed(value: object) -> int:
    return 1 + sum(map(_hashed, value)) if isinstance(value, tuple) else 1


def _default_dict(*_: object) -> dict[object, object]:
    return {}


def _no_bytes() -> bytes:
    return b""
