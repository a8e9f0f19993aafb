"""When memory runs out: the same batch in more parts, or a message that says what to lower."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

from ercfw.errors import RunError

T = TypeVar("T")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the host or the device had no memory left."""
    return isinstance(error, MemoryError) or (isinstance(error, Exception) and should_reduce_batch_size(error))


@dataclass
class Memory:
    """In how many parts a batch is run, so that it fits.

    Attributes:
        parts: how many.
        most: conversations of a batch; a part has at least one of them.
        halve: whether parts may become smaller.
    """

    parts: int
    most: int
    halve: bool

    def enough(self, attempt: Callable[[], T], warn: Callable[[str], None]) -> T:
        """What ``attempt`` gives; where its memory does not suffice, tried again with twice as many parts.

        Raises:
            RunError: the parts may not become smaller, or cannot.
        """
        while (result := _tried(attempt)) is None:
            if not self.halve:
                what = 'train.on_out_of_memory = "halve" runs a batch in parts, to the same result; or data.batch_size'
                raise RunError(f"out of memory; {what} can be lower")
            if self.parts >= self.most:
                raise RunError("out of memory, though every conversation is run alone")
            self.parts = min(2 * self.parts, self.most)
            warn(f"out of memory: from here on a batch is run in {self.parts} parts, to the same result")
            clear_device_cache(garbage_collection=True)
        return result


def _tried(attempt: Callable[[], T]) -> T | None:
    """None when there was no memory; by then nothing holds on to what the attempt had made."""
    try:
        return attempt()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    return None
