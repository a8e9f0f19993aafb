"""The split of each conversation: by a column, by lists of names, or by folds."""

import hashlib
from collections.abc import Mapping, Sequence

from ercfw import SPLITS, InputError, TableRow, did_you_mean


def by_column(rows: Sequence[TableRow]) -> dict[str, str]:
    """Return the split of each conversation that the split column names; ``train`` if there is no such column.

    Raises:
        InputError: if a value is not a split, or a conversation is in two splits.
    """
    splits: dict[str, str] = {}
    for row in rows:
        name, value = row.id[0], row.fields.get("split", "train").strip()
        if value not in SPLITS:
            raise InputError.at(row.place("split"), f"'{value}' is not a split", did_you_mean(value, SPLITS))
        if splits.setdefault(name, value) != value:
            raise InputError.at(
                row.place("split"),
                f"conversation '{name}' is in {splits[name]} and in {value}",
                "if each split numbers its own, give them different names, such as train/12",
            )
    return splits


def by_lists(splits: Mapping[str, str], dev: Sequence[str], test: Sequence[str]) -> dict[str, str]:
    """Return ``splits`` with the conversations of ``dev`` and ``test`` moved to these splits.

    Raises:
        InputError: if a list names an unknown conversation, or both lists name the same one.
    """
    moved = dict(splits)
    for key, names in (("dev", dev), ("test", test)):
        for name in names:
            if name not in splits:
                hint = did_you_mean(name, splits, summary=f"there are {len(splits)} conversations")
                raise InputError.at(f"[data] {key}: {name}", "there is no such conversation", hint)
            if key == "test" and name in dev:
                raise InputError.at(f"[data] test: {name}", "this conversation is also listed in dev")
            moved[name] = key
    return moved


def by_fold(conversations: Sequence[str], fold: int, folds: int) -> dict[str, str]:
    """Distribute conversations over ``folds`` parts by a hash of their names; part ``fold`` is test, the next one dev.

    Raises:
        InputError: if there is no such fold, or there are fewer conversations than folds.
    """
    if fold >= folds:
        raise InputError.at("[data] fold", f"there is no fold {fold}", f"choose 0 to {folds - 1}")
    if len(conversations) < folds:
        raise InputError.at(
            "[data] folds", f"{folds} folds need at least {folds} conversations, but there are {len(conversations)}"
        )
    dealt = sorted(conversations, key=lambda name: hashlib.sha256(name.encode()).digest())
    part = {name: place % folds for place, name in enumerate(dealt)}
    role = {fold: "test", (fold + 1) % folds: "dev"}
    return {name: role.get(part[name], "train") for name in conversations}
