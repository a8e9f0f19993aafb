"""IEMOCAP (Busso et al., 2008): a table of utterances or the corpus itself, and one feature file per modality."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ercfw import Conversation, InputError, Provenance, Size, TableRow, has_label, is_file, sha256
from ercfw_datasets.annotations import TARGET, Annotations, Record, choose_targets, to_annotated, with_labels
from ercfw_datasets.class_choice import ClassChoice
from ercfw_datasets.corpus import Corpus, FeatureFiles
from ercfw_datasets.iemocap_labels import iemocap_classes, iemocap_classes_in_context
from ercfw_datasets.iemocap_release import find_release, read_release
from ercfw_datasets.public_files import IEMOCAP_FILES
from ercfw_datasets.real_or_simulated import real_root
from ercfw_datasets.shapes import IEMOCAP, MODALITIES
from ercfw_datasets.simulated import Seed, simulate
from ercfw_datasets.simulated_targets import AFFECT
from ercfw_datasets.source_files import table_rows
from ercfw_datasets.table_numbers import NumberColumns, role

DEFAULT_ROOT = Path("data/iemocap")
TABLE = "utterances.csv"
COLUMNS = ("conversation", "utterance", "speaker", "text", "label")

UNKNOWN = (float("nan"),) * len(AFFECT.names)
PUBLISHED = {"test": (144, 245, 384, 170, 299, 381)}
"""Utterances of each class where session 5 is the test split; there is no official dev split."""

TELME_DEV = frozenset({
    "Ses01M_impro01", "Ses01M_script03_1", "Ses02F_impro02", "Ses02F_impro07", "Ses02M_script01_2",
    "Ses03F_impro01", "Ses03M_impro02", "Ses03M_impro08a", "Ses03M_script02_2", "Ses03M_script03_2",
    "Ses04F_impro07", "Ses04F_script02_1",
})  # fmt: skip
"""The dev split of TelME (Yun et al., 2024): twelve conversations of sessions 1 to 4."""

Parties = Literal["appearance", "gender"]
GENDER = re.compile(r"_([MF])[^_]*$")
"""The end of an utterance's id, which begins with the gender of its speaker."""
Context = Literal["all"]
Dev = Literal["telme", "session1", "session2", "session3", "session4", "session5"]


