"""A trained model, for use in a program."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ercfw.contract.conversation import Conversation, fingerprint
from ercfw.contract.feature_table import read_features
from ercfw.data.extraction.extract import Progress
from ercfw.data.load import SPLITS
from ercfw.errors import InputError, Mistake, in_recipe
from ercfw.predict.answers import Predicted
from ercfw.predict.features import add_streams
from ercfw.predict.inference import answer
from ercfw.predict.inputs import Given, read_given
from ercfw.predict.live_conversation import Live
from ercfw.predict.saved_run import SavedRun, read_run

Place = str | Path


def _silent(what: str, done: int, total: int) -> None:
    """Nobody is told of the progress."""


class TrainedModel:
    """What a finished run has learnt, ready to predict.

    Args:
        run: as it was read.
    """

    def __init__(self, run: SavedRun) -> None:
        self._run = run

    @property
    def modalities(self) -> tuple[str, ...]:
        """What the model reads."""
        return tuple(self._run.info.modalities)

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """The class names of each target."""
        return {target: spec.classes for target, spec in self._run.info.targets.items()}

    @property
    def stamps(self) -> tuple[str, ...]:
        """Words that must stand on everything made by this model."""
        return self._run.stamps

    @property
    def plugin_files(self) -> tuple[Path, ...]:
        """The run's own plugin files, which were run to make the model."""
        return self._run.catalog.files

    def predict(
        self,
        data: Place | Sequence[Conversation] | None = None,
        *,
        transcript: Place | None = None,
        subtitles: Place | None = None,
        features: Mapping[str, Place] | None = None,
        progress: Progress = _silent,
        processes: int = 1,
    ) -> Predicted:
        """What the model says of every utterance.

        A modality that the model reads and the data lacks is absent; that, broken clips, and all else that a
        reader should know stand in the warnings.

        Args:
            data: a CSV table, a folder of clips, a video or sound file, or subtitles; or conversations, whose
                labels are not read; None = the features name the utterances.
            transcript: a CSV table of what is said in the clips, or when in the one file.
            subtitles: SubRip or WebVTT, of the one file.
            features: a feature file a modality, in place of its extractor.
            progress: told of what is extracted.
            processes: how many extract side by side.

        Raises:
            InputError: the data cannot be read, or has nothing that the model reads.
            RunError: an extractor or the model failed.
        """
        files = {name: Path(path) for name, path in (features or {}).items()}
        if data is None or isinstance(data, str | Path):
            given = read_given(_path(data), _path(transcript), _path(subtitles), files)
        else:
            given = _of_program(data, transcript, subtitles, files)
        warnings = [*given.warnings, *_learnt(self._run, given.conversations)]
        with in_recipe(self._run.where):
            ready = add_streams(self._run, given.conversations, given.tables, warnings, progress, processes)
        answers = answer(self._run, ready, warnings.append)
        return Predicted(self._run.recipe.title, self.stamps, tuple(warnings), tuple(answers))

    def live(self) -> Live:
        """One conversation whose utterances come one by one; each is answered at once, as in the whole.

        Raises:
            InputError: a part of the model reads later utterances; every such part is named.
        """
        with in_recipe(self._run.where):
            return Live(self._run)


def load(run: Place, allow_plugin_files: bool = True) -> TrainedModel:
    """The model of a finished run.

    Args:
        run: its folder, or the ``model.safetensors`` in it.
        allow_plugin_files: whether the run's own plugin files may be run.

    Raises:
        InputError: there is no such model, it is damaged, or its parts are not what they were in training.
        RunError: the code of a part failed.
    """
    return TrainedModel(read_run(Path(run), allow_plugin_files))


def _path(place: Place | None) -> Path | None:
    return None if place is None else Path(place)


def _of_program(
    conversations: Sequence[Conversation], transcript: Place | None, subtitles: Place | None, files: Mapping[str, Path]
) -> Given:
    """Conversations that a program made, without their labels."""
    if transcript is not None or subtitles is not None:
        raise InputError.at("transcript and subtitles", "go with files, not with conversations")
    names = [conversation.id for conversation in conversations]
    mistakes = [Mistake(f"conversation {c.id}", "has no utterances") for c in conversations if not len(c)]
    mistakes += [Mistake(f"conversation {name}", "stands twice") for name, n in Counter(names).items() if n > 1]
    if mistakes or not conversations:
        raise InputError(mistakes or [Mistake("the input", "holds no conversation")])
    ids = [id for conversation in conversations for id in conversation.ids]
    tables = {name: read_features(path, ids) for name, path in files.items()}
    return Given(tuple(replace(conversation, labels={}) for conversation in conversations), tables, ())


def _learnt(run: SavedRun, conversations: Sequence[Conversation]) -> Iterator[str]:
    """Conversations that the model has learnt, also where a dataset puts their split before their name."""
    names = ("", *(f"{split}/" for split in SPLITS))
    met = sum(any(fingerprint(replace(c, id=name + c.id)) in run.trained_on for name in names) for c in conversations)
    if met:
        yield f"the model was trained on {met} of these {len(conversations)} conversations: it knows their labels"
