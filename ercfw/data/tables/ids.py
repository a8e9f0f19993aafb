"""Check that no utterance occurs twice."""

from collections.abc import Iterable

from ercfw.contract.conversation import UtteranceId
from ercfw.errors import Mistake


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