class Iemocap(Corpus):
    """IEMOCAP: 151 conversations of two speakers in five sessions, six emotions.

    ``<root>/utterances.csv`` has the columns conversation (``Ses01F_impro01``), utterance (``Ses01F_impro01_F000``),
    speaker, text and label (a class, or the corpus' code, such as ``hap``). Features are in
    ``<root>/<modality>.safetensors`` (rows by utterance id), or ``.npy``, ``.npz`` (one row per line of the table).
    Utterances with other labels (surprise, ``xxx``, ...) are left out of their conversations, as is usual in the field;
    of the public feature files, 7433 utterances remain. The option ``labels`` also knows the codes and other labels, so
    that ``{ exc = "happiness", fru = "" }`` makes the usual four classes. There is no official dev split. If ``root``
    is not set and there is nothing at the default place, conversations in the shape of IEMOCAP are simulated.

    Without a table, ``<root>`` may be the corpus itself, or contain it as ``IEMOCAP_full_release``: ``Session1`` to
    ``Session5``, with their ``dialog`` and ``sentences``. The utterances are then the evaluated ones, in the order in
    which they begin. The clip of an utterance is a stretch of the dialog's video, of which the half that should show
    the speaker is used. If the video is missing, the clip is the sentence's sound. This reader was written from the
    corpus' documentation and was never run on the corpus. By published counts, 7380 utterances should remain (595 of
    happiness, where the feature files have 648).

    Options:
        root: the folder; ``data/iemocap`` if it exists.
        test_session: the session that is the test split.
        dev: ``telme`` takes the twelve train conversations of that project, and requires test session 5; ``session4``
            takes a whole session.
        labels: the class for a label of the corpus, to rename or merge classes (``exc = "happiness"``), or ``""`` to
            leave its utterances out of their conversations.
        classes: the classes in order; utterances of other classes are left out of their conversations, with a warning.
        targets: ``emotion``, ``affect`` (valence, activation and dominance from 1 to 5), or both; by default the
            emotion alone. The numbers are the annotators' means in the corpus itself, or the columns ``valence``,
            ``activation`` and ``dominance`` of the table.
        context: ``all`` keeps all other utterances in their conversations, too: those of other labels, those that
            ``labels`` or ``classes`` would leave out, and, in the corpus itself, those without an evaluation. They
            have neither an emotion nor numbers: models read them, but losses and metrics skip them. By default they are
            left out.
        parties: how the two speakers of a conversation are numbered: by first ``appearance``, or by ``gender`` (male 0,
            female 1), as in most released codes. Speaker vectors and relations then mean the same in all conversations.
            The gender is read from the utterance's id. Simulated conversations, and those that ``ercfw predict`` reads,
            have no gender, so their speakers are always numbered by first appearance.
        widths: widths of simulated streams; real streams have their own.
        seed: seed of simulated conversations.

    Raises:
        InputError: if ``dev`` does not fit ``test_session``, ``labels`` or ``classes`` name an unknown class, the files
            are missing or damaged, or an utterance's id names no gender, but ``parties`` needs it.
    """

    published_counts = PUBLISHED
    public_files = IEMOCAP_FILES
    public_format = "multiemo"

    def __init__(
        self,
        *,
        root: Path | None = None,
        test_session: Annotated[int, Field(ge=1, le=5)] = 5,
        dev: Dev = "telme",
        labels: dict[str, str] | None = None,
        classes: tuple[str, ...] | None = None,
        targets: Annotated[tuple[Literal["emotion", "affect"], ...], Field(min_length=1)] | None = None,
        context: Context | None = None,
        parties: Parties = "appearance",
        widths: dict[str, Size] | None = None,
        seed: Seed = 0,
    ) -> None:
        _check_sessions(test_session, dev)
        choice = (iemocap_classes if context is None else iemocap_classes_in_context)(labels, classes)
        if test_session != 5 or not choice.is_own or (targets is not None and targets[0] != TARGET):
            self.published_counts = {}
        place = real_root(root, DEFAULT_ROOT, "IEMOCAP")
        if place is None:
            why = f"nothing is at {DEFAULT_ROOT}"
            annotations, streams = simulate(
                IEMOCAP, choice, seed=seed, widths=widths, targets=("emotion", "affect"), instead_of=why
            )
            super().__init__(_finished(annotations, targets, context), streams)
        else:
            annotations = _finished(read_iemocap(place, test_session, dev, choice, context), targets, context)
            if parties == "gender":
                annotations = replace(annotations, conversations=tuple(map(_by_gender, annotations.conversations)))
            super().__init__(annotations, FeatureFiles(place, annotations.rows, MODALITIES))

    @classmethod
    def table_to_make(cls, root: Path) -> Path | None:
        """Return the path of the table if neither the table nor the corpus itself exists, else None."""
        path = root / TABLE
        return None if is_file(path) or find_release(root) is not None else path


def read_iemocap(
    root: Path, test_session: int, dev: Dev, choice: ClassChoice, context: Context | None = None
) -> Annotations:
    """Read IEMOCAP's table, or the corpus itself if its sessions exist and the table does not.

    Raises:
        InputError: if it is missing or damaged, or a conversation's name does not contain its session.
    """
    table = root / TABLE
    release = None if is_file(table) else find_release(root)
    records, paths = _read_table(table, choice) if release is None else read_release(release, choice, context)
    records = [replace(record, kind=_kind(record.id[0])) for record in records]
    splits = _splits(records, test_session, dev)
    of_classes = "the six classes" if choice.is_own else f"the classes {', '.join(choice.classes)}"
    numbers = {record.id: np.array(record.affect or UNKNOWN, np.float32) for record in records}
    return Annotations(
        conversations=with_labels(to_annotated(records, splits, choice.classes), "affect", numbers),
        targets={TARGET: choice.classes, "affect": AFFECT},
        rows=tuple(record.id for record in records),
        source_train=frozenset(r.id for r in records if splits[r.id[0]] != "test"),
        provenance=Provenance(
            f"IEMOCAP, {_count(records, context)} of {of_classes}",
            files={str(path): sha256(path) for path in paths},
        ),
    )


