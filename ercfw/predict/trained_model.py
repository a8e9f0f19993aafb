"""Trained model for use in a program."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import SPLITS, Conversation, fingerprint
from ercfw.contract.feature_table import read_features
from ercfw.contract.interfaces import Broken, Extractor
from ercfw.data.tables.control_characters import Repair, check_text
from ercfw.errors import LONGEST_HINT, InputError, Mistake, in_recipe, shown, with_warnings
from ercfw.predict.answers import Predicted
from ercfw.predict.encode import encode, encoder_of
from ercfw.predict.features import add_streams
from ercfw.predict.inference import answer
from ercfw.predict.inputs import Files, Given, read_given
from ercfw.predict.live_conversation import Live
from ercfw.predict.saved_run import SavedRun, read_run
from ercfw.predict.transcript import table_forms
from ercfw.recipe.queries import extracted
from ercfw.registry.make import make_part
from ercfw.registry.trust import PluginFiles
from ercfw.system.progress import Progress, no_progress
from ercfw.system.user_folders import user_path

Place = str | Path
Raw = Sequence[NDArray[Any] | Broken | None]
"""Values that an extractor returns for one conversation."""


class TrainedModel:
    """Trained model of a finished run, ready to predict.

    Args:
        run: the run, as it was read.
    """

    def __init__(self, run: SavedRun) -> None:
        self._run = run
        self._extractors: dict[str, Extractor] = {}

    def __repr__(self) -> str:
        classes = "; ".join(f"{target}: {', '.join(names)}" for target, names in self.classes.items())
        stamps = "".join(f" [{stamp}]" for stamp in self.stamps)
        reads = ", ".join(self.modalities)
        what = f"{self._run.recipe.title}{stamps}, reads {reads}, predicts {classes}, from {self._run.where}"
        return f"<TrainedModel {shown(what, LONGEST_HINT)}>"

    @property
    def modalities(self) -> tuple[str, ...]:
        """Return the modalities that the model reads."""
        return tuple(self._run.info.modalities)

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """Return the class names of each target."""
        return {target: spec.classes for target, spec in self._run.info.targets.items()}

    @property
    def stamps(self) -> tuple[str, ...]:
        """Return words that must appear on everything made by this model."""
        return self._run.stamps

    @property
    def plugin_files(self) -> tuple[Path, ...]:
        """Return the run's own plugin files, which were executed to build the model."""
        return self._run.catalog.files

    def predict(
        self,
        data: Place | Sequence[Conversation] | None = None,
        *,
        transcript: Place | None = None,
        subtitles: Place | None = None,
        texts: Sequence[str] | None = None,
        features: Mapping[str, Place] | None = None,
        progress: Progress = no_progress,
        processes: int = 1,
    ) -> Predicted:
        """Return the prediction for every utterance.

        A modality that the model reads and the data lacks is marked absent. The warnings report this, broken
        clips, and everything else that a reader of the predictions should know.

        Args:
            data: a CSV table, a folder of clips, a video or sound file, or subtitles; or conversations, whose
                labels are not read; None = the texts or the features name the utterances.
            transcript: a CSV table with the texts of the clips, or with texts and times of the one file.
            subtitles: SubRip or WebVTT subtitles of the one file.
            texts: the utterances of one conversation, instead of ``data``; empty ones are skipped.
            features: one feature file per modality, used instead of its extractor.
            progress: called with the progress of the extraction.
            processes: the number of processes that extract in parallel.

        Raises:
            InputError: the data cannot be read, or has no modality that the model reads.
            RunError: an extractor or the model failed.
        """
        files = {name: user_path(path) for name, path in (features or {}).items()}
        if data is not None and texts is not None:
            raise InputError.at("data and texts", "each of them names the utterances", "give one of them")
        if data is None or isinstance(data, str | Path):
            sources = Files(_path(data), _path(transcript), _path(subtitles), None if texts is None else tuple(texts))
            given = read_given(sources, files, table_forms(self._run.catalog))
        else:
            given = _of_program(data, transcript, subtitles, files)
        warnings = [*given.warnings, *_training_warnings(self._run, given.conversations)]
        with with_warnings(warnings):
            with in_recipe(self._run.where):
                ready = add_streams(self._run, given.conversations, given.tables, warnings, progress, processes)
            answers = answer(self._run, ready, warnings.append)
        return Predicted(self._run.recipe.title, self.stamps, tuple(warnings), tuple(answers))

    @property
    def extracted_modalities(self) -> tuple[str, ...]:
        """Return the modalities that an extractor makes; it can make them for new conversations too."""
        return tuple(extracted(self._run.recipe))

    def extractor(self, modality: str) -> Extractor:
        """Return the extractor that makes a modality, as the run's recipe sets it.

        Raises:
            InputError: no extractor makes it.
        """
        if modality not in self.extracted_modalities:
            what = f"no extractor of the run computes '{modality}', so it is not available for other utterances"
            raise InputError.at("modality", what, f"available: {', '.join(self.extracted_modalities) or 'none'}")
        if modality not in self._extractors:
            self._extractors[modality] = make_part(self._run.extractor(modality))
        return self._extractors[modality]

    def encoder_width(self, modality: str) -> int:
        """Return the width of the vectors that the encoder of a modality makes.

        Raises:
            InputError: the run's model has no encoders.
        """
        return encoder_of(self._run, modality).out_dim

    def encode(
        self, modality: str, conversations: Sequence[Conversation], raw: Sequence[Raw] | None = None
    ) -> list[list[NDArray[np.float32] | Broken | None]]:
        """Return the encoder's output for each utterance: U vectors ``[D]`` per conversation.

        An utterance that lacks the modality keeps what the extractor returned for it: ``Broken`` or None.

        Args:
            modality: the modality whose encoder is used.
            conversations: the conversations to encode; their labels are not read.
            raw: what ``extractor(modality).extract`` returned for each conversation; extracted now if None.

        Raises:
            InputError: no extractor makes the modality, or the run's model has no encoders.
        """
        if raw is None:
            raw = [self.extractor(modality).extract(conversation) for conversation in conversations]
        encoded = []
        for conversation, values in zip(conversations, raw, strict=True):
            vectors = encode(self._run, modality, conversation, values)  # [U, D]
            pairs = zip(vectors, values, strict=True)
            encoded.append([vector if isinstance(array, np.ndarray) else array for vector, array in pairs])
        return encoded

    def was_trained_on(self, conversation: Conversation) -> bool:
        """Return whether the training split held this conversation: same id, utterances and texts."""
        return fingerprint(conversation) in self._run.trained_on

    def live(self) -> Live:
        """Start a conversation whose utterances arrive one by one; each gets at once the answer that ``predict`` gives.

        Raises:
            InputError: a part of the model reads later utterances; every such part is named.
        """
        with in_recipe(self._run.where):
            return Live(self._run)


