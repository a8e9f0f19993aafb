"""The numbers of a modality of a recipe, told in words for prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ercfw.contract.conversation import Conversation
from ercfw.contract.stored_streams import gather
from ercfw.data.cues.files import beside, read_levels, write_cues, write_levels
from ercfw.data.cues.levels import Levels, fit_levels
from ercfw.errors import InputError, with_warnings
from ercfw.experiment.numbers_to_tell import of_corpus, of_input
from ercfw.experiment.plan import Job
from ercfw.system.files import is_there
from ercfw.system.progress import Progress

EXAMPLE = 'such as --names ",volume,,pitch"; an empty name leaves a number out'


@dataclass(frozen=True)
class CuesWanted:
    """What is told of which numbers.

    Attributes:
        modality: the modality.
        names: a name for each number of its vectors, empty for those that are left out; None = those of ``levels``.
        levels: the levels of an earlier corpus; None = they are fitted on train.
        source: new data, as for ``ercfw predict``, whose utterances are told; None = those of the recipe's corpus.
        to: the CSV file to write.
        replace: whether existing files are overwritten.
    """

    modality: str
    names: tuple[str, ...] | None
    levels: Path | None
    source: Path | None
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
        warnings: the warnings about the data and the numbers.
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
        InputError: the names or the levels are wrong, the data is simulated or lacks the modality, its values are no
            vectors or may not be told, or there are files already.
        RunError: an extractor failed, or a file cannot be written.
    """
    files = (wanted.to,) if wanted.levels is not None else (beside(wanted.to), wanted.to)
    _check(wanted, files)
    earlier = None if wanted.levels is None else read_levels(wanted.levels, wanted.modality)
    if wanted.source is None:
        read = of_corpus(job, wanted.modality, progress, processes)
    else:
        read = of_input(job, wanted.modality, wanted.source, progress, processes)
    with with_warnings(read.warnings):
        conversations = [c for in_split in read.value.values() for c in in_split]
        levels = earlier or _fit(wanted, read.value["train"])
        told = _told(levels, conversations, wanted)
        if earlier is None:
            utterances = int(gather(read.value["train"], [wanted.modality])[wanted.modality].present.sum())
            write_levels(files[0], wanted.modality, utterances, levels)
        write_cues(wanted.to, conversations, told, whole=wanted.source is not None)
    speakers = {speaker for c in conversations for speaker in c.speakers}
    own = len(speakers & levels.speakers.keys())
    return ToldCues(files, len(told), sum(map(bool, told)), len(speakers), own, read.warnings)


def _check(wanted: CuesWanted, files: Sequence[Path]) -> None:
    """Check what can be known before any data is read.

    Raises:
        InputError: names are missing, given twice or beside levels, or a file is there already.
    """
    names = wanted.names
    if wanted.source is not None and wanted.levels is None:
        what = "has no train utterances, so its levels must be those of a corpus"
        raise InputError.at(f"--input {wanted.source}", what, "--levels cues.levels.json")
    if names is not None and wanted.levels is not None:
        raise InputError.at("--names", "cannot be combined with --levels, which names the numbers", "leave it out")
    if names is None and wanted.levels is None:
        raise InputError.at("--names", "is missing", EXAMPLE)
    if names is not None:
        named = [name for name in names if name]
        if not named:
            raise InputError.at("--names", "names no number", EXAMPLE)
        if twice := next((name for name in named if named.count(name) > 1), None):
            raise InputError.at("--names", f"names two numbers '{twice}'", "each number needs a name of its own")
    if there := [path for path in files if not wanted.replace and is_there(path)]:
        raise InputError.at(there[0], "exists already", "add --replace to overwrite it, or choose another file")


def _fit(wanted: CuesWanted, train: Sequence[Conversation]) -> Levels:
    """Return levels of the train utterances that have the modality.

    Raises:
        InputError: there is none, or the number of names is not the width of the vectors.
    """
    names = wanted.names or ()
    _check_width(wanted, len(names), train)
    stream = gather(train, [wanted.modality])[wanted.modality]
    if not stream.present.any():
        raise InputError.at(f"--modality {wanted.modality}", "is absent from every utterance of train")
    speakers = [speaker for c in train for speaker in c.speakers]
    known = [speaker for speaker, there in zip(speakers, stream.present, strict=True) if there]
    return fit_levels(names, known, stream.values[stream.present].astype("float32", copy=False))


def _told(levels: Levels, conversations: Sequence[Conversation], wanted: CuesWanted) -> list[str]:
    """Return the cues of each utterance; empty where the modality is absent.

    Raises:
        InputError: it is absent everywhere, or the vectors have another width than the levels.
    """
    _check_width(wanted, len(levels.names), conversations)
    stream = gather(conversations, [wanted.modality])[wanted.modality]
    if not stream.present.any():
        raise InputError.at(f"--modality {wanted.modality}", "is absent from every utterance")
    speakers = [speaker for c in conversations for speaker in c.speakers]
    rows = zip(speakers, stream.values.tolist(), stream.present.tolist(), strict=True)
    return [levels.tell(speaker, numbers) if there else "" for speaker, numbers, there in rows]


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
