"""``metrics.json``: the scores and facts of a finished run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ercfw.contract.metric import SHARE, Scale
from ercfw.contract.provenance import Provenance, StreamSummary
from ercfw.results.json_file import SCHEMA, read_json
from ercfw.results.run_files import RunFiles
from ercfw.results.scoring import EACH, Scores


class SplitSize(BaseModel):
    """Numbers of conversations, utterances and labels of a split."""

    model_config = ConfigDict(frozen=True, strict=True)

    conversations: int = 0
    utterances: int = 0
    labels: int = 0


class RunMetrics(BaseModel):
    """Content of ``metrics.json``, for a run or an ensemble.

    Attributes:
        version: the version of the format, ``schema`` in the file.
        recipe: the name of the recipe's file.
        title: the title of the recipe.
        dataset: the name of the dataset; None if an older ercfw wrote the file.
        variant: the name of the variant.
        seed: the seed; 0 for an ensemble.
        protocol: the name of the protocol.
        select: the score that chose the best epoch, as ``target.metric``.
        chosen_on: the split that the best epoch was chosen on.
        best_epoch: the number of the best epoch; None for an ensemble.
        epochs: the number of trained epochs.
        scores: by split, target and metric; a score per class is a mapping.
        scales: how the scores of a metric are read, for each metric whose scores are no shares.
        losses: by split, each weighted loss.
        gradient_shares: each loss's share of the gradient, before training (``untrained``) and at the ``best`` epoch;
            empty with a single loss.
        stamps: words such as SIMULATED that every file of the run carries.
        notes: remarks about the run.
        warnings: warnings about the data.
        data: the source of the conversations.
        sizes: by split, the numbers of conversations, utterances and labels.
        streams: the origin of each modality.
        members: the folders of an ensemble's runs.
        weights: an ensemble's weights, by target and folder.
        parameters: the number of trained parameters.
        all_parameters: the number of all parameters, with the frozen ones; None = none is frozen, or an older ercfw
            wrote the file.
        seconds: the duration.
        peak_memory: the largest memory in use, in bytes.
        folder: the folder that the run was written to.
        pictures: the names of the plots.
    """

    model_config = ConfigDict(frozen=True, strict=True, populate_by_name=True)

    version: int = Field(default=SCHEMA, alias="schema")
    recipe: str = ""
    title: str
    dataset: str | None = None
    variant: str
    seed: int
    protocol: str
    select: str
    chosen_on: str
    best_epoch: int | None = None
    epochs: int = 0
    scores: dict[str, dict[str, Scores]]
    scales: dict[str, Scale] = {}
    losses: dict[str, dict[str, float]] = {}
    gradient_shares: dict[str, dict[str, float]] = {}
    stamps: list[str]
    notes: list[str] = []
    warnings: list[str] = []
    data: Provenance
    sizes: dict[str, SplitSize]
    streams: dict[str, StreamSummary] = {}
    members: list[str] = []
    weights: dict[str, dict[str, float]] = {}
    parameters: int
    all_parameters: int | None = None
    seconds: float
    peak_memory: int = 0
    folder: str
    pictures: list[str] = []

    def as_json(self) -> dict[str, Any]:
        """Return the content of the file; fields that were never set are left out."""
        return {"schema": self.version, **self.model_dump(by_alias=True, exclude_unset=True)}

    def with_scales(self, scales: Mapping[str, Scale]) -> "RunMetrics":
        """Return the metrics with the scales of those whose scores are no shares; without such, the file has none."""
        return self.model_copy(update={"scales": dict(scales)}) if scales else self

    def with_frozen(self, frozen: int) -> "RunMetrics":
        """Return the metrics with the number of frozen parameters; a file without any has no key for it."""
        return self.model_copy(update={"all_parameters": self.parameters + frozen}) if frozen else self

    @property
    def frozen(self) -> int:
        """Return the number of frozen parameters."""
        return 0 if self.all_parameters is None else self.all_parameters - self.parameters

    def score(self, split: str, target: str, metric: str) -> float | None:
        """Return one score; None if there is none, or if it is one number per class."""
        value = self.scores.get(split, {}).get(target, {}).get(metric)
        return value if isinstance(value, float) else None

    def scale(self, metric: str) -> Scale:
        """Return how the scores of a metric are read."""
        return self.scales.get(metric.removesuffix(EACH), SHARE)

    @property
    def selected_scale(self) -> Scale:
        """Return how the scores are read that chose the epoch."""
        return self.scale(self.select.partition(".")[2])

    @property
    def unit_note(self) -> str:
        """Return how the scores are shown."""
        plain = ", ".join(name for name, scale in self.scales.items() if not scale.in_points)
        return "Scores are in points (0 to 100)" + (f", except for {plain}." if plain else ".")

    def size(self, split: str) -> SplitSize:
        """Return the size of a split; one that was not loaded has none of anything."""
        return self.sizes.get(split, SplitSize())


def read_metrics(folder: Path) -> RunMetrics:
    """Read the ``metrics.json`` of the finished run in a folder.

    Raises:
        InputError: the file is missing, is not one of a run, or was written by a newer ercfw.
    """
    return read_json(RunFiles(folder).metrics, RunMetrics)
