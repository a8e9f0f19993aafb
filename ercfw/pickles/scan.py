"""Scan a pickle, instruction by instruction, before anything is created from it."""

import pickletools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import SEEK_END, BytesIO
from itertools import count
from pickle import HIGHEST_PROTOCOL, UnpicklingError
from typing import Any, NamedTuple

from ercfw.pickles.keys import Keys

FETCHED = frozenset({"PERSID", "BINPERSID"})
"""Instructions that fetch objects from outside the pickle. Torch stores the values of tensors that way."""
REFUSED = FETCHED | {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"}
"""These, and instructions that create objects of classes: numbers and text need neither."""
REPEATS = "it repeats tuples too often"
DEEPEST = 100
"""Levels of nested tuples: hashing a deeper one can overflow the stack of Python itself."""
TIMES, ROOM = 8, 2**20
"""Values that may be hashed per byte of the file, besides ``ROOM``. If a tuple holds one tuple twice, and so on, the
time to hash it doubles with each level."""

MADE = object()
"""The value that a call returns, which the scan does not know."""
OTHER = object()
"""A value that cannot be a key, or whose hash nobody can know before."""
LONGEST_TEXT = 1000
"""Number of characters above which a text is ``OTHER``, so that the scan keeps no copies of arrays."""


class Nested(NamedTuple):
    """A value that contains tuples.

    Attributes:
        depth: how deeply tuples are nested in it.
        size: the number of values that its hash visits.
        value: the tuple, or ``MADE`` or ``OTHER``.
        is_known: whether ``value`` has the hash that it will have.
    """

    depth: int
    size: int
    value: object
    is_known: bool


CONSTANTS: Mapping[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TEXTS = frozenset({
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8",
})  # fmt: skip
_NUMBERS = frozenset({"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"})
_CALLS = frozenset({"REDUCE", "BUILD"})
_KEYS = {
    "DICT": slice(0, None, 2), "SETITEM": slice(1, 2), "SETITEMS": slice(1, None, 2), "ADDITEMS": slice(1, None),
    "FROZENSET": slice(None),
}  # fmt: skip
"""Instructions that hash values, and the places of the keys among the values that they take."""
_NESTS = frozenset({"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET"})
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction: how to read its argument, how many values it takes off the stack, and how many it leaves.

    If it only pushes a value, this is its argument (``is_text``, ``is_number``) or the constant.
    """

    name: str
    argument: Callable[[BytesIO], Any] | None
    takes: int
    to_mark: bool
    leaves: int
    pushes: bool
    is_text: bool
    is_number: bool
    constant: object


def _instruction(op: pickletools.OpcodeInfo) -> Instruction:
    to_mark = pickletools.markobject in op.stack_before
    takes = op.stack_before.index(pickletools.markobject) if to_mark else len(op.stack_before)
    leaves = len(op.stack_after)
    pushes = not takes and not to_mark and leaves == 1 and op.name not in _GETS | {"MARK"}
    reader: Any = op.arg and op.arg.reader
    return Instruction(
        name=op.name,
        argument=_read_line if op.name == "STRING" else reader,
        takes=takes,
        to_mark=to_mark,
        leaves=leaves,
        pushes=pushes,
        is_text=op.name in _TEXTS,
        is_number=op.name in _NUMBERS,
        constant=CONSTANTS.get(op.name, OTHER),
    )


def _read_line(file: BytesIO) -> bytes:
    """Read a text of protocol 0. The standard reader accepts ASCII only, but Python 2 also stored array values so."""
    line = file.readline()
    if not line.endswith(b"\n"):
        raise ValueError("a line has no end")
    return line


INSTRUCTIONS = {op.code.encode("latin1"): _instruction(op) for op in pickletools.opcodes}


class _Stack:
    """The values on the unpickler's stack and in its memory, as far as they matter for hashing."""

    def __init__(self, size: int) -> None:
        self.values: list[object] = []
        self.marks: list[int] = []
        self.memory: dict[int, object] = {}
        self._keys = Keys()
        self._longest, self._left = size + ROOM, TIMES * size + ROOM

    def store(self, place: int | None, most: int) -> None:
        """Store the top of the stack in the memory; the next free place if None.

        Raises:
            UnpicklingError: the place is above ``most``. The unpickler would allocate memory for all places below it.
        """
        place = len(self.memory) if place is None else place
        if not 0 <= place <= most:
            raise UnpicklingError(f"it numbers its memory beyond what it holds: {place}")
        self.memory[place] = self.values[-1]

    def apply(self, step: Instruction) -> None:
        """Take values off the stack and leave what an instruction makes of them."""
        if step.name == "POP" and self.marks and self.marks[-1] == len(self.values):
            self.marks.pop()
            return
        start = (self.marks.pop() if step.to_mark else len(self.values)) - step.takes
        if start < (self.marks[-1] if self.marks else 0):
            raise IndexError
        taken = self.values[start:]
        del self.values[start:]
        if step.name == "DUP":
            self.values += [*taken, *taken]
            return
        nested = [value for value in taken if type(value) is Nested]
        left = self._made(step.name, taken, nested)
        if step.name in _KEYS:
            self._spend(sum(value.size for value in nested) + len(taken) - len(nested))
            for key in taken[_KEYS[step.name]]:
                self._check_key(key)
        self.values += [left] * step.leaves

    def _made(self, name: str, taken: Sequence[object], nested: Sequence[Nested]) -> object:
        """Return what an instruction leaves: a tuple, or a call or container, which adds no other values.

        Raises:
            UnpicklingError: it nests or repeats tuples too often.
        """
        depth = max((value.depth for value in nested), default=0)
        size = max((value.size for value in nested), default=1)
        if name not in _NESTS:
            value = MADE if name in _CALLS else OTHER
            return Nested(depth, size, value, False) if nested or value is MADE else OTHER
        if depth == DEEPEST:
            raise UnpicklingError(f"it nests tuples more than {DEEPEST} deep")
        size = sum(value.size for value in nested) + len(taken) - len(nested) + 1
        if size > self._longest:
            raise UnpicklingError(REPEATS)
        if name == "FROZENSET":
            return Nested(depth + 1, size, OTHER, False)
        inner = tuple(value.value if type(value) is Nested else value for value in taken)
        is_known = all(value.is_known for value in nested)
        return Nested(depth + 1, size, inner, is_known)

    def _spend(self, hashed: int) -> None:
        self._left -= hashed
        if self._left < 0:
            raise UnpicklingError(REPEATS)

    def _check_key(self, key: object) -> None:
        """Check that a key collides with few others; what calls make is checked when it is made."""
        if type(key) is not Nested:
            self._keys.check(key)
        elif key.is_known:
            self._spend(key.size * self._keys.check(key.value))
        elif key.value is not MADE:
            self._keys.check_unknown()


def scan(file: BytesIO, refused: frozenset[str] = REFUSED) -> None:
    """Scan the pickle at the current place of a file, up to its end, without running anything in it.

    Raises:
        UnpicklingError: the pickle is cut off or is no pickle; it has a refused instruction; it nests or repeats tuples
            so that hashing them would crash or never end; or it numbers its memory beyond what it holds.
    """
    stack = _Stack(_size(file))
    try:
        _scan_instructions(file, stack, refused)
    except (IndexError, KeyError) as error:
        raise UnpicklingError(f"it takes values that are not there, before byte {file.tell()}") from error
    except ValueError as error:  # its text would show content of the file
        raise UnpicklingError(f"it is cut off or is no pickle, before byte {file.tell()}") from error


def _size(file: BytesIO) -> int:
    """Return the size of a file; its buffer would be a copy of the content."""
    place = file.tell()
    size = file.seek(0, SEEK_END)
    file.seek(place)
    return size


def _scan_instructions(file: BytesIO, stack: _Stack, refused: frozenset[str]) -> None:
    values = stack.values
    for done in count():
        if (step := INSTRUCTIONS.get(file.read(1))) is None:
            raise ValueError("no instruction")
        name = step.name
        argument: Any = step.argument(file) if step.argument else None
        if name in refused:
            raise UnpicklingError(f"it has an instruction {name}, which creates objects")
        if step.pushes:
            is_leaf = step.is_number or (step.is_text and len(argument) <= LONGEST_TEXT)
            values.append(argument if is_leaf else step.constant)
        elif name in _GETS:
            values.append(stack.memory[argument])
        elif name in _PUTS:
            stack.store(argument, done)
        elif name == "MARK":
            stack.marks.append(len(values))
        elif name == "PROTO" and argument > HIGHEST_PROTOCOL:
            raise UnpicklingError(f"it uses protocol {argument}, and the newest that can be read is {HIGHEST_PROTOCOL}")
        else:
            stack.apply(step)
            if name == "STOP":
                return
