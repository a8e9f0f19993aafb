"""The encoder of a finished run as an extractor."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ercfw import (
    Broken,
    Conversation,
    Extractor,
    FittedOn,
    InputError,
    TrainedModel,
    is_file,
    load,
    runs_without_parts,
    sha256,
)


class TrainedEncoder(Extractor):
    """What a run's encoder of a modality, trained with labels, makes of each utterance: ``[D]``.

    So a fine-tuned text encoder serves later recipes, as the text features of MultiEMO and COSMIC (Ghosal
    et al., 2020) were made. It tells which utterances' labels it has seen, and a dev or test split among them
    is refused. Of what it has seen its vectors are far cleaner than of anything else, which misleads a model
    trained on them; with ``cross_fit`` those of each training conversation come from a run that has not
    seen it (``ercfw run RECIPE --cross-fit 5`` makes these runs).

    Options:
        run: the folder of the finished run.
        modality: whose encoder; needed only where the run has several modalities.
        cross_fit: see above. What no run has seen is the mean of what they all make of it.
        plugin_files: whether plugin files that the run brings may be run.
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
            raise InputError.at("run", "is not set", "the folder of a finished run")
        folder = run.parent if is_file(run) else run
        self._plugin_files = plugin_files
        self._folders = runs_without_parts(folder) if cross_fit else [folder]
        first = self._models[0]
        self._modality = _modality(first, modality)
        self._raw = first.extractor(self._modality)
        self.reads = self._raw.reads
        self.causal = self._raw.causal
        self.stamps = first.stamps
        self.dim = first.encoder_width(self._modality)

    @property
    def fingerprint(self) -> str:
        """A hash of the runs' weights and of what makes their input."""
        weights = [sha256(folder / "model.safetensors") for folder in self._folders]
        about = [weights, self._modality, self._raw.fingerprint]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()

    def extract(self, conversation: Conversation) -> Sequence[NDArray[np.float32] | Broken | None]:
        """U vectors ``[D]`` float32; None where the run's own extractor finds nothing."""
        raw = self._raw.extract(conversation)
        unseen = [model for model in self._models if not model.was_trained_on(conversation)] or self._models
        encoded = [model.encode(self._modality, [conversation], [raw])[0] for model in unseen]
        return [_mean(vectors) for vectors in zip(*encoded, strict=True)]

    def fitted_on(self, conversations: Sequence[Conversation]) -> FittedOn:
        """The utterances of those conversations that any of the runs was trained on."""
        return frozenset(
            id for c in conversations if any(model.was_trained_on(c) for model in self._models) for id in c.ids
        )

    @cached_property
    def _models(self) -> list[TrainedModel]:
        return [load(folder, self._plugin_files) for folder in self._folders]


def _mean(vectors: Sequence[NDArray[np.float32] | Broken | None]) -> NDArray[np.float32] | Broken | None:
    """Return the mean of what several runs make of one utterance, ``[D]``; they lack the same utterances."""
    arrays = [vector for vector in vectors if isinstance(vector, np.ndarray)]
    return np.mean(arrays, 0) if arrays else vectors[0]


def _modality(model: TrainedModel, named: str | None) -> str:
    """Return the modality that is named, or else the run's only one.

    Raises:
        InputError: none is named, and the run has several.
    """
    if named is None and len(model.modalities) > 1:
        raise InputError.at("modality", "is not set, and the run has several", ", ".join(model.extracted_modalities))
    return named or model.modalities[0]
