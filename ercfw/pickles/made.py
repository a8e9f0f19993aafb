"""What a pickle may name, each in place of the real thing: none runs what the pickle says, or can be changed by it."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.typing import NDArray

ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
NUMERIC_MODULES = ("numpy.core.numeric", "numpy._core.numeric")
BUILTINS = ("builtins", "__builtin__")
NUMBERS = re.compile(r"[<>|=]?([fiubc](1|2|4|8|16)|[US](0|[1-9]\d{0,5}))")
Table = Mapping[tuple[str, str], object]


class Fixed:
    """Something that a pickle may name, and cannot change: a frozen dataclass with slots would take a state."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """Refused.

        Raises:
            UnpicklingError: always.
        """
        raise UnpicklingError("it changes what it names")


class Name(Fixed):
    """A type of which only the name counts."""


class Call(Fixed):
    """A callable."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *arguments: object) -> object:
        """What the function makes."""
        return self._function(*arguments)


class Budget:
    """Bytes that may yet be made: what a pickle shares with itself could otherwise be copied without end."""

    __slots__ = ("left",)

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, size: int) -> None:
        """Spend.

        Raises:
            UnpicklingError: there is not so much left.
        """
        self.left -= size
        if self.left < 0:
            raise UnpicklingError("it would make more than it holds")


class Dtype:
    """A number's type and byte order; nothing else of numpy's dtypes."""

    __slots__ = ("code",)

    def __init__(self, code: object, *_: object) -> None:
        text = code.decode("ascii", "replace") if isinstance(code, bytes) else code
        if text in ("O", "O4", "O8", "|O"):
            text = "O"
        elif not isinstance(text, str) or not NUMBERS.fullmatch(text):
            raise UnpicklingError("it has an array of a type that is neither number nor text")
        self.code = text

    def __setstate__(self, state: Any) -> None:
        """Take the byte order, ``<`` or ``>``."""
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        order = order.decode("ascii", "replace") if isinstance(order, bytes) else order
        if order in ("<", ">"):
            self.code = order + self.code.lstrip("<>|=")

    @property
    def made(self) -> np.dtype[Any]:
        """Numpy's own."""
        return np.dtype(self.code)


class Array(np.ndarray[Any, Any]):
    """An array that takes its content only when shape, type and bytes agree; ``np.asarray`` makes it a plain one."""

    budget: Budget

    def __setstate__(self, state: Any) -> None:
        """Take what numpy pickles: version, shape, type, order, content."""
        _, shape, dtype, fortran, content = state if len(state) == 5 else (1, *state)
        made = _filled(self.budget, content, dtype, shape, bool(fortran))
        whole = (1, made.shape, made.dtype, bool(fortran), _content(made))
        super().__setstate__(whole)  # type: ignore[arg-type]  # typed for numpy's bool, but it takes Python's


def _content(array: NDArray[Any]) -> Any:
    return array.ravel(order="K").tolist() if array.dtype == object else array.tobytes(order="A")


def _filled(budget: Budget, content: object, dtype: object, shape: object, fortran: bool) -> NDArray[Any]:
    """An array of this content, if it is of that type and shape."""
    kind = (dtype if isinstance(dtype, Dtype) else Dtype(dtype)).made
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and 0 <= n < 2**40 for n in shape):
        raise UnpicklingError("it has an array without a shape")
    order = "F" if fortran else "C"
    if kind.hasobject:
        if not isinstance(content, list) or len(content) != math.prod(shape):
            raise UnpicklingError("it has an array whose content does not fit its shape")
        budget.take(8 * len(content))
        flat = np.empty(len(content), dtype=object)
        for place, item in enumerate(content):
            flat[place] = item
        return flat.reshape(shape, order=order)  # type: ignore[call-overload, no-any-return]
    raw = content.encode("latin1") if isinstance(content, str) else content  # as Python 2 wrote it
    if not isinstance(raw, bytes | bytearray) or len(raw) != math.prod(shape) * kind.itemsize:
        raise UnpicklingError("it has an array whose content does not fit its shape")
    budget.take(len(raw))
    return np.frombuffer(bytes(raw), kind).reshape(shape, order=order)  # type: ignore[call-overload, no-any-return]


def _take_keys(budget: Budget, keys: Iterable[object]) -> None:
    """What hashes of these visit is taken like bytes: they could be made of one list again and again."""
    for key in keys:
        budget.take(8 * _hashed(key))


def _hashed(value: object) -> int:
    return 1 + sum(map(_hashed, value)) if isinstance(value, tuple) else 1


def allowed(budget: Budget) -> Table:
    """All that a pickle may name, by module and name, in the spellings of Python 2 and 3 and numpy 1 and 2."""

    def reconstruct(*_: object) -> Array:
        array = np.empty(0, np.int8).view(Array)
        array.budget = budget
        return array

    def scalar(dtype: object, content: object = b"") -> object:
        if not isinstance(content, bytes | str):  # of objects: it would give back whatever it is given
            raise UnpicklingError("it has a number without content")
        kind = dtype if isinstance(dtype, Dtype) else Dtype(dtype)
        if not kind.made.itemsize and not content:  # numpy has text of no length, but no arrays of it
            return kind.made.type()
        return _filled(budget, content, kind, (1,), False)[0]

    def from_buffer(content: object, dtype: object, shape: object = None, order: object = "C") -> object:
        kind = dtype if isinstance(dtype, Dtype) else Dtype(dtype)
        size = len(content) if isinstance(content, bytes | bytearray) else 0
        whole = (size // max(1, kind.made.itemsize),)
        return _filled(budget, content, kind, whole if shape is None else shape, order == "F")

    def set_of(made: Callable[[Iterable[Any]], object]) -> Callable[..., object]:
        def make(given: object = ()) -> object:
            if not isinstance(given, list | tuple | set | frozenset):
                raise UnpicklingError("it makes a set of something else")
            _take_keys(budget, given)
            return made(given)

        return make

    def ordered_dict(given: object = ()) -> dict[Any, Any]:
        if not isinstance(given, list | tuple) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in given):
            raise UnpicklingError("it makes a dict of something else")
        _take_keys(budget, [key for key, _ in given])
        return dict(given)

    def encode(text: object, encoding: object = "latin1") -> bytes:
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise UnpicklingError("it has bytes in another form than Python writes")
        budget.take(len(text))
        return text.encode("latin1")

    def no_bytes() -> bytes:
        return b""

    def default_dict(*_: object) -> dict[object, object]:
        return {}

    named: dict[tuple[str, str], object] = {
        ("numpy", "ndarray"): Name(),
        ("numpy", "dtype"): Call(Dtype),
        ("numpy", "frombuffer"): Call(from_buffer),
        ("collections", "OrderedDict"): Call(ordered_dict),
        ("collections", "defaultdict"): Call(default_dict),
        ("_codecs", "encode"): Call(encode),
    }
    named |= {(module, "_reconstruct"): Call(reconstruct) for module in ARRAY_MODULES}
    named |= {(module, "scalar"): Call(scalar) for module in ARRAY_MODULES}
    named |= {(module, "_frombuffer"): Call(from_buffer) for module in NUMERIC_MODULES}
    for module in BUILTINS:
        named |= {(module, "set"): Call(set_of(set)), (module, "frozenset"): Call(set_of(frozenset))}
        named |= {(module, name): Name() for name in ("list", "dict", "int", "float", "str", "bool")}
        named |= {(module, "bytes"): Call(no_bytes)}
    return named
