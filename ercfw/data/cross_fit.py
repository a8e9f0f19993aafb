"""Cross-fitting: runs of which each leaves out a part of the training split, so that together they have seen
every training conversation, and for every one there is one that has not.
"""

import hashlib
from collections.abc import Sequence

from ercfw.contract.conversation import Conversation
from ercfw.errors import InputError
from ercfw.recipe.queries import part_of


def without_part(train: Sequence[Conversation], leave_out: str) -> list[Conversation]:
    """The training split without a part.

    The parts hang on the conversations' names alone, and differ by at most one conversation in size.

    Raises:
        InputError: there is no such part, or fewer conversations than parts.
    """
    part, parts = part_of(leave_out)
    if len(train) < parts:
        what = f"names one of {parts} parts, but train has {len(train)} conversations"
        raise InputError.at("[data] leave_out", what)
    dealt = sorted((c.id for c in train), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    left_out = set(dealt[part - 1 :: parts])
    return [conversation for conversation in train if conversation.id not in left_out]
