"""Scan a pickle, instruction by instruction, before anything is created from it."""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from pickle import HIGHEST_PROTOCOL, UnpicklingError
from typing import Any

FETCHED = frozenset({"PERSID", "BINPERSID"})
"""Instructions that fetch objects from outside the pickle. Torch stores the values of tensors that way."""
REFUSED = FETCHED | {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"}
"""These, and instructions that create objects of classes: numbers and text need neither."""
DEEPEST = 100
"""Levels of nested tuples: hashing a deeper one can overflow the stack of Python itself."""
TIMES, ROOM = 8, 2**20
"""Values that may be hashed per byte of the file, besides ``ROOM``. If a tuple holds one tuple twice, and so on, the
time to hash it doubles with each level."""

Nesting = tuple[int, int]
PLAIN: Nesting = (0, 1)
"""The depth of nested tuples in a value, and the number of values that its hash visits."""

_NESTS = frozenset({"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET"})
_HASHES = frozenset({"DICT", "SETITEM", "SETITEMS", "ADDITEMS", "FROZENSET"})
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction: how to read its argument, how many values it takes off the stack, and how many it leaves."""

    name: str
    argument: Callable[[BytesIO], Any] | None
    takes: int
    to_mark: bool
    leaves: int
    pushes: bool


def _instruction(op: pickletools.OpcodeInfo) -> Instruction:
    to_mark = pickletools.markobject in op.stack_before
    takes = op.stack_before.index(pickletools.markobject) if to_mark else len(op.stack_before)
    leaves = len(op.stack_after)
    pushes = not takes and not to_mark and leaves == 1 and op.name not in _GETS | {"MARK"}
    reader: Any = op.arg and op.arg.reader
    return Instruction(op.name, _read_line if op.name == "STRING" else reader, takes, to_mark, leaves, pushes)


def _read_line(file: BytesIO) -> bytes:
    """Read a text of protocol 0. The standard reader accepts ASCII only, but Python 2 also stored array values so."""
    line = file.readline()
    if not line.endswith(b"\n"):
        raise ValueError("a line has no end")
    return line


INSTRUCTIONS = {op.code.encode("latin1"): _instruction(op) for op in pickletools.opcodes}


class _Stack:
    """The nesting of each value on the unpickler's stack and in its memory."""

    def __init__(self, size: int) -> None:
        self.values: list[Nesting] = []
        self.marks: list[int] = []
        self.memory: dict[int, Nesting] = {}
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
        """Take values off the stack and leave the nesting of all of them; a call or container adds no other values."""
        if step.name == "POP" and self.marks and self.marks[-1] == len(self.values):
            self.marks.pop()
            return
        start = (self.marks.pop() if step.to_mark else len(self.values)) - step.takes
        if start < (self.marks[-1] if self.marks else 0):
            raise IndexError
        taken = self.values[start:]
        del self.values[start:]
        nested = [value for value in taken if value is not PLAIN]
        deepest = max((depth for depth, _ in nested), default=0)
        hashed = sum(size for _, size in nested) + len(taken) - len(nested)
        left = (deepest, max((size for _, size in nested), default=1)) if nested else PLAIN
        if step.name in _NESTS:
            left = (deepest + 1, hashed + 1)
            if deepest == DEEPEST:
                raise UnpicklingError(f"it nests tuples more than {DEEPEST} deep")
        self._left -= hashed if step.name in _HASHES else 0
        if left[1] > self._longest or self._left < 0:
            raise UnpicklingError("it repeats tuples too often")
        self.values += [left] * step.leaves


def scan(file: BytesIO, refused: frozenset[str] = REFUSED) -> None:
    """Scan the pickle at the current place of a file, up to its end, without running anything in it.

    Raises:
        UnpicklingError: the pickle is cut off or is no pickle; it has a refused instruction; it nests or repeats tuples
            so that hashing them would crash or never end; or it numbers its memory beyond what it holds.
    """
    stack = _Stack(file.getbuffer().nbytes)
    try:
        _scan_instructions(file, stack, refused)
    except (IndexError, KeyError) as error:
        raise UnpicklingError(f"it takes values that are not there, before byte {file.tell()}") from error
    except ValueError as error:  # its text would show content of the file
        raise UnpicklingError(f"it is cut off or is no pickle, before byte {file.tell()}") from error


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
            values.append(PLAIN)
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
