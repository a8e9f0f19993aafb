"""DailyDialog (Li et al., 2017): written dialogues of two people about daily life, in text files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ercfw import SPLITS, InputError, Mistake, Provenance, Size, Split, sha256
from ercfw_datasets.annotations import TARGET, Annotations, choose_targets, to_annotated, with_labels
from ercfw_datasets.class_choice import ClassChoice, choose_classes
from ercfw_datasets.corpus import Corpus, FeatureFiles
from ercfw_datasets.dailydialog_files import ACTS, EMOTIONS, SplitFiles, SplitUtterances, find_split_files, read_split
from ercfw_datasets.real_or_simulated import check_can_be_simulated, real_root
from ercfw_datasets.shapes import DAILYDIALOG
from ercfw_datasets.simulated import Seed, simulate

DEFAULT_ROOT = Path("data/dailydialog")
CODES = dict(zip(EMOTIONS, DAILYDIALOG.classes, strict=True))
"""The corpus' number of each emotion."""
ACT_NAMES = ("inform", "question", "directive", "commissive")
PUBLISHED: Mapping[str, tuple[int, ...]] = {
    "train": DAILYDIALOG.counts,
    "dev": (7108, 77, 3, 11, 684, 79, 107),
    "test": (6321, 118, 47, 17, 1019, 102, 116),
}
"""Utterances of each class."""


class DailyDialog(Corpus):
    """DailyDialog: 11118, 1000 and 1000 written dialogues of two people in train, dev and test, seven classes.

    Each split has files of its own: ``dialogues_train.txt`` with one dialogue per line and ``__eou__`` after each
    utterance, and ``dialogues_emotion_train.txt`` with one number per utterance: 0 no emotion, 1 anger, 2 disgust,
    3 fear, 4 happiness, 5 sadness, 6 surprise. The corpus calls dev ``validation``. The files may be in ``<root>``, in
    its folders ``train``, ``validation`` and ``test``, or up to three folders deep. The archive's
    ``dialogues_text.txt`` has no splits and is not read.

    Two speakers, A and B, alternate. Dialogues are named by their place in the file, from 0: ``train/12``, utterances
    by their place in the dialogue. A feature file is ``<root>/text.safetensors`` (rows by utterance id), or ``.npy``,
    ``.npz`` (the rows of the train, dev and test file in this order).

    More than four of five utterances have no emotion. The field therefore reports the micro-F1 of the other six
    classes: the metric ``micro-f1`` with ``leave_out = ["no emotion"]``. Many dialogues of dev and test also occur in
    train, which ``ercfw data check`` counts. If ``root`` is not set and there is nothing at the default place,
    dialogues in the shape of DailyDialog are simulated. This reader was written from published descriptions and was
    never run on the corpus.

    Options:
        root: the folder; ``data/dailydialog`` if it exists.
        labels: the class for a label of the corpus, to rename or merge classes (``disgust = "anger"``), or ``""`` to
            leave its utterances out of their conversations.
        classes: the classes in order; utterances of other classes are left out of their conversations, with a warning.
        targets: ``emotion``, ``act`` (the dialogue act of ``dialogues_act_train.txt``: inform, question, directive,
            commissive), or both; by default the emotion alone. Acts cannot be simulated.
        widths: widths of simulated streams; real streams have their own.
        seed: seed of simulated conversations.

    Raises:
        InputError: if ``labels`` or ``classes`` name an unknown class, the files are missing or damaged, or do not fit
            each other.
    """

    published_counts = PUBLISHED

    def __init__(
        self,
        *,
        root: Path | None = None,
        labels: dict[str, str] | None = None,
        classes: tuple[str, ...] | None = None,
        targets: Annotated[tuple[Literal["emotion", "act"], ...], Field(min_length=1)] | None = None,
        widths: dict[str, Size] | None = None,
        seed: Seed = 0,
    ) -> None:
        choice = choose_classes(DAILYDIALOG.classes, labels, classes, CODES)
        chosen = targets or (TARGET,)
        if not choice.is_own or chosen[0] != TARGET:
            self.published_counts = {}
        place = real_root(root, DEFAULT_ROOT, "DailyDialog")
        if place is None:
            check_can_be_simulated(chosen, (TARGET,), DEFAULT_ROOT)
            why = f"nothing is at {DEFAULT_ROOT}"
            super().__init__(*simulate(DAILYDIALOG, choice, seed=seed, widths=widths, instead_of=why))
        else:
            annotations = choose_targets(read_dailydialog(place, choice, chosen), chosen)
            super().__init__(annotations, FeatureFiles(place, annotations.rows, DAILYDIALOG.modalities))


def read_dailydialog(root: Path, choice: ClassChoice, targets: Sequence[str] = (TARGET,)) -> Annotations:
    """Read DailyDialog's files with these classes and targets.

    Raises:
        InputError: if a file is missing or damaged, or the files of a split do not fit each other.
    """
    files = find_split_files(root, acts="act" in targets)
    read = _read_splits(files)
    records = choice.of([record for split in SPLITS for record in read[split].records])
    splits = {record.id[0]: split for split in SPLITS for record in read[split].records}
    conversations, found = to_annotated(records, splits, choice.classes), {TARGET: choice.classes}
    if "act" in targets:
        acts = {id: ACTS.index(act) for split in SPLITS for id, act in read[split].acts.items()}
        conversations, found["act"] = with_labels(conversations, "act", acts), ACT_NAMES
    paths = [path for split in SPLITS for path in files[split].paths]
    return Annotations(
        conversations=conversations,
        targets=found,
        rows=tuple(record.id for record in records),
        source_train=frozenset(record.id for record in read["train"].records),
        provenance=Provenance(
            f"DailyDialog, {len(records)} utterances", files={str(path): sha256(path) for path in paths}
        ),
    )


def _read_splits(files: Mapping[Split, SplitFiles]) -> dict[Split, SplitUtterances]:
    """Return the utterances of each split.

    Raises:
        InputError: with the mistakes of all splits.
    """
    read: dict[Split, SplitUtterances] = {}
    mistakes: list[Mistake] = []
    for split in SPLITS:
        try:
            read[split] = read_split(split, files[split])
        except InputError as error:
            mistakes += error.mistakes
    if mistakes:
        raise InputError(mistakes)
    return read
