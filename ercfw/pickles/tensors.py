"""Stand-ins for the tensors of torch: how a pickle names them, and the array that each becomes."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ercfw.pickles.allowlist import Table
from ercfw.pickles.keys import Keys
from ercfw.pickles.stand_ins import Budget, Call, Fixed

TYPES = {
    "float64": "f8", "float32": "f4", "float16": "f2", "int64": "i8", "int32": "i4", "int16": "i2", "int8": "i1",
    "uint64": "u8", "uint32": "u4", "uint16": "u2", "uint8": "u1", "complex128": "c16", "complex64": "c8",
    "bool": "u1", "bfloat16": "u2", "complex32": "i4", "float8_e4m3fn": "i1", "float8_e5m2": "i1",
    "float8_e4m3fnuz": "i1", "float8_e5m2fnuz": "i1", "float8_e8m0fnu": "i1",
}  # fmt: skip
"""The types of torch, and the type of numpy with which each is read; numpy lacks some of them."""
ONLY_IN_TORCH = frozenset(name for name in TYPES if name.startswith("float8")) | {"complex32"}
STORAGES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "Long": "int64", "Int": "int32", "Short": "int16",
    "Char": "int8", "Byte": "uint8", "Bool": "bool", "BFloat16": "bfloat16", "ComplexDouble": "complex128",
    "ComplexFloat": "complex64",
}  # fmt: skip
"""The type of each of torch's storages: ``torch.FloatStorage`` holds ``torch.float32``."""
NO_CONTENT = "it has a tensor without content"
MOST_VALUES = 2**40


