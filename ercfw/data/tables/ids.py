"""Check that no utterance occurs twice, and find columns that distinguish conversations of the same name."""

import re
from collections.abc import Collection, Iterable, Sequence

from ercfw.contract.conversation import UtteranceId
from ercfw.errors import Mistake

OUTER = {
    "book", "chapter", "episode", "film", "movie", "part", "season", "series", "session", "show", "video", "volume",
}  # fmt: skip
"""What conversations are parts of; corpora often number the conversations of each of them anew."""


def outer_columns(header: Sequence[str], used: Collection[str]) -> tuple[str, ...]:
    """Return the columns, such as ``Season`` and ``Episode_ID``, that name what conversations are parts of.

    Args:
        header: the names of all columns.
        used: columns that have another role.
    """
    bare = {name: re.sub(r"[\W_]*(id|name|no|nr|num|number)?$", "", name.strip().lower()) for name in header}
    return tuple(name for name in header if bare[name] in OUTER and name not in used)


def repeated_id(utterances: Iterable[tuple[str, UtteranceId]]) -> Mistake | None:
    """Return a mistake for the first utterance whose id occurred before, with the number of others; None if all differ.

    Where ids restart in each episode of a corpus, thousands are repeated, so only the first is named.

    Args:
        utterances: file and line of each utterance, and its id.
    """
    first: dict[UtteranceId, str] = {}
    repeated: list[tuple[str, UtteranceId]] = []
    for where, id in utterances:
        if id in first:
            repeated.append((where, id))
        else:
            first[id] = where
    if not repeated:
        return None
    where, id = repeated[0]
    more = f"; other utterances that occur twice: {len(repeated) - 1}" if len(repeated) > 1 else ""
    return Mistake(where, f"utterance '{id[1]}' of conversation '{id[0]}' occurs twice", f"first at {first[id]}{more}")
