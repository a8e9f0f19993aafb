"""How public feature files name conversations, and which splits a corpus has."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from ercfw.contract.conversation import SPLITS, Conversation, Split
from ercfw.contract.interfaces import Dataset
from ercfw.contract.published_features import Key
from ercfw.errors import InputError

ANYBODYS = "table"
"""The dataset of files that belong to no corpus of their own."""

MAX_DIGITS = 18
"""The number of digits above which a name is no number."""


def splits_of(dataset: Dataset) -> dict[Split, Sequence[Conversation]]:
    """Return the conversations of each split; a split may have none, because a corpus may be one split alone.

    Raises:
        InputError: there is no conversation at all.
    """
    found: dict[Split, Sequence[Conversation]] = {}
    errors = []
    for split in SPLITS:
        try:
            found[split] = dataset.split(split)
        except InputError as error:  # datasets raise it if a split is empty, since a run needs all of them
            found[split] = ()
            errors.append(error)
    if not any(found.values()) and errors:
        raise errors[0]
    return found


def public_keys(splits: Mapping[Split, Sequence[Conversation]]) -> dict[str, Key]:
    """How public files name each conversation.

    Where every split counts its conversations from 0 (``train/12``), a number that counts on over the splits:
    MELD's train is 0 to 1038, its dev 1039 to 1152, its test 1153 to 1432. Otherwise the conversation's own name.
    """
    names = [c.id for conversations in splits.values() for c in conversations]
    numbers = {split: [_number(split, c.id) for c in conversations] for split, conversations in splits.items()}
    if any(number is None for found in numbers.values() for number in found):
        return {name: name for name in names}
    counted = {split: [n for n in found if n is not None] for split, found in numbers.items()}
    offsets = accumulate((max(found, default=-1) + 1 for found in counted.values()), initial=0)
    keys = [start + n for start, found in zip(offsets, counted.values(), strict=False) for n in found]
    return dict(zip(names, keys, strict=True))


def _number(split: str, name: str) -> int | None:
    before, slash, number = name.partition("/")
    is_number = number.isdecimal() and len(number) <= MAX_DIGITS
    return int(number) if slash and before == split and is_number else None
