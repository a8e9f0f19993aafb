"""A full or failing disk: one message, whatever code met it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from ercfw.errors import RunError

FAILURES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG})
"""The errors of a disk that is full, over its quota, failing, or read-only."""


@contextmanager
def disk_failures() -> Iterator[None]:
    """Turn errors of the disk into one message, also those that a library met.

    Raises:
        RunError: the disk is full or failing.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FAILURES:
            raise
        place = f"{error.filename}: " if error.filename is not None else ""
        raise RunError(f"{place}the disk failed: {error.strerror} (finished steps are kept)") from error
