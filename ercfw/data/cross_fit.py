"""Leave out a part of the training split for cross-fitting.

Each run of a cross-fitted set leaves out another part. So for each training conversation there is one run that has
not seen it.
"""

import hashlib
from collections.abc import Sequence

from ercfw.contract.conversation import Conversation
from ercfw.errors import InputError
from ercfw.recipe.queries import part_of


def without_part(train: Sequence[Conversation], leave_out: str) -> list[Conversation]:
    """Return the training split without one of its parts.

    The parts depend only on the names of the conversations. Their sizes differ by at most one conversation.

    Raises:
        InputError: there is no such part, or train has fewer conversations than parts.
    """
    part, parts = part_of(leave_out)
    if len(train) < parts:
        what = f"names one of {parts} parts, but train has only {len(train)} conversations"
        raise InputError.at("[data] leave_out", what, f"use at most {len(train)} parts")
    shuffled = sorted((c.id for c in train), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    left_out = set(shuffled[part - 1 :: parts])
    return [conversation for conversation in train if conversation.id not in left_out]
