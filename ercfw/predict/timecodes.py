"""Times in the notations of transcripts and subtitles."""

import re

_TIME = re.compile(r"(?:(?:([0-9]{1,9}):)?([0-9]{1,9}):)?([0-9]{1,9}(?:[.,][0-9]{1,9})?)")


def seconds_of(text: str) -> float | None:
    """Return ``12.5``, ``01:12.5`` or ``00:01:12,500`` in seconds; None if it is not a time of 0 or more."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return None
    hours, minutes, seconds = found.groups(default="0")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds.replace(",", "."))
