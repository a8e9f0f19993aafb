"""The conversations of each epoch, in order: those that the recipe's sampler chooses, or all of them."""

import operator
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from ercfw.contract.training_parts import Sampler
from ercfw.errors import ErcfwError, InputError, RunError, cause_of

T = TypeVar("T")
MOST_REPEATS = 100
"""Largest number of conversations of an epoch, as a multiple of the number of training conversations."""
TABLE = "[train.sampler]"


def steps_of_epochs(sampler: Sampler | None, conversations: int, step_size: int, epochs: int) -> tuple[int, ...]:
    """Return the number of steps of each epoch.

    Raises:
        InputError: the sampler has an epoch without conversations, or with far too many.
        RunError: the code of the sampler failed.
    """
    if sampler is None:
        return (-(-conversations // step_size),) * epochs
    return tuple(-(-_size(sampler, number, conversations) // step_size) for number in range(1, epochs + 1))


def order_of_epoch(sampler: Sampler | None, conversations: int, seed: int, number: int) -> list[int]:
    """Return the numbers of the conversations of an epoch, in order; they depend only on seed, epoch and sampler.

    Raises:
        InputError: the sampler returns more or fewer numbers than its ``size`` says.
        RunError: the code of the sampler failed.
    """
    generator = np.random.default_rng([seed, number])
    if sampler is None:
        return [int(each) for each in generator.permutation(conversations)]
    returned = _call(lambda: [operator.index(each) for each in sampler.epoch(number, generator)])
    size = _size(sampler, number, conversations)
    if len(returned) != size:
        what = f"epoch {number} has {len(returned)} conversations, but size({number}) is {size}"
        raise InputError.at(TABLE, what, "size must return the number of conversations that epoch returns")
    return returned


def checked_order(order: list[int], conversations: int, number: int) -> list[int]:
    """Return the order of an epoch, which a sampler or a checkpoint gave.

    Raises:
        InputError: there is no conversation with one of the numbers.
    """
    for each in order:
        if not 0 <= each < conversations:
            what = f"epoch {number} has conversation {each}, but they are numbered from 0 to {conversations - 1}"
            raise InputError.at(TABLE, what)
    return order


def _size(sampler: Sampler, number: int, conversations: int) -> int:
    size = _call(lambda: operator.index(sampler.size(number)))
    if size < 1:
        raise InputError.at(TABLE, f"epoch {number} has no conversation", "each epoch needs at least one")
    if size > MOST_REPEATS * conversations:
        what = f"epoch {number} has {size} conversations, but train has {conversations}"
        raise InputError.at(TABLE, what, f"at most {MOST_REPEATS} times as many")
    return size


def observe(sampler: Sampler, numbers: Sequence[int], losses: Sequence[float]) -> None:
    """Hand the losses of a step to a sampler that learns from them.

    Raises:
        RunError: the code of the sampler failed.
    """
    _call(lambda: sampler.observe(numbers, losses))  # type: ignore[attr-defined]


def _call(call: Callable[[], T]) -> T:
    try:
        return call()
    except ErcfwError:
        raise
    except Exception as error:
        raise RunError(f"{TABLE} failed: {cause_of(error)}") from error
