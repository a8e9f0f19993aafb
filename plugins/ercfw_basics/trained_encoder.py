"""The encoder of a finished run as an extractor."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ercfw import Conversation, Extractor, InputError
from ercfw.contract.conversation import fingerprint
from ercfw.contract.feature_table import FittedOn
from ercfw.contract.interfaces import Broken
from ercfw.data.modality_sources import make_extractor
from ercfw.predict.encode import encode, encoder_of
from ercfw.predict.saved_run import SavedRun, read_run
from ercfw.recipe.queries import extracted
from ercfw.results.cross_fit_runs import runs_without_parts
from ercfw.system.files import is_file, sha256


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
        first = self._runs[0]
        self._modality = _modality(first, modality)
        self._raw = make_extractor(first.recipe, first.catalog, self._modality)
        self.reads = self._raw.reads
        self.causal = self._raw.causal
        self.stamps = first.stamps
        self.dim = encoder_of(first, self._modality).out_dim

    @property
    def fingerprint(self) -> str:
        """A hash of the runs' weights and of what makes their input."""
        weights = [sha256(folder / "model.safetensors") for folder in self._folders]
        about = [weights, self._modality, self._raw.fingerprint]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()

    def extract(self, conversation: Conversation) -> Sequence[NDArray[np.float32] | Broken | None]:
        """U vectors ``[D]`` float32; None where the run's own extractor finds nothing."""
        raw = self._raw.extract(conversation)
        unseen = [run for run in self._runs if not _has_seen(run, conversation)] or self._runs
        vectors = np.mean([encode(run, self._modality, conversation, raw) for run in unseen], 0)  # [U, D]
        return [vector if isinstance(array, np.ndarray) else array for vector, array in zip(vectors, raw, strict=True)]

    def fitted_on(self, conversations: Sequence[Conversation]) -> FittedOn:
        """The utterances of those conversations that any of the runs was trained on."""
        return frozenset(id for c in conversations if any(_has_seen(run, c) for run in self._runs) for id in c.ids)

    @cached_property
    def _runs(self) -> list[SavedRun]:
        return [read_run(folder, self._plugin_files) for folder in self._folders]


def _has_seen(run: SavedRun, conversation: Conversation) -> bool:
    return fingerprint(conversation) in run.trained_on


def _modality(run: SavedRun, named: str | None) -> str:
    """Whose encoder is meant, if an extractor makes its raw values: of a file nothing new can be read.

    Raises:
        InputError: it is not named, not there, or read from a file.
    """
    there = extracted(run.recipe)
    if named is None and len(run.recipe.data.modalities) > 1:
        raise InputError.at("modality", "is not set, and the run has several", ", ".join(there))
    wanted = named or run.recipe.data.modalities[0]
    if wanted not in there:
        what = f"no extractor of the run makes '{wanted}', so nothing can make it of other utterances"
        raise InputError.at("modality", what, f"there is: {', '.join(there) or 'nothing'}")
    return wanted
