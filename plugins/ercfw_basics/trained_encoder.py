"""The encoder of a finished run as an extractor."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import ercfw
from ercfw import (
    Broken,
    Conversation,
    Extractor,
    FittedOn,
    InputError,
    SupportsCues,
    SupportsCutTexts,
    is_file,
    runs_without_parts,
    sha256,
)

if TYPE_CHECKING:
    from ercfw import TrainedModel


class TrainedEncoder(Extractor):
    """Vectors ``[D]`` of utterances, computed by an encoder that a finished run trained with labels.

    A fine-tuned text encoder can thus provide the features of later recipes; the text features of MultiEMO and COSMIC
    (Ghosal et al., 2020) were made this way. The extractor reports which labelled utterances the run was trained on.
    A dev or test split that contains any of them is refused.

    The vectors of utterances that the run was trained on separate the classes far better than those of others, which
    misleads a model trained on them. With ``cross_fit``, the vectors of each training conversation come from a run that
    was not trained on it (``ercfw run RECIPE --cross-fit 5`` makes these runs).

    Options:
        run: the folder of the finished run.
        modality: the modality whose encoder is used; needed only if the run has several modalities.
        cross_fit: whether to use the runs that ``--cross-fit`` made, as above. Utterances that none of these runs was
            trained on get the mean of all runs' vectors.
        plugin_files: whether plugin files that the run brings may be executed.
    """

    def __init__(
        self,
        *,
        run: Path | None = None,
        modality: str | None = None,
        cross_fit: bool = False,
        plugin_files: bool = False,
    ) -> None:
        if run is None:
            raise InputError.at("run", "is not set", "set it to the folder of a finished run")
        folder = run.parent if is_file(run) else run
        self._plugin_files = plugin_files
        self._folders = runs_without_parts(folder) if cross_fit else [folder]
        first = self._models[0]
        self._modality = _modality(first, modality)
        self._raw = first.extractor(self._modality)
        self.reads = self._raw.reads
        self.causal = self._raw.causal
        self.stamps = first.stamps
        self.longest_text = self._raw.longest_text if isinstance(self._raw, SupportsCutTexts) else ""
        self.cues_option = "run" if isinstance(self._raw, SupportsCues) and self._raw.cues_option else ""
        self.dim = first.encoder_width(self._modality)

    @property
    def fingerprint(self) -> str:
        """Return a hash of the runs' weights and of everything that produces their input."""
        weights = [sha256(folder / "model.safetensors") for folder in self._folders]
        about = [weights, self._modality, self._raw.fingerprint]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()

    def extract(self, conversation: Conversation) -> Sequence[NDArray[np.float32] | Broken | None]:
        """Return U vectors ``[D]`` float32.

        Where the run's own extractor gives None or ``Broken``, this one gives the same.
        """
        raw = self._raw.extract(conversation)
        unseen = [model for model in self._models if not model.was_trained_on(conversation)] or self._models
        encoded = [model.encode(self._modality, [conversation], [raw])[0] for model in unseen]
        return [_mean(vectors) for vectors in zip(*encoded, strict=True)]

    def cut_texts(self, conversation: Conversation) -> Sequence[int]:
        """Return the positions of the utterances of which the run's own extractor reads only the beginning."""
        return self._raw.cut_texts(conversation) if isinstance(self._raw, SupportsCutTexts) else ()

    def fitted_on(self, conversations: Sequence[Conversation]) -> FittedOn:
        """Return the utterances of those conversations that any of the runs was trained on."""
        return frozenset(
            id for c in conversations if any(model.was_trained_on(c) for model in self._models) for id in c.ids
        )

    @cached_property
    def _models(self) -> "list[TrainedModel]":
        return [ercfw.load(folder, self._plugin_files) for folder in self._folders]


def _mean(vectors: Sequence[NDArray[np.float32] | Broken | None]) -> NDArray[np.float32] | Broken | None:
    """Return the mean of what several runs make of one utterance, ``[D]``; they lack the same utterances."""
    arrays = [vector for vector in vectors if isinstance(vector, np.ndarray)]
    return np.mean(arrays, 0) if arrays else vectors[0]


def _modality(model: "TrainedModel", named: str | None) -> str:
    """Return the modality that is named, or else the run's only one.

    Raises:
        InputError: none is named, and the run has several.
    """
    if named is None and len(model.modalities) > 1:
        raise InputError.at(
            "modality", "is not set, and the run has several modalities", ", ".join(model.extracted_modalities)
        )
    return named or model.modalities[0]