class Type(Fixed):
    """A type of torch, or the class of the storages that hold it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


@dataclass(eq=False, slots=True)
class Storage:
    """The bytes of one or several tensors. An older file has them after the pickle, so they may come later."""

    type: str
    raw: memoryview | None = None

    def __setstate__(self, state: object) -> None:
        """Refuse a state.

        Raises:
            UnpicklingError: always.
        """
        raise UnpicklingError("it changes what it names")


class Tensor(Fixed):
    """A tensor as a pickle describes it: a view of a storage."""

    __slots__ = ("_conjugate", "_negative", "_offset", "_size", "_storage", "_stride", "_type")

    def __init__(self, storage: object, type: str, offset: object, size: object, stride: object, about: object) -> None:
        shapes = (offset,), size, stride
        if not isinstance(storage, Storage) or not all(map(_is_shape, shapes)) or len(size) != len(stride):  # type: ignore[arg-type]
            raise UnpicklingError(NO_CONTENT)
        flags: Mapping[object, object] = about if isinstance(about, dict) else {}
        self._storage, self._type = storage, type
        self._offset: int = offset  # type: ignore[assignment]
        self._size: tuple[int, ...] = tuple(size)  # type: ignore[arg-type]
        self._stride: tuple[int, ...] = tuple(stride)  # type: ignore[arg-type]
        self._conjugate, self._negative = flags.get("conj") is True, flags.get("neg") is True

    def to_array(self, budget: Budget) -> NDArray[Any]:
        """Return a copy of the tensor as an array. Types that numpy lacks become float32, or complex64.

        Raises:
            UnpicklingError: the tensor lies outside its storage, or the budget is spent.
        """
        stored = np.dtype("<" + TYPES[self._type])
        count = math.prod(self._size)
        if not count:
            return _as_numpy(np.empty(self._size, stored), self._type)
        last = self._offset + sum((n - 1) * step for n, step in zip(self._size, self._stride, strict=True))
        raw = b"" if self._storage.raw is None else self._storage.raw
        if last >= len(raw) // stored.itemsize:
            raise UnpicklingError("it has a tensor that is larger than its content")
        budget.take(count * stored.itemsize)
        whole = np.frombuffer(raw, stored, len(raw) // stored.itemsize)
        steps = [step * stored.itemsize for step in self._stride]
        array = _as_numpy(as_strided(whole[self._offset :], self._size, steps, writeable=False).copy(), self._type)
        array = np.conjugate(array) if self._conjugate else array
        return np.asarray(np.negative(array) if self._negative else array)


def _is_shape(values: object) -> bool:
    return isinstance(values, tuple | list) and all(type(n) is int and 0 <= n < MOST_VALUES for n in values)


def _as_numpy(stored: NDArray[Any], type: str) -> NDArray[Any]:
    """Return the array in the type that it stands for."""
    found: NDArray[Any] = stored
    if type == "bool":
        found = np.not_equal(stored, 0, out=np.empty(stored.shape, bool))
    elif type == "bfloat16":
        found = np.left_shift(stored, 16, dtype=np.uint32, out=np.empty(stored.shape, np.uint32)).view(np.float32)
    elif type in ONLY_IN_TORCH:
        import torch

        kind = getattr(torch, type, None)
        if kind is None:
            raise UnpicklingError(f"it has a tensor of type {type}, which this version of torch lacks")
        wider = torch.complex64 if type == "complex32" else torch.float32
        found = torch.from_numpy(stored).view(kind).to(wider).numpy()
    return found


def whole(storage: Storage) -> Tensor:
    """Return all values of a storage as a tensor."""
    values = (0 if storage.raw is None else len(storage.raw)) // np.dtype(TYPES[storage.type]).itemsize
    return Tensor(storage, storage.type, 0, (values,), (1,), None)


def allowed(load: Callable[[bytes], object]) -> Table:
    """Return the names that a pickle with tensors uses, with the stand-in for each.

    Args:
        load: reads the content of a file of ``torch.save``, which pickled tensors contain.
    """

    def nested(content: object) -> Storage:
        found = load(content) if isinstance(content, bytes) else None
        if not isinstance(found, Storage):
            raise UnpicklingError(NO_CONTENT)
        return found

    def rebuild(storage: object, offset: object, size: object, stride: object, *more: object) -> Tensor:
        type = storage.type if isinstance(storage, Storage) else ""
        return Tensor(storage, type, offset, size, stride, more[2] if len(more) > 2 else None)

    def rebuild_typed(
        storage: object,
        offset: object,
        size: object,
        stride: object,
        _: object,
        hooks: object,
        type: object,
        *more: object,
    ) -> Tensor:
        if not isinstance(type, Type):
            raise UnpicklingError(NO_CONTENT)
        return Tensor(storage, type.name, offset, size, stride, more[0] if more else None)

    keys = Keys()

    def size(values: object = ()) -> tuple[int, ...]:
        if not _is_shape(values):
            raise UnpicklingError("it has a size that is none")
        made: tuple[int, ...] = tuple(values)  # type: ignore[arg-type]
        keys.check(made)
        return made

    return {
        ("torch._utils", "_rebuild_tensor_v2"): Call(rebuild),
        ("torch._utils", "_rebuild_tensor"): Call(rebuild),
        ("torch._utils", "_rebuild_tensor_v3"): Call(rebuild_typed),
        ("torch._utils", "_rebuild_parameter"): Call(_parameter),
        ("torch._utils", "_rebuild_parameter_with_state"): Call(_parameter),
        ("torch.storage", "_load_from_bytes"): Call(nested),
        ("torch", "Size"): Call(size),
        **dict(_types()),
    }


def _types() -> Iterator[tuple[tuple[str, str], Type]]:
    yield ("torch.storage", "UntypedStorage"), Type("uint8")
    yield from ((("torch", name), Type(name)) for name in TYPES)
    for module in ("torch", "torch.cuda"):
        yield from (((module, f"{name}Storage"), Type(type)) for name, type in STORAGES.items())


def _parameter(tensor: object, *_: object) -> Tensor:
    """Return the values of a parameter of a network."""
    if not isinstance(tensor, Tensor):
        raise UnpicklingError(NO_CONTENT)
    return tensor
