"""A pickle looked through, instruction by instruction, before anything is made of it."""

import pickletools
from collections.abc import Iterator
from dataclasses import dataclass
from pickle import UnpicklingError
from typing import Any

REFUSED = frozenset({
    "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "NEXT_BUFFER",
    "READONLY_BUFFER",
})  # fmt: skip
"""Instructions that make objects of classes, or fetch them from elsewhere: numbers and text need none."""
DEEPEST = 100
"""Tuples in tuples: the hash of a deeper one can overflow the stack of Python itself."""
MARK = -1
NESTING = frozenset({"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET"})


@dataclass(frozen=True, slots=True)
class Effect:
    """What an instruction does to the stack: values it takes, whether down to a mark, values it leaves."""

    takes: int
    to_mark: bool
    leaves: int
    nests: bool


def _effect(op: pickletools.OpcodeInfo) -> Effect:
    to_mark = pickletools.markobject in op.stack_before
    below = op.stack_before.index(pickletools.markobject) if to_mark else len(op.stack_before)
    return Effect(below, to_mark, len(op.stack_after), op.name in NESTING)


EFFECTS = {op.name: _effect(op) for op in pickletools.opcodes}
_PUTS, _GETS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"}), frozenset({"GET", "BINGET", "LONG_BINGET"})


def scan(data: bytes) -> None:
    """Look through a pickle; nothing in it runs.

    Raises:
        UnpicklingError: it is cut off or no pickle, makes objects, nests tuples too deep, or numbers its memory
            beyond what it holds (the unpickler would take memory for all of it).
    """
    stack: list[int] = []  # how deep tuples are nested in each value
    memory: dict[int, int] = {}
    end = 0
    try:
        for count, (op, argument, place) in enumerate(_instructions(data)):
            name = op.name
            if name in REFUSED:
                raise UnpicklingError(f"it has an instruction {name}, which makes objects")
            if name in _PUTS:
                if argument > count:
                    raise UnpicklingError(f"it numbers its memory beyond what it holds: {argument}")
                memory[argument] = stack[-1]
            elif name == "MEMOIZE":
                memory[len(memory)] = stack[-1]
            elif name in _GETS:
                stack.append(memory[argument])
            elif name == "MARK":
                stack.append(MARK)
            else:
                _apply(EFFECTS[name], stack)
            end = place or 0
    except (IndexError, KeyError) as error:
        raise UnpicklingError("it takes values that are not there") from error
    except ValueError as error:
        raise UnpicklingError(f"it is cut off or no pickle: {error}") from error
    if end + 1 != len(data):
        raise UnpicklingError(f"something follows its end at byte {end + 1}")


def _instructions(data: bytes) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]:
    yield from pickletools.genops(data)


def _apply(effect: Effect, stack: list[int]) -> None:
    deepest = 0
    if effect.to_mark:
        while (depth := stack.pop()) != MARK:
            deepest = max(deepest, depth)
    for _ in range(effect.takes):
        depth = stack.pop()
        if depth == MARK:
            raise UnpicklingError("it takes a mark for a value")
        deepest = max(deepest, depth)
    if effect.nests:
        deepest += 1
        if deepest > DEEPEST:
            raise UnpicklingError(f"it nests tuples more than {DEEPEST} deep")
    stack += [deepest] * effect.leaves
