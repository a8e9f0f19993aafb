"""Any corpus: one CSV file of utterances, one feature file per modality, and clips."""

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
    """A CSV file with one line per utterance: conversation, utterance, perhaps speaker, text, label, split, kind, clip.

    Without a speaker column, each conversation has one speaker. Conversations come in the order of their first line,
    utterances in the order of the lines. An empty label leaves the utterance unlabelled: models read it, but losses and
    metrics skip it. Feature files are ``<root>/<modality>.safetensors`` (rows by utterance id), or ``.npy``, ``.npz``
    (one row per line).

    ``kind`` is the kind of the conversation. Reports show the scores of each kind separately.

    ``clip`` is a video or sound file; its path is relative to the folder of the CSV file. A missing or empty clip
    causes a warning, and the utterance then has no clip. The columns ``start`` and ``end`` (seconds) give the stretch
    of the clip that belongs to the utterance. Without a clip column they are the times of the utterance, and both must
    be given.

    Options:
        root: the folder.
        utterances: the CSV file in the folder.
        columns: your name for each column; columns not listed keep the names above.
        labels: the class for a label of the file, to rename or merge labels (``happy = "happiness"``), or ``""`` to
            leave its utterances out of their conversations. Other labels stay unchanged.
        classes: the classes in order; by default all labels of train and dev, sorted.
        dev: conversations of the dev split, whatever the split column says.
        test: conversations of the test split, whatever the split column says.
        fold: split by conversation into ``folds`` parts instead: this part is test, the next one dev. The parts depend
            only on the names of the conversations, never on a seed.
        folds: number of parts.

    Raises:
        InputError: if the table is missing or damaged, or the options contradict it or each other.
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
            raise InputError.at("[data] root", "is not set", "set it to the folder that contains the table")
        path = root / utterances
        names = {column: (columns or {}).get(column, column) for column in COLUMNS}
        rows = _read(path, names, columns or {}, classes)
        records = only_there(f"table {path}", to_records(rows, names, labels or {}, path.parent))
        order = tuple(dict.fromkeys(record.id[0] for record in records))
        listed = by_column(rows, names["conversation"], names["split"])
        if fold is None:
            splits = by_lists(listed, dev, test)
        elif dev or test:
            raise InputError.at(
                "[data] fold", "cannot be combined with dev or test", "set either fold, or dev and test"
            )
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
        """Return the path of the table if it does not exist, else None."""
        path = root / TABLE
        return None if path.exists() else path


def to_records(
    rows: Sequence[CsvRow], names: Mapping[Column, str], labels: Mapping[str, str], folder: Path
) -> list[Record]:
    """Return the rows of a table as records with mapped labels; a label mapped to ``""`` becomes None.

    Args:
        rows: the rows of the table.
        names: the table's name of each column.
        labels: the class for each label to be changed.
        folder: the folder to which the clips' paths are relative.

    Raises:
        InputError: if an id is empty, a time is invalid, or ``labels`` names a label that the file lacks.
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
    hints = {"label": "set [data] columns, or classes if nothing is labelled"}
    return list(read_csv(path, {names[c]: hints.get(c, f"[data] columns: {c}") for c in COLUMNS if c in needed}))


def _id(row: CsvRow, column: str) -> str:
    value = row.fields[column].strip()
    if not value:
        raise InputError.at(
            f"{row.where}: {column}", "is empty", "every utterance needs a conversation and an utterance id"
        )
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
        raise InputError.at(f"{path}: {column}", "no utterance has a label", "set [data] classes if this is intended")
    return found
