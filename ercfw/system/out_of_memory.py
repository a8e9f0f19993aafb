"""Run a batch again in more parts when memory runs out, or report which setting to lower."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ercfw.errors import RunError

T = TypeVar("T")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the host or the device had no memory left."""
    from accelerate.utils.memory import should_reduce_batch_size

    return isinstance(error, MemoryError) or (isinstance(error, Exception) and should_reduce_batch_size(error))


@dataclass
class BatchParts:
    """The number of parts in which a batch is run, so that it fits in memory.

    Attributes:
        parts: the number of parts.
        most: the number of conversations in a batch, and so the largest number of parts.
        halve: whether the parts may become smaller.
    """

    parts: int
    most: int
    halve: bool

    def run(self, attempt: Callable[[], T], warn: Callable[[str], None]) -> T:
        """Return the result of ``attempt``; repeat it with twice as many parts as long as memory runs out.

        Raises:
            RunError: the parts may not or cannot become smaller.
        """
        from accelerate.utils.memory import clear_device_cache

        while (result := _result_or_none(attempt)) is None:
            if not self.halve:
                hint = 'set train.on_out_of_memory = "halve" (same result, in parts), or lower data.batch_size'
                raise RunError(f"out of memory ({hint})")
            if self.parts >= self.most:
                raise RunError("out of memory, even with one conversation at a time")
            self.parts = min(2 * self.parts, self.most)
            warn(f"out of memory: from now on each batch is run in {self.parts} parts, with the same result")
            clear_device_cache(garbage_collection=True)
        return result


def _result_or_none(attempt: Callable[[], T]) -> T | None:
    """Return None if memory ran out; the objects of the attempt are free by then."""
    try:
        return attempt()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    return None
