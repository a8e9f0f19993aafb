"""Stand-ins for what a pickle names. None of them runs what the pickle says or can be changed by it."""

import math
import re
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUMBERS = re.compile(r"[<>|=]?([fiubc](1|2|4|8|16)|[US](0|[1-9]\d{0,5}))")


class Fixed:
    """Base of stand-ins without a state. A frozen dataclass with slots would accept one from the pickle."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """Refuse a state.

        Raises:
            UnpicklingError: always.
        """
        raise UnpicklingError("it changes what it names")


class Name(Fixed):
    """A type that a pickle names but does not call."""


class Call(Fixed):
    """A callable."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *arguments: object) -> object:
        """Return the result of the function."""
        return self._function(*arguments)


class Budget:
    """The number of bytes that may still be created. Without it, shared values could be copied without end."""

    __slots__ = ("left",)

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, size: int) -> None:
        """Spend a number of bytes.

        Raises:
            UnpicklingError: fewer are left.
        """
        self.left -= size
        if self.left < 0:
            raise UnpicklingError("it would make more than it holds")


class Attributes(dict[Any, Any]):
    """An ordered dict. Torch gives those of a network's weights attributes, which are ignored."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """Ignore the attributes."""


class Dtype:
    """The type and byte order of a number or text. No other numpy types are accepted."""

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
    def as_numpy(self) -> np.dtype[Any]:
        """Return numpy's own type."""
        return np.dtype(self.code)


class Array(np.ndarray[Any, Any]):
    """An array that takes its content only if shape, type and bytes agree. ``np.asarray`` makes it a plain array."""

    budget: Budget

    def __setstate__(self, state: Any) -> None:
        """Take the state that numpy pickles: version, shape, type, order and content."""
        _, shape, dtype, fortran, content = state if len(state) == 5 else (1, *state)
        checked = filled(self.budget, content, dtype, shape, bool(fortran))
        # numpy takes over the bytes of a large array, so that nothing is copied; it does so in every pickle.
        raw = content if type(content) is bytes and not checked.dtype.hasobject else _content(checked)
        whole = (1, checked.shape, checked.dtype, bool(fortran), raw)
        super().__setstate__(whole)  # type: ignore[arg-type]  # typed for numpy's bool, but it takes Python's


def _content(array: NDArray[Any]) -> Any:
    return array.ravel(order="K").tolist() if array.dtype == object else array.tobytes(order="A")


def filled(budget: Budget, content: object, dtype: object, shape: object, fortran: bool) -> NDArray[Any]:
    """Return an array of this content.

    Raises:
        UnpicklingError: the content does not fit the type and shape, or the budget is spent.
    """
    kind = (dtype if isinstance(dtype, Dtype) else Dtype(dtype)).as_numpy
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
