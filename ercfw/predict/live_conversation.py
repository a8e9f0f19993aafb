"""Prediction of a conversation whose utterances arrive one by one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import Clip, Conversation
from ercfw.contract.data_info import ModalitySpec
from ercfw.contract.feature_table import FeatureTable
from ercfw.contract.interfaces import Broken, ClipExtractor, Extractor
from ercfw.contract.optional_parts import SupportsCutTexts
from ercfw.data.cues.attach import lacks_cues
from ercfw.data.extraction.cache import without_unreadable
from ercfw.data.extraction.extract import cut_texts
from ercfw.data.load import attach
from ercfw.data.tables.control_characters import Repair, check_text
from ercfw.data.tables.utterances import ONE_SPEAKER
from ercfw.errors import ErcfwError, InputError, Mistake, RunError, cause_of
from ercfw.model.composed_model import ComposedModel
from ercfw.predict.answers import Answer
from ercfw.predict.features import changed_extractor, check_known
from ercfw.predict.inference import answer
from ercfw.predict.saved_run import SavedRun
from ercfw.recipe.queries import extracted
from ercfw.registry.make import make_part
from ercfw.system.user_folders import user_path

Value = NDArray[Any]


class Live:
    """Conversation in progress.

    No part of the model reads later utterances, so an answer never changes. Each new utterance runs the network
    over the whole conversation so far. So does every extractor that reads more than clips.

    Args:
        run: the model.

    Attributes:
        warnings: the warnings so far: broken clips, repaired texts, and extractors that differ from those in training.

    Raises:
        InputError: a part of the model reads later utterances; every such part is named.
    """

    def __init__(self, run: SavedRun) -> None:
        self._run = run
        names = extracted(run.recipe)
        self._extractors: dict[str, Extractor] = {name: make_part(run.extractor(name)) for name in names}
        mistakes = list(_not_causal(run, self._extractors))
        if mistakes:
            raise InputError(mistakes)
        self._conversation = Conversation("live", "test", (), (), (), {})
        self._values: dict[str, list[Value | None]] = {name: [] for name in run.info.modalities}
        self.warnings = [
            warning
            for name, extractor in self._extractors.items()
            for warning in changed_extractor(run, name, extractor.fingerprint)
        ]

    def __repr__(self) -> str:
        return f"<Live conversation, {len(self._conversation)} utterances, with the model of {self._run.where}>"

    def add(
        self,
        text: str = "",
        speaker: str = ONE_SPEAKER,
        clip: Clip | str | Path | None = None,
        features: Mapping[str, Value] | None = None,
        cues: str = "",
    ) -> Answer:
        """Add the next utterance and return the prediction for it.

        Args:
            text: the words of the utterance.
            speaker: the speaker's name.
            clip: the recording of the utterance.
            features: by modality, a vector ``[D]``, frames ``[T, D]`` or tokens ``[T]``; replaces its extractor.
            cues: words that describe how it is said, for a model whose prompts read them.

        Raises:
            InputError: the features do not fit the model, or the text is no text; the utterance is not added.
            RunError: an extractor or the model failed; the utterance is not added.
        """
        features = features or {}
        check_known(self._run, features)
        clip = Clip(user_path(clip)) if isinstance(clip, str | Path) else clip
        check_text("text", text)
        check_text("speaker", speaker)
        check_text("cues", cues)
        repair = Repair()
        conversation = _with(self._conversation, repair(text), speaker, clip, repair(cues))
        new = {name: features[name] if name in features else self._extract(name, conversation) for name in self._values}
        values = {name: [*before, new[name]] for name, before in self._values.items()}
        tables = {
            name: _table(conversation, values[name], spec, name) for name, spec in self._run.info.modalities.items()
        }
        ready = attach({"test": [conversation]}, list(tables), tables)["test"]
        answers = answer(self._run, ready, self.warnings.append)
        self._conversation, self._values = conversation, values
        self.warnings += repair.warnings(f"utterance {conversation.utterances[-1]}")
        return answers[-1]

    def _extract(self, modality: str, conversation: Conversation) -> Value | None:
        """Extract the values of the last utterance."""
        extractor = self._extractors.get(modality)
        if extractor is None:
            return None
        if isinstance(extractor, ClipExtractor):
            conversation = conversation.only(slice(-1, None))
        conversation, unreadable = without_unreadable(conversation) if extractor.reads != "text" else (conversation, {})
        try:
            value = unreadable.get(len(conversation) - 1) or list(extractor.extract(conversation))[-1]
        except ErcfwError:
            raise
        except Exception as error:
            raise RunError(f"extractor of '{modality}': failed: {cause_of(error)}") from error
        last = conversation.only(slice(-1, None))
        if lacks_cues(extractor, [last]):
            self.warnings.append(f"{modality}: {last.utterances[0]}: has no cues, which the model reads")
        if isinstance(extractor, SupportsCutTexts) and cut_texts(extractor, modality, last):
            what = f"{modality}: {last.utterances[0]}: only the beginning of the text is read"
            self.warnings.append(f"{what}; {extractor.longest_text}")
        if isinstance(value, Broken):
            self.warnings.append(f"{modality}: {conversation.utterances[-1]}: {value.why}")
            return None
        return value


def _not_causal(run: SavedRun, extractors: Mapping[str, Extractor]) -> Iterator[Mistake]:
    """Yield one mistake for each part that reads later utterances."""
    parts: dict[str, Any] = {f"features.{name}": extractor for name, extractor in extractors.items()}
    model = run.network
    if isinstance(model, ComposedModel):
        parts |= {f"context.{name}": part for name, part in model.contexts.items()}
        parts |= {"fusion": model.fusion, "context.joint": model.joint_context}
        parts |= {f"head.{name}": part for name, part in model.heads.items()}
    else:
        parts["model"] = model
    for table, part in parts.items():
        if part is not None and not part.causal:
            what = f"{type(part).__name__} reads later utterances, so it cannot predict an utterance before they arrive"
            yield Mistake(f"[{table}]", what, "predict the whole conversation, or train with a causal part")


def _with(conversation: Conversation, text: str, speaker: str, clip: Clip | None, cues: str) -> Conversation:
    """Return the conversation with one more utterance."""
    return replace(
        conversation,
        utterances=(*conversation.utterances, str(len(conversation) + 1)),
        speakers=(*conversation.speakers, speaker),
        texts=(*conversation.texts, text),
        clips=(*conversation.clips, clip),
        cues=(*conversation.cues, cues),
    )


def _table(
    conversation: Conversation, values: Sequence[Value | None], spec: ModalitySpec, modality: str
) -> FeatureTable:
    """Return the feature table of a modality for the whole conversation so far.

    Raises:
        InputError: the values do not fit the model.
    """
    where = f"features {modality}"
    arrays = [value if value is None else _fitting(np.asarray(value), spec, where) for value in values]
    present = np.array([array is not None for array in arrays])  # [U]
    tokens = spec.kind == "tokens"
    nothing = np.zeros(0, np.int64) if tokens else np.zeros((0, spec.dim), np.float32)
    if spec.kind == "vector":
        rows = np.stack([np.zeros(spec.dim, np.float32) if array is None else array for array in arrays])  # [U, D]
        return FeatureTable(conversation.ids, rows, present, where=where)
    rows = np.concatenate([nothing, *(array for array in arrays if array is not None)])  # [F, D] or [F]
    lengths = np.array([0 if array is None else len(array) for array in arrays], np.int64)  # [U]
    return FeatureTable(conversation.ids, rows, present, lengths, vocabulary=spec.dim if tokens else None, where=where)


def _fitting(array: Value, spec: ModalitySpec, where: str) -> Value:
    tokens = spec.kind == "tokens"
    fits = array.ndim == 1 + (spec.kind == "frames") and array.dtype.kind in ("iu" if tokens else "fiu")
    if not fits or (not tokens and array.shape[-1] != spec.dim):
        what = f"are {array.dtype} of shape {list(array.shape)}"
        raise InputError.at(where, what, f"the model was trained on kind {spec.kind} and width {spec.dim}")
    return array