def load(run: Place, allow_plugin_files: bool = True, trust: bool = False) -> TrainedModel:
    """Load the model of a finished run.

    Args:
        run: the folder of the run, or the ``model.safetensors`` in it.
        allow_plugin_files: whether the run's own plugin files may be executed, if they were trusted on this machine.
        trust: trust the run's own plugin files on this machine, now and later.

    Raises:
        InputError: there is no such model, it is damaged, its parts differ from those in training, or its plugin
            files are not trusted.
        RunError: the code of a part failed.
    """
    return TrainedModel(read_run(user_path(run), PluginFiles.chosen(allow_plugin_files, trust)))


def _path(place: Place | None) -> Path | None:
    return None if place is None else user_path(place)


def _of_program(
    conversations: Sequence[Conversation], transcript: Place | None, subtitles: Place | None, files: Mapping[str, Path]
) -> Given:
    """Return conversations that a program made, without their labels; their texts are repaired like those of files."""
    if transcript is not None or subtitles is not None:
        raise InputError.at("transcript and subtitles", "can be given with files only, not with conversations")
    names = [conversation.id for conversation in conversations]
    mistakes = [Mistake(f"conversation {c.id}", "has no utterances") for c in conversations if not len(c)]
    mistakes += [Mistake(f"conversation {name}", "occurs twice") for name, n in Counter(names).items() if n > 1]
    mistakes += [
        Mistake(f"conversation {c.id}", f"has cues of {len(c.cues)} utterances, but {len(c)} utterances")
        for c in conversations
        if len(c.cues) not in (0, len(c))
    ]
    if mistakes or not conversations:
        raise InputError(mistakes or [Mistake("the input", "contains no conversation")])
    ids = [id for conversation in conversations for id in conversation.ids]
    tables = {name: read_features(path, ids) for name, path in files.items()}
    for conversation in conversations:
        _check_texts(conversation)
    repair = Repair()
    repaired = [replace(c, texts=tuple(map(repair, c.texts)), cues=tuple(map(repair, c.cues))) for c in conversations]
    bare = tuple(replace(c, labels={}) for c in repaired)
    return Given(bare, tables, tuple(repair.warnings("the conversations")))


def _check_texts(conversation: Conversation) -> None:
    fields = {
        "id": conversation.utterances,
        "speaker": conversation.speakers,
        "text": conversation.texts,
        "cues": conversation.cues,
    }
    check_text("conversation", conversation.id)
    for name, values in fields.items():
        for number, value in enumerate(values, 1):
            check_text(f"conversation {conversation.id}, {name} of utterance {number}", value)


def _training_warnings(run: SavedRun, conversations: Sequence[Conversation]) -> Iterator[str]:
    """Yield a warning if the model was trained on some conversations, with or without the split before their ids."""
    prefixes = ("", *(f"{split}/" for split in SPLITS))
    seen = sum(
        any(fingerprint(replace(c, id=prefix + c.id)) in run.trained_on for prefix in prefixes) for c in conversations
    )
    if seen:
        count = f"{seen} of these {len(conversations)} conversations"
        yield f"the model was trained on {count}, so their predictions are too good"
