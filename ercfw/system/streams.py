"""Keep standard output and standard error usable, whatever their encoding is and whoever reads them."""

import codecs
import io
import os
import sys
from typing import Any, TextIO

from ercfw.errors import RunError

ESCAPES = "ercfw.escapes"
"""The name under which codecs know ``_escape``."""


def set_up_streams() -> None:
    r"""Let the streams of a process that ercfw owns take every text, also if nothing reads them any more.

    Standard output escapes what its encoding lacks as ``\uXXXX``, as JSON does.
    """
    codecs.register_error(ESCAPES, _escape)
    sys.stdout = _kept_open(sys.stdout, sys.__stdout__)
    sys.stderr = _kept_open(sys.stderr, sys.__stderr__)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=ESCAPES)


def finish_output() -> None:
    """Write what standard output still holds.

    Raises:
        RunError: a part of the output could not be written, for example to a full disk.
    """
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(raw, _Output) and raw.error is not None:
        raise RunError(f"standard output: cannot be written: {raw.error.strerror}")


def can_encode(text: str) -> bool:
    """Return whether standard output can write a text without escapes."""
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return True


class _Output(io.FileIO):
    """A file that drops what it cannot write, so that the work goes on.

    Attributes:
        error: the first error; None while there is none, or if only the reader of a pipe has gone away.
    """

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write bytes; return their number."""
        try:
            return super().write(data)
        except BrokenPipeError:
            pass
        except OSError as error:
            self.error = self.error or error
        return memoryview(data).nbytes


def _kept_open(stream: TextIO | None, original: TextIO | None) -> TextIO:
    """Return a stream that never fails in place of one of the process; another stream is returned as it is."""
    if stream is None:  # the process was started without it
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
    if stream is not original or not isinstance(stream, io.TextIOWrapper) or sys.platform == "win32":
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _escape(error: UnicodeError) -> tuple[str, int]:
    r"""Return ``\uXXXX`` for characters that an encoding lacks, two of them beyond the first 65,536."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    units = (lacking[place : place + 2].hex() for place in range(0, len(lacking), 2))
    return "".join(rf"\u{unit}" for unit in units), error.end
