"""The protocols: the only place that decides which split chooses the epoch and which splits are scored."""

from collections.abc import Mapping, Sequence

import numpy as np

from ercfw.contract.conversation import Conversation
from ercfw.contract.stamps import CHOSEN_ON_TEST
from ercfw.contract.targets import has_label
from ercfw.errors import InputError
from ercfw.training.state import Watched

CHOSEN_ON = {"dev": "dev", "release": "test"}
"""The split that chooses the epoch, by protocol."""

SCORED = {"dev": ("dev", "test"), "release": ("test",)}
"""The splits that are scored once, at the end, by protocol."""

STAMPS: Mapping[str, tuple[str, ...]] = {"dev": (), "release": (CHOSEN_ON_TEST,)}
"""The stamps on every output of a run, by protocol."""

RELEASE_HELD_OUT = 0.05
NOTES: Mapping[str, tuple[str, ...]] = {
    "dev": (),
    "release": (
        "protocol release: dev is merged into train, a random 5 % of the conversations feeds the plateau schedule, "
        "and the best test epoch is reported (ties: the later)",
        "unlike the release, padded places are neither attended to nor computed",
    ),
}


def watched_splits(protocol: str, splits: Mapping[str, Sequence[Conversation]], target: str, seed: int) -> Watched:
    """Return the splits that training may see.

    Under protocol ``dev`` these are train and dev. Under protocol ``release`` they are train merged with dev, and test.

    Raises:
        InputError: the split that chooses the epoch has no label of the target.
    """
    chosen_on = CHOSEN_ON[protocol]
    if not any(has_label(c.labels[target]).any() for c in splits[chosen_on] if target in c.labels):
        what = f"'{protocol}' chooses the epoch on {chosen_on}, which has no label of '{target}'"
        raise InputError.at("[train] protocol", what, f"add labels to {chosen_on}, or use another protocol or target")
    if protocol == "dev":
        return Watched(splits["train"], splits["dev"], splits["dev"])
    merged = [*splits["train"], *splits["dev"]]
    order = np.random.default_rng(seed).permutation(len(merged))
    held_out = max(1, int(RELEASE_HELD_OUT * len(merged)))  # rounded down as in the release: 57 of MELD's 1,152
    conversations = [merged[number] for number in order]
    return Watched(conversations[held_out:], conversations[:held_out], splits["test"], later_wins=True)
