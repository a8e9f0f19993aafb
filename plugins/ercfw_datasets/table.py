"""Anybody's corpus: one CSV file of utterances, one file a modality, and clips."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from sys import intern
from typing import Annotated, Literal, get_args

from pydantic import Field

from ercfw import InputError, Provenance, did_you_mean, sha256
from ercfw_datasets.annotations import Annotations, Record, to_conversations
from ercfw_datasets.clip_columns import read_clip, read_time
from ercfw_datasets.clips import only_there
from ercfw_datasets.corpus import Corpus, FeatureFiles
from ercfw_datasets.csv_file import CsvRow, read_csv
from ercfw_datasets.splits import by_column, by_fold, by_lists

Column = Literal["conversation", "utterance", "speaker", "text", "label", "split", "kind", "clip", "start", "end"]

COLUMNS: tuple[Column, ...] = get_args(Column)
NEEDED: tuple[Column, ...] = ("conversation", "utterance")
ONE_SPEAKER = "speaker"
TABLE = "utterances.csv"


class Table(Corpus):
    """A CSV file with a line an utterance: conversation, utterance, perhaps speaker, text, label, split, kind, clip.

    Without a speaker column a conversation has one speaker. Conversations stand in the order of their
    first line; their utterances in the order of the lines. An empty label leaves the utterance
    unlabelled: models read it, losses and metrics do not. Feature files are
    ``<root>/<modality>.safetensors`` (rows by utterance id), or ``.npy``, ``.npz`` (a row for each line).

    A ``kind`` is what sort of conversation it is; reports tell the kinds' scores apart.

    A ``clip`` is a video or sound file, its path relative to the CSV file's folder; one that is missing or
    empty is told of, and its utterance has none. Columns ``start`` and ``end`` (seconds) say which stretch of
    the clip it is; without a clip column they are the utterance's times, of which both must be there.

    Options:
        root: the folder.
        utterances: the CSV file in it.
        columns: your name of a column, by ours; a column keeps our name otherwise.
        labels: a class for a label of the file, to rename or merge (``happy = "happiness"``), or ``""``
            to leave such utterances out of their conversations. Other labels stay as they are.
        classes: the classes in order; by default all that train and dev have, sorted.
        dev: conversations of the dev split, whatever the split column says.
        test: likewise of the test split.
        fold: split by conversation into ``folds`` parts instead: this one is test, the next one dev. The
            parts hang on the conversations' names alone, never on a seed.
        folds: how many parts.
    """

    def __init__(
        self,
        *,
        root: Path | None = None,
        utterances: str = TABLE,
        columns: dict[Column, str] | None = None,
        labels: dict[str, str] | None = None,
        classes: tuple[str, ...] | None = None,
        dev: tuple[str, ...] = (),
        test: tuple[str, ...] = (),
        fold: Annotated[int, Field(ge=0)] | None = None,
        folds: Annotated[int, Field(ge=3)] = 5,
    ) -> None:
        if root is None:
            raise InputError.at("[data] root", "is not set", "the folder that holds the table")
        path = root / utterances
        names = {column: (columns or {}).get(column, column) for column in COLUMNS}
        rows = _read(path, names, columns or {}, classes)
        records = only_there(f"table {path}", to_records(rows, names, labels or {}, path.parent))
        order = tuple(dict.fromkeys(record.id[0] for record in records))
        listed = by_column(rows, names["conversation"], names["split"])
        if fold is None:
            splits = by_lists(listed, dev, test)
        elif dev or test:
            raise InputError.at("[data] fold", "splits the conversations, and so do dev and test", "set one")
        else:
            splits = by_fold(order, fold, folds)
        learnt = [record for record in records if splits[record.id[0]] != "test"]
        classes = classes or _classes(learnt, path, names["label"])
        has_column = names["split"] in rows[0].fields
        trained = {c for c in order if (listed[c] == "train" if has_column else splits[c] != "test")}
        annotations = Annotations(
            conversations=to_conversations(records, splits, classes),
            classes=classes,
            rows=tuple(record.id for record in records),
            source_train=frozenset(record.id for record in records if record.id[0] in trained),
            provenance=Provenance(f"table {path}", files={str(path): sha256(path)}),
        )
        super().__init__(annotations, FeatureFiles(root, annotations.rows))

    @classmethod
    def table_to_make(cls, root: Path) -> Path | None:
        """The table itself, if it is not there."""
        path = root / TABLE
        return None if path.exists() else path


def to_records(
    rows: Sequence[CsvRow], names: Mapping[Column, str], labels: Mapping[str, str], folder: Path
) -> list[Record]:
    """Lines of a table as records, labels mapped; a label mapped to ``""`` becomes None.

    Args:
        rows: the lines.
        names: the table's name of each column.
        labels: a class for a label.
        folder: what the clips' paths are relative to.

    Raises:
        InputError: an id is empty, a time is none, or ``labels`` names a label that the file lacks.
    """
    _check_mapped(rows, names["label"], labels)
    clip, start, end = names["clip"], names["start"], names["end"]
    has_clips = clip in rows[0].fields
    return [
        Record(
            where=row.where,
            id=(_id(row, names["conversation"]), _id(row, names["utterance"])),
            speaker=intern(row.fields.get(names["speaker"], ONE_SPEAKER)),
            text=row.fields.get(names["text"], ""),
            label=_map(row.fields.get(names["label"], "").strip(), labels),
            kind=intern(row.fields.get(names["kind"], "").strip()),
            time=None if has_clips else read_time(row, start, end),
            clip=read_clip(row, folder, clip, start, end) if has_clips else None,
        )
        for row in rows
    ]


def _read(
    path: Path, names: Mapping[Column, str], columns: Mapping[Column, str], classes: Sequence[str] | None
) -> list[CsvRow]:
    needed = {*NEEDED, *columns} | (set() if classes else {"label"})
    mends = {"label": "set [data] columns, or classes if nothing is labelled"}
    return list(read_csv(path, {names[c]: mends.get(c, f"[data] columns: {c}") for c in COLUMNS if c in needed}))


def _id(row: CsvRow, column: str) -> str:
    value = row.fields[column].strip()
    if not value:
        raise InputError.at(f"{row.where}: {column}", "is empty", "every utterance needs its ids")
    return intern(value)


def _map(label: str, labels: Mapping[str, str]) -> str | None:
    return (labels.get(label, label) or None) if label else ""


def _check_mapped(rows: Sequence[CsvRow], column: str, labels: Mapping[str, str]) -> None:
    present = {row.fields.get(column, "").strip() for row in rows} - {""}
    for label in labels:
        if label not in present:
            raise InputError.at(f"[data] labels: {label}", "no utterance has this label", did_you_mean(label, present))


def _classes(records: Sequence[Record], path: Path, column: str) -> tuple[str, ...]:
    found = tuple(sorted({record.label for record in records if record.label}))
    if not found:
        raise InputError.at(f"{path}: {column}", "no utterance has a label", "set [data] classes if that is right")
    return found
