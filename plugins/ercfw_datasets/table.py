"""Any corpus: CSV files of utterances, one feature file per modality, and clips."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from sys import intern
from typing import Annotated, Literal, get_args

from pydantic import Field

from ercfw import Clip, InputError, Provenance, TableRow, is_file, sha256
from ercfw_datasets.annotations import Annotations, Record, to_unlabelled, with_agreement, with_labels
from ercfw_datasets.clips import only_there
from ercfw_datasets.corpus import Corpus, FeatureFiles
from ercfw_datasets.splits import by_column, by_fold, by_lists
from ercfw_datasets.table_files import (
    TABLE,
    TableFile,
    Utterances,
    files_of_splits,
    find_files,
    read_files,
    with_other_splits,
)
from ercfw_datasets.table_numbers import TargetTable
from ercfw_datasets.table_targets import UNNAMED, TargetReader, read_targets, target_readers

Column = Literal[
    "conversation", "utterance", "speaker", "text", "label", "split", "kind", "clip", "start", "end", "cues"
]  # fmt: skip

Names = str | Annotated[tuple[str, ...], Field(min_length=1)]
COLUMNS: tuple[Column, ...] = tuple(column for column in get_args(Column) if column != "label")
NEEDED: tuple[Column, ...] = ("conversation", "utterance")


class Table(Corpus):
    """CSV files with one line per utterance: conversation, utterance, perhaps speaker, text, label, split, kind, clip.

    Without a speaker column, each conversation has one speaker. Conversations come in the order of their first line,
    utterances in the order of the lines. An empty label leaves the utterance unlabelled: models read it, but losses and
    metrics skip it. Feature files are ``<root>/<modality>.safetensors`` (rows by utterance id), or ``.npy``, ``.npz``
    (one row per line of all files).

    A corpus may have one file per split. Without an ``utterances.csv``, these are ``train.csv``, ``dev.csv`` and
    ``test.csv``, or others whose names contain the usual name of a split, such as ``corpus_valid.csv``. If two files
    use the same names for different conversations, the names begin with the split: ``train/12``. A warning reports it.

    ``kind`` is the kind of the conversation. Reports show the scores of each kind separately.

    ``clip`` is a video or sound file; its path is relative to the folder of the CSV file. A missing or empty clip
    causes a warning, and the utterance then has no clip. The columns ``start`` and ``end`` (seconds, or
    ``00:01:02,500``) give the stretch of the clip that belongs to the utterance. Without a clip column they are the
    times of the utterance, and both must be given.

    ``cues`` describes in words how the utterance is said, for the prompts of language models.

    Options:
        root: the folder.
        utterances: the CSV file in the folder, several files, or the file of each split
            (``{ train = "a.csv", dev = "b.csv", test = "c.csv" }``).
        columns: your name for each column; columns not listed keep the names above. If several columns together name a
            conversation, list them (``conversation = ["Season", "Episode", "Scene_ID"]``). If ids occur twice, columns
            such as ``Season`` are added, with a warning.
        labels: the class for a label of the file, to rename or merge labels (``happy = "happiness"``), or ``""`` to
            leave its utterances out of their conversations. Other labels stay unchanged.
        classes: the classes in order; by default all labels, sorted. A label that only the test split of the corpus
            has is a mistake unless it is listed here.
        thresholds: the limits between classes, if the labels are scores: ``[-0.5, 0.5]`` with three ``classes``. A
            score equal to a limit belongs to the class above it.
        targets: one or more targets in place of ``emotion``, by name: numbers, several labels at once, shares of
            annotators, or classes from any column. Such as
            ``[data.targets.sentiment]`` with ``kind = "regression"`` and ``range = [-3, 3]``.
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
        utterances: Utterances | None = None,
        columns: dict[Column, Names] | None = None,
        labels: dict[str, str] | None = None,
        classes: tuple[str, ...] | None = None,
        thresholds: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] = (),
        targets: Annotated[dict[str, TargetTable], Field(min_length=1)] | None = None,
        splits: dict[str, Literal["train", "dev", "test", ""]] | None = None,
        dev: tuple[str, ...] = (),
        test: tuple[str, ...] = (),
        fold: Annotated[int, Field(ge=0)] | None = None,
        folds: Annotated[int, Field(ge=3)] = 5,
    ) -> None:
        if root is None:
            raise InputError.missing("[data] root", "is not set", "set it to the folder that contains the table")
        if fold is not None and (dev or test):
            raise InputError.at(
                "[data] fold", "cannot be combined with dev or test", "set either fold, or dev and test"
            )
        columns = columns or {}
        readers = target_readers(targets, labels or {}, classes, thresholds, "label" in columns)
        files = _read(root, utterances, columns, splits, readers, complete=fold is not None or bool(dev or test))
        rows = [row for file in files for row in file.rows]
        source = f"table {_name(files)}"
        listed = by_column(rows, splits or {})
        chosen = by_lists(listed, dev, test) if fold is None else by_fold(listed, fold, folds)
        # The test split of the corpus does not make classes. One of the recipe does, so that all folds have the same.
        known = [fold is not None or not chosen.get(r.id[0]) == listed[r.id[0]] == "test" for r in rows]
        read = read_targets(readers, rows, [r.id[0] in chosen for r in rows], known, files[0].path)
        everything = [record for file in files for record in to_records(file.rows, file.path.parent)]
        records = only_there(source, [replace(r, label=None) if r.id in read.left_out else r for r in everything])
        has_column = "split" in rows[0].fields
        trained = {c for c in chosen if (listed[c] == "train" if has_column else chosen[c] != "test")}
        conversations = to_unlabelled(records, chosen)
        for target, of_target in read.labels.items():
            conversations = with_labels(conversations, target, of_target)
        for target, shares in read.agreement.items():
            conversations = with_agreement(conversations, target, shares)
        annotations = Annotations(
            conversations=conversations,
            targets=read.targets,
            rows=tuple(record.id for record in records),
            source_train=frozenset(record.id for record in records if record.id[0] in trained),
            provenance=Provenance(source, files={str(f.path): sha256(f.path) for f in files}),
        )
        super().__init__(annotations, FeatureFiles(root, annotations.rows))

    @classmethod
    def table_to_make(cls, root: Path) -> Path | None:
        """Return the path of the table if it does not exist, else None."""
        path = root / TABLE
        return None if is_file(path) or files_of_splits(root) else path


