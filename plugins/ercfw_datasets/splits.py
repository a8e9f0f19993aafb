"""The split of each conversation: by a column, by lists of names, or by folds."""

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence

from ercfw import SPLITS, InputError, Mistake, Split, TableRow, did_you_mean

LEFT_OUT = ""
"""The split of conversations that belong to no split."""

USUAL_NAMES: Mapping[str, Split] = {
    "train": "train", "training": "train", "trn": "train",
    "dev": "dev", "devel": "dev", "development": "dev", "val": "dev", "valid": "dev", "validation": "dev",
    "test": "test", "testing": "test", "tst": "test",
}  # fmt: skip
"""Names that corpora give to their splits, in lower case."""


def by_column(rows: Sequence[TableRow], names: Mapping[str, str]) -> dict[str, str]:
    """Return the split of each conversation that the split column names; ``train`` if there is no such column.

    Args:
        rows: the rows of the table.
        names: the split, or ``LEFT_OUT``, for each value of the column that is to be renamed.

    Raises:
        InputError: if a value does not name a split, a name is not in the column, or a conversation is in two splits.
    """
    known = _splits_of_values(rows, names)
    splits: dict[str, str] = {}
    for row in rows:
        name, value = row.id[0], known[_value(row)]
        if splits.setdefault(name, value) != value:
            first, second = (split or "no split" for split in (splits[name], value))
            raise InputError.at(
                row.place("split"),
                f"conversation '{name}' is in {first} and in {second}",
                f"if each split numbers its own, name them by both columns: {_both(row)}",
            )
    return splits


def _both(row: TableRow) -> str:
    """Return the setting that names conversations by the split column and their own."""
    own = row.columns.get("conversation", "conversation")
    columns = [row.columns["split"], *([own] if isinstance(own, str) else own)]
    return f"[data] columns = {{ conversation = {json.dumps(columns, ensure_ascii=False)} }}"


def _value(row: TableRow) -> str:
    return row.fields.get("split", "train").strip()


def _splits_of_values(rows: Sequence[TableRow], names: Mapping[str, str]) -> dict[str, str]:
    """Return the split of each value of the column; warn about values that are read by their usual meaning.

    Raises:
        InputError: if a value does not name a split, or a name is not in the column.
    """
    first: dict[str, TableRow] = {}
    for row in rows:
        first.setdefault(_value(row), row)
    mistakes = [
        Mistake(f"[data] splits: {name}", "no utterance has this split", did_you_mean(name, first))
        for name in names
        if name not in first
    ]
    known = {value: names.get(value, USUAL_NAMES.get(value.lower())) for value in first}
    mistakes += [
        Mistake(
            first[value].place("split"),
            f"'{value}' is not a split",
            f'write train, dev or test, or rename it, such as [data] splits = {{ "{value}" = "dev" }}',
        )
        for value, split in known.items()
        if split is None
    ]
    if mistakes:
        raise InputError(mistakes)
    guessed = [value for value in known if value not in {*names, *SPLITS}]
    if guessed:
        read = ", ".join(f"'{value}' as {known[value]}" for value in guessed)
        warnings.warn(f"{first[guessed[0]].place('split')}: reading {read}; [data] splits renames splits", stacklevel=3)
    return {value: split for value, split in known.items() if split is not None}


def by_lists(splits: Mapping[str, str], dev: Sequence[str], test: Sequence[str]) -> dict[str, str]:
    """Return ``splits`` without those left out, and with those of ``dev`` and ``test`` in these splits.

    Raises:
        InputError: if a list names an unknown conversation, or both lists name the same one.
    """
    moved = {name: split for name, split in splits.items() if split != LEFT_OUT}
    for key, names in (("dev", dev), ("test", test)):
        for name in names:
            if name not in splits:
                hint = did_you_mean(name, splits, summary=f"there are {len(splits)} conversations")
                raise InputError.at(f"[data] {key}: {name}", "there is no such conversation", hint)
            if key == "test" and name in dev:
                raise InputError.at(f"[data] test: {name}", "this conversation is also listed in dev")
            moved[name] = key
    return moved


def by_fold(splits: Mapping[str, str], fold: int, folds: int) -> dict[str, str]:
    """Distribute conversations over ``folds`` parts by a hash of their names; part ``fold`` is test, the next one dev.

    Args:
        splits: the split of each conversation in the table, of which only those left out matter.
        fold: the number of the part that is test.
        folds: the number of parts.

    Raises:
        InputError: if there is no such fold, or there are fewer conversations than folds.
    """
    conversations = [name for name, split in splits.items() if split != LEFT_OUT]
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
