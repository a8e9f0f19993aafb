"""A pickle looked through, instruction by instruction, before anything is made of it."""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from pickle import HIGHEST_PROTOCOL, UnpicklingError
from typing import Any

FETCHED = frozenset({"PERSID", "BINPERSID"})
"""Instructions that fetch objects from elsewhere; files of torch have their tensors' values so."""
REFUSED = FETCHED | {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"}
"""And those that make objects of classes: numbers and text need none."""
DEEPEST = 100
"""Tuples in tuples: the hash of a deeper one can overflow the stack of Python itself."""
TIMES, ROOM = 8, 2**20
"""Values that may be hashed for each byte of the file, beside ``ROOM``: a tuple of one tuple twice, and so on,
is hashed in a time that doubles with each."""

Nesting = tuple[int, int]
PLAIN: Nesting = (0, 1)
"""How deep tuples are nested in a value, and the values that its hash visits."""

_NESTS = frozenset({"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET"})
_HASHES = frozenset({"DICT", "SETITEM", "SETITEMS", "ADDITEMS", "FROZENSET"})
_PUTS, _GETS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"}), frozenset({"GET", "BINGET", "LONG_BINGET"})


@dataclass(frozen=True, slots=True)
class Instruction:
    """What one reads behind its byte, and does to the stack: values it takes, also down to a mark, and leaves."""

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
    return Instruction(op.name, _line if op.name == "STRING" else reader, takes, to_mark, leaves, pushes)


def _line(file: BytesIO) -> bytes:
    """Text of protocol 0, whose own reader knows ASCII alone: Python 2 kept values of arrays in it, too."""
    line = file.readline()
    if not line.endswith(b"\n"):
        raise ValueError("a line has no end")
    return line


INSTRUCTIONS = {op.code.encode("latin1"): _instruction(op) for op in pickletools.opcodes}


class _Stack:
    """The nesting of each value that lies on the unpickler's stack, and in its memory."""

    def __init__(self, size: int) -> None:
        self.values: list[Nesting] = []
        self.marks: list[int] = []
        self.memory: dict[int, Nesting] = {}
        self._longest, self._left = size + ROOM, TIMES * size + ROOM

    def apply(self, step: Instruction) -> None:
        """Take values, and leave the nesting of all of them: what a call or a container gives holds no more."""
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
    """Look through the pickle that a file goes on with, up to its end; nothing in it runs.

    Raises:
        UnpicklingError: it is cut off or no pickle, has a refused instruction, nests or repeats tuples so that
            their hashes crash or never end, or numbers its memory beyond what it holds (the unpickler would take
            memory for all of it).
    """
    stack = _Stack(file.getbuffer().nbytes)
    try:
        _look_through(file, stack, refused)
    except (IndexError, KeyError) as error:
        raise UnpicklingError(f"it takes values that are not there, before byte {file.tell()}") from error
    except ValueError as error:  # whose text would show what is there
        raise UnpicklingError(f"it is cut off or no pickle, before byte {file.tell()}") from error


def _look_through(file: BytesIO, stack: _Stack, refused: frozenset[str]) -> None:
    values, memory = stack.values, stack.memory
    for done in count():
        if (step := INSTRUCTIONS.get(file.read(1))) is None:
            raise ValueError("no instruction")
        name = step.name
        argument: Any = step.argument(file) if step.argument else None
        if name in refused:
            raise UnpicklingError(f"it has an instruction {name}, which makes objects")
        if step.pushes:
            values.append(PLAIN)
        elif name in _GETS:
            values.append(memory[argument])
        elif name in _PUTS:
            if not 0 <= argument <= done:
                raise UnpicklingError(f"it numbers its memory beyond what it holds: {argument}")
            memory[argument] = values[-1]
        elif name == "MEMOIZE":
            memory[len(memory)] = values[-1]
        elif name == "MARK":
            stack.marks.append(len(values))
        elif name == "PROTO" and argument > HIGHEST_PROTOCOL:
            raise UnpicklingError(f"it is of protocol {argument}, and the newest is {HIGHEST_PROTOCOL}")
        else:
            stack.apply(step)
            if name == "STOP":
                return
