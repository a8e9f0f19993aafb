"""Which split a conversation is in: by a column, by lists of names, or by folds."""

import hashlib
from collections.abc import Mapping, Sequence

from ercfw import SPLITS, InputError, did_you_mean
from ercfw_datasets.csv_file import CsvRow


def by_column(rows: Sequence[CsvRow], conversation: str, split: str) -> dict[str, str]:
    """The split of each conversation as the column says; ``train`` where there is no such column.

    Raises:
        InputError: a value is no split, or a conversation is in two.
    """
    splits: dict[str, str] = {}
    for row in rows:
        name, value = row.fields[conversation].strip(), row.fields.get(split, "train").strip()
        if value not in SPLITS:
            raise InputError.at(f"{row.where}: {split}", f"'{value}' is no split", did_you_mean(value, SPLITS))
        if splits.setdefault(name, value) != value:
            raise InputError.at(
                f"{row.where}: {split}",
                f"conversation '{name}' is in {splits[name]} and in {value}",
                "if each split counts its own, name them apart: train/12",
            )
    return splits


def by_lists(splits: Mapping[str, str], dev: Sequence[str], test: Sequence[str]) -> dict[str, str]:
    """The same splits, but these conversations in dev and these in test.

    Raises:
        InputError: a list names an unknown conversation, or both name one.
    """
    moved = dict(splits)
    for key, names in (("dev", dev), ("test", test)):
        for name in names:
            if name not in splits:
                raise InputError.at(f"[data] {key}: {name}", "there is no such conversation", _closest(name, splits))
            if key == "test" and name in dev:
                raise InputError.at(f"[data] test: {name}", "this conversation is listed in dev too")
            moved[name] = key
    return moved


def by_fold(conversations: Sequence[str], fold: int, folds: int) -> dict[str, str]:
    """Conversations dealt out to ``folds`` parts by a hash of their names: one part test, the next dev.

    Raises:
        InputError: there is no such fold, or fewer conversations than folds.
    """
    if fold >= folds:
        raise InputError.at("[data] fold", f"there is no fold {fold}", f"0 to {folds - 1}")
    if len(conversations) < folds:
        raise InputError.at("[data] folds", f"{folds} parts of {len(conversations)} conversations")
    dealt = sorted(conversations, key=lambda name: hashlib.sha256(name.encode()).digest())
    part = {name: place % folds for place, name in enumerate(dealt)}
    role = {fold: "test", (fold + 1) % folds: "dev"}
    return {name: role.get(part[name], "train") for name in conversations}


def _closest(name: str, known: Mapping[str, str]) -> str:
    """The hint of did-you-mean without its list: a corpus has hundreds of conversations."""
    hint = did_you_mean(name, known)
    return hint.split("there is:")[0].strip() or f"{len(known)} conversations are there"
