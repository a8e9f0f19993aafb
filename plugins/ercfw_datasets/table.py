"""Any corpus: one CSV file of utterances, one feature file per modality, and clips."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from sys import intern
from typing import Annotated, Literal, get_args

from pydantic import Field

from ercfw import Clip, InputError, Provenance, TableRow, did_you_mean, sha256
from ercfw_datasets.annotations import Annotations, Record, to_annotated
from ercfw_datasets.clips import only_there
from ercfw_datasets.corpus import Corpus, FeatureFiles
from ercfw_datasets.source_files import table_rows
from ercfw_datasets.splits import LEFT_OUT, by_column, by_fold, by_lists

Column = Literal["conversation", "utterance", "speaker", "text", "label", "split", "kind", "clip", "start", "end"]

COLUMNS: tuple[Column, ...] = get_args(Column)
NEEDED: tuple[Column, ...] = ("conversation", "utterance")
TABLE = "utterances.csv"


class Table(Corpus):
    """A CSV file with one line per utterance: conversation, utterance, perhaps speaker, text, label, split, kind, clip.

    Without a speaker column, each conversation has one speaker. Conversations come in the order of their first line,
    utterances in the order of the lines. An empty label leaves the utterance unlabelled: models read it, but losses and
    metrics skip it. Feature files are ``<root>/<modality>.safetensors`` (rows by utterance id), or ``.npy``, ``.npz``
    (one row per line).

    ``kind`` is the kind of the conversation. Reports show the scores of each kind separately.

    ``clip`` is a video or sound file; its path is relative to the folder of the CSV file. A missing or empty clip
    causes a warning, and the utterance then has no clip. The columns ``start`` and ``end`` (seconds, or
    ``00:01:02,500``) give the stretch of the clip that belongs to the utterance. Without a clip column they are the
    times of the utterance, and both must be given.

    Options:
        root: the folder.
        utterances: the CSV file in the folder.
        columns: your name for each column; columns not listed keep the names above.
        labels: the class for a label of the file, to rename or merge labels (``happy = "happiness"``), or ``""`` to
            leave its utterances out of their conversations. Other labels stay unchanged.
        classes: the classes in order; by default all labels of train and dev, sorted.
        splits: the split for a value of the split column, to rename or merge splits (``holdout = "test"``), or ``""``
            to leave its conversations out. Usual names, such as ``valid`` and ``Train``, need no setting; a warning
            reports how they are read.
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
        splits: dict[str, Literal["train", "dev", "test", ""]] | None = None,
        dev: tuple[str, ...] = (),
        test: tuple[str, ...] = (),
        fold: Annotated[int, Field(ge=0)] | None = None,
        folds: Annotated[int, Field(ge=3)] = 5,
    ) -> None:
        if root is None:
            raise InputError.at("[data] root", "is not set", "set it to the folder that contains the table")
        path = root / utterances
        names: dict[str, str] = {column: (columns or {}).get(column, column) for column in COLUMNS}
        needed = {*NEEDED, *(columns or {}), *(["split"] if splits else []), *([] if classes else ["label"])}
        rows = _read(path, names, needed)
        listed = by_column(rows, splits or {})
        if fold is None:
            chosen = by_lists(listed, dev, test)
        elif dev or test:
            raise InputError.at(
                "[data] fold", "cannot be combined with dev or test", "set either fold, or dev and test"
            )
        else:
            chosen = by_fold([name for name, split in listed.items() if split != LEFT_OUT], fold, folds)
        labelled = to_records(rows, labels or {}, path.parent)
        kept = [record if record.id[0] in chosen else replace(record, label=None) for record in labelled]
        records = only_there(f"table {path}", kept)
        learnt = [record for record in records if chosen.get(record.id[0]) != "test"]
        classes = classes or _classes(learnt, path, names["label"])
        has_column = "split" in rows[0].fields
        trained = {c for c in chosen if (listed[c] == "train" if has_column else chosen[c] != "test")}
        annotations = Annotations(
            conversations=to_annotated(records, chosen, classes),
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


def to_records(rows: Sequence[TableRow], labels: Mapping[str, str], folder: Path) -> list[Record]:
    """Return the rows of a table as records with mapped labels; a label mapped to ``""`` becomes None.

    Args:
        rows: the rows of the table.
        labels: the class for each label to be changed.
        folder: the folder to which the clips' paths are relative.

    Raises:
        InputError: if times are invalid, or ``labels`` names a label that the file lacks.
    """
    _check_mapped(rows, labels)
    stretches = [row.stretch() for row in rows]
    if mistakes := [mistake for stretch in stretches for mistake in stretch.mistakes]:
        raise InputError(mistakes)
    has_clips = "clip" in rows[0].fields
    records = []
    for row, stretch in zip(rows, stretches, strict=True):
        clip = row.fields.get("clip", "").strip()
        records.append(
            Record(
                where=row.where,
                id=row.id,
                speaker=intern(row.speaker),
                text=row.text,
                label=_map(row.fields.get("label", "").strip(), labels),
                kind=intern(row.fields.get("kind", "").strip()),
                time=None if has_clips else stretch.both,
                clip=Clip(folder / clip, stretch.start or 0.0, stretch.end) if clip else None,
            )
        )
    return records


def _read(path: Path, names: Mapping[str, str], needed: Collection[str]) -> tuple[TableRow, ...]:
    hints = {"label": "set [data] columns, or classes if nothing is labelled"}
    settings: dict[str, str] = {c: hints.get(c, f"[data] columns: {c}") for c in COLUMNS if c in needed}
    return table_rows(path, names, settings)


def _map(label: str, labels: Mapping[str, str]) -> str | None:
    return (labels.get(label, label) or None) if label else ""


def _check_mapped(rows: Sequence[TableRow], labels: Mapping[str, str]) -> None:
    present = {row.fields.get("label", "").strip() for row in rows} - {""}
    for label in labels:
        if label not in present:
            raise InputError.at(f"[data] labels: {label}", "no utterance has this label", did_you_mean(label, present))


def _classes(records: Sequence[Record], path: Path, column: str) -> tuple[str, ...]:
    found = tuple(sorted({record.label for record in records if record.label}))
    if not found:
        raise InputError.at(f"{path}: {column}", "no utterance has a label", "set [data] classes if this is intended")
    return found