def to_records(rows: Sequence[TableRow], folder: Path) -> list[Record]:
    """Return the rows of a table as records without labels.

    Args:
        rows: the rows of the table.
        folder: the folder to which the clips' paths are relative.

    Raises:
        InputError: if times are invalid.
    """
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
                kind=intern(row.fields.get("kind", "").strip()),
                time=None if has_clips else stretch.both,
                clip=Clip(folder / clip, stretch.start or 0.0, stretch.end) if clip else None,
                cues=intern(row.fields.get("cues", "").strip()),
            )
        )
    return records


def _read(
    root: Path,
    utterances: Utterances | None,
    columns: Mapping[Column, Names],
    splits: Mapping[str, str] | None,
    readers: Mapping[str, TargetReader],
    complete: bool,
) -> list[TableFile]:
    """Read the files of the table.

    Args:
        root: the folder.
        utterances: the files, as the recipe names them.
        columns: the names of the columns that the recipe renames.
        splits: the splits for values of the split column.
        readers: how each target is read.
        complete: whether the recipe itself says which conversations are dev and test.
    """
    files = find_files(root, utterances)
    names: dict[str, Names] = {column: columns.get(column, column) for column in COLUMNS}
    if isinstance(utterances, Mapping):
        del names["split"]  # the recipe says the split of each file
    needed = [*NEEDED, *columns, *(["split"] if splits else [])]
    settings: dict[str, str] = {c: f"[data] columns: {c}" for c in COLUMNS if c in needed}
    for reader in readers.values():
        names |= {
            role: columns.get("label", column) if role == UNNAMED else column for role, column in reader.columns.items()
        }
        settings |= reader.needed
    read = read_files(files, names, settings)
    if complete or len(read) > 1 or "split" in read[0].rows[0].fields:
        return read
    others = with_other_splits(read[0].path)
    if len(others) < 2:
        return read
    warnings.warn(f"table {_name(others)}: reading all of them; [data] utterances lists the files", stacklevel=3)
    return read_files(others, {**names, "conversation": read[0].rows[0].columns["conversation"]}, settings)


def _name(files: Sequence[TableFile]) -> str:
    """Return the path of the file, or the folder and the names of several files."""
    paths = [file.path for file in files]
    return str(paths[0]) if len(paths) == 1 else f"{paths[0].parent}: {', '.join(path.name for path in paths)}"