def _count(records: Sequence[Record], context: Context | None) -> str:
    """Return the number of utterances; with their context, how many of all are labelled."""
    if context is None:
        return f"{sum(record.label is not None for record in records)} utterances"
    return f"{len(records)} utterances, {sum(bool(record.label) for record in records)} of them"


def _finished(annotations: Annotations, targets: Sequence[str] | None, context: Context | None) -> Annotations:
    """Return the annotations with these targets; in a context, no target labels an utterance without an emotion."""
    if context is not None:
        annotations = replace(annotations, conversations=tuple(map(_without_numbers, annotations.conversations)))
    return choose_targets(annotations, targets or (TARGET,))


def _without_numbers(conversation: Conversation) -> Conversation:
    known = has_label(conversation.labels[TARGET])[:, None]  # [U, 1]
    affect = np.where(known, conversation.labels["affect"], np.float32(np.nan))  # [U, 3]
    return replace(conversation, labels={**conversation.labels, "affect": affect})


def _by_gender(conversation: Conversation) -> Conversation:
    """Return the conversation with its speakers numbered by gender: male 0, female 1.

    Raises:
        InputError: if the id of an utterance does not name a gender.
    """
    parties = []
    for utterance in conversation.utterances:
        found = GENDER.search(utterance)
        if not found:
            hint = 'such as Ses01F_impro01_F000, or choose parties = "appearance"'
            raise InputError.at("[data] parties", f"the id '{utterance}' does not name a gender", hint)
        parties.append("MF".index(found[1]))
    return replace(conversation, parties=tuple(parties))


def _kind(conversation: str) -> str:
    """Return the kind of a conversation; reports score kinds separately, because scripts recur across sessions."""
    return "improvised" if "impro" in conversation else "scripted"


def _read_table(path: Path, choice: ClassChoice) -> tuple[list[Record], list[Path]]:
    needed = dict.fromkeys(COLUMNS, "a column of IEMOCAP's table")
    columns = {name: name for name in COLUMNS} | {role("affect", name): name for name in AFFECT.names}
    rows = table_rows(path, columns, needed)
    numbers = NumberColumns("affect", AFFECT, AFFECT.ranges).read(rows)
    records = [_record(row, of_row) for row, of_row in zip(rows, numbers, strict=True)]
    return choice.of(records), [path]


def _check_sessions(test_session: int, dev: Dev) -> None:
    if dev == "telme" and test_session != 5:
        raise InputError.at(
            "[data] dev",
            "'telme' requires test_session = 5",
            f'for session {test_session} choose another one: dev = "session{1 + test_session % 5}"',
        )
    if dev == f"session{test_session}":
        raise InputError.at("[data] dev", f"session {test_session} is already the test split")


def _record(row: TableRow, affect: NDArray[np.float32]) -> Record:
    return Record(
        where=row.where,
        id=row.id,
        speaker=row.speaker.strip(),
        text=row.text,
        label=row.fields["label"].strip(),
        affect=() if np.isnan(affect).any() else tuple(affect.tolist()),
    )


def _splits(records: Sequence[Record], test_session: int, dev: Dev) -> dict[str, str]:
    splits: dict[str, str] = {}
    for record in records:
        name = record.id[0]
        session = re.match(r"Ses0([1-5])[FM]_", name)
        if not session:
            raise InputError.at(
                f"{record.where}: conversation", f"'{name}' does not name a session", "such as Ses01F_impro01"
            )
        if int(session[1]) == test_session:
            splits[name] = "test"
        elif name in TELME_DEV if dev == "telme" else dev == f"session{session[1]}":
            splits[name] = "dev"
        else:
            splits[name] = "train"
    return splits
