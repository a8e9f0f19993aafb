"""The numbers of a modality of a recipe, told in words for prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ercfw.contract.conversation import SPLITS, Conversation
from ercfw.contract.stored_streams import gather
from ercfw.data.cues.files import beside, read_levels, write_cues, write_levels
from ercfw.data.cues.levels import Levels, fit_levels
from ercfw.data.leakage import check_fitted
from ercfw.data.load import attach, read_dataset
from ercfw.data.modality_sources import StreamSource, find_source
from ercfw.errors import InputError, did_you_mean, with_warnings
from ercfw.experiment.plan import Job
from ercfw.recipe.queries import brings, feature_part
from ercfw.registry.resolve import resolve_extractor
from ercfw.system.files import is_there
from ercfw.system.progress import Progress


@dataclass(frozen=True)
class CuesWanted:
    """What is told of which numbers.

    Attributes:
        modality: the modality.
        names: a name for each number of its vectors, empty for those that are left out; None = those of ``levels``.
        levels: the levels of an earlier corpus; None = they are fitted on train.
        to: the CSV file to write.
        replace: whether existing files are overwritten.
    """

    modality: str
    names: tuple[str, ...] | None
    levels: Path | None
    to: Path
    replace: bool = False


@dataclass(frozen=True)
class ToldCues:
    """What was written.

    Attributes:
        files: the table of cues, and the levels if they were fitted.
        utterances: the number of rows.
        told: the number of utterances that have cues.
        speakers: the number of speakers in the data.
        own: the number of them that have levels of their own.
        warnings: the warnings about the dataset and the numbers.
    """

    files: tuple[Path, ...]
    utterances: int
    told: int
    speakers: int
    own: int
    warnings: tuple[str, ...]


def tell_cues(job: Job, wanted: CuesWanted, progress: Progress, processes: int = 1) -> ToldCues:
    """Tell the numbers of every utterance as levels relative to its speaker, and write them.

    Args:
        job: the recipe.
        wanted: what is told.
        progress: called for each piece of work that an extractor finishes.
        processes: the number of processes that extract in parallel.

    Raises:
        InputError: the names are wrong, the data is simulated or lacks the modality, its values are no vectors or may
            not be told, or there are files already.
        RunError: an extractor failed, or a file cannot be written.
    """
    files = (wanted.to,) if wanted.levels is not None else (beside(wanted.to), wanted.to)
    earlier = _check(wanted, files)
    dataset, given = read_dataset(job.parts.dataset)
    warnings = list(given)
    with with_warnings(warnings):
        if dataset.provenance.simulated:
            what = f"is {dataset.provenance.source}: it has nothing to tell"
            raise InputError.at("[data]", what, "set data.root to a real corpus")
        splits = {split: list(dataset.split(split)) for split in SPLITS}
        modality = wanted.modality
        if modality not in dataset.modalities and not brings(feature_part(job.recipe, modality)):
            what = f"the data has no modality '{modality}', and no [features] table provides it"
            raise InputError.at(f"--modality {modality}", what, did_you_mean(modality, dataset.modalities))
        part = feature_part(job.recipe, modality)
        extracts = part is not None and part.use is not None
        extractors = {modality: resolve_extractor(job.recipe, job.catalog, modality)} if extracts else {}
        source = find_source(job.recipe, extractors, dataset, splits, modality, progress, processes)
        with_streams = attach(splits, [modality], {} if source is None else {modality: source.table})
        if source is not None:
            warnings += source.warnings(modality)
            _check_no_stamps(modality, source)
            warnings += check_fitted(modality, source.fitted_on, with_streams, dataset.source_train, False).warnings
        everyone = [c for split in SPLITS for c in with_streams[split]]
        levels = _fit(wanted, with_streams["train"]) if earlier is None else earlier
        told = _told(levels, everyone, wanted)
        if earlier is None:
            present = int(gather(with_streams["train"], [modality])[modality].present.sum())
            write_levels(files[0], modality, present, levels)
        ids = [id for c in everyone for id in c.ids]
        write_cues(wanted.to, zip(ids, told, strict=True))
    speakers = {speaker for c in everyone for speaker in c.speakers}
    own = len(speakers & levels.speakers.keys())
    return ToldCues(files, len(told), sum(map(bool, told)), len(speakers), own, tuple(warnings))


def _check(wanted: CuesWanted, files: Sequence[Path]) -> Levels | None:
    """Check what can be known before the data is read; return the levels of an earlier corpus.

    Raises:
        InputError: names are missing, given twice or beside levels, or a file is there already.
    """
    names = wanted.names
    if (names is None) == (wanted.levels is None):
        what = "is missing" if names is None else "cannot be combined with --levels, which names the numbers"
        raise InputError.at("--names", what, 'such as --names ",volume,,pitch"; an empty name leaves a number out')
    if names is not None:
        named = [name for name in names if name]
        if not named:
            raise InputError.at("--names", "names no number", 'such as --names ",volume,,pitch"')
        if twice := next((name for name in named if named.count(name) > 1), None):
            raise InputError.at("--names", f"names two numbers '{twice}'", "each number needs a name of its own")
    earlier = None if wanted.levels is None else read_levels(wanted.levels, wanted.modality)
    if there := [path for path in files if not wanted.replace and is_there(path)]:
        raise InputError.at(there[0], "exists already", "add --replace to overwrite it, or choose another file")
    return earlier


def _check_no_stamps(modality: str, source: StreamSource) -> None:
    """Refuse numbers whose results must carry a stamp: a table of words carries none.

    Raises:
        InputError: they have a stamp.
    """
    if source.stamps:
        what = f"its numbers are stamped {', '.join(source.stamps)}, which a table of cues cannot carry"
        raise InputError.at(f"--modality {modality}", what, "use other features")


def _fit(wanted: CuesWanted, train: Sequence[Conversation]) -> Levels:
    """Return levels of the train utterances that have the modality.

    Raises:
        InputError: there is none, or the number of names is not the width of the vectors.
    """
    speakers = [speaker for c in train for speaker in c.speakers]
    names = wanted.names or ()
    if not speakers:
        raise InputError.at("split 'train'", "is empty, so there are no levels", "--levels takes those of a corpus")
    stream = gather(train, [wanted.modality])[wanted.modality]
    _check_width(wanted, len(names), train)
    if not stream.present.any():
        raise InputError.at(f"--modality {wanted.modality}", "is absent from every utterance of train")
    known = [speaker for speaker, there in zip(speakers, stream.present, strict=True) if there]
    return fit_levels(names, known, stream.values[stream.present])  # type: ignore[arg-type]


def _check_width(wanted: CuesWanted, names: int, conversations: Sequence[Conversation]) -> None:
    """Check that the modality has vectors, and as many numbers as there are names.

    Raises:
        InputError: it has frames, tokens, or vectors of another width.
    """
    stream = conversations[0].streams[wanted.modality]
    if stream.lengths is not None:
        kind = "tokens" if stream.values.ndim == 2 else "frames"
        what = f"has {kind}, and only vectors can be told"
        raise InputError.at(f"--modality {wanted.modality}", what, "use an extractor that returns vectors")
    width = stream.values.shape[1]
    if names != width:
        where = "--names" if wanted.levels is None else str(wanted.levels)
        what = f"has {names} names, but the vectors of '{wanted.modality}' have {width} numbers"
        raise InputError.at(where, what, "separate the names by commas; an empty name leaves a number out")


def _told(levels: Levels, conversations: Sequence[Conversation], wanted: CuesWanted) -> list[str]:
    """Return the cues of each utterance; empty where the modality is absent."""
    _check_width(wanted, len(levels.names), conversations)
    stream = gather(conversations, [wanted.modality])[wanted.modality]
    speakers = [speaker for c in conversations for speaker in c.speakers]
    rows = zip(speakers, stream.values.tolist(), stream.present.tolist(), strict=True)
    return [levels.tell(speaker, numbers) if there else "" for speaker, numbers, there in rows]
