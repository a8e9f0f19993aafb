"""Names of the files in a run's folder."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFiles:
    """Paths of the files in the folder of a run or an ensemble; a file may be missing.

    Attributes:
        folder: the folder.
    """

    folder: Path

    @property
    def recipe(self) -> Path:
        """Return the resolved recipe; an ensemble has none."""
        return self.folder / "recipe.toml"

    @property
    def key(self) -> Path:
        """Return the hash of everything that affects the result except the data and the seed."""
        return self.folder / "key.txt"

    @property
    def plugins(self) -> Path:
        """Return the folder with copies of the recipe's plugin files."""
        return self.folder / "plugins"

    @property
    def environment(self) -> Path:
        """Return the machine, libraries and data of the run."""
        return self.folder / "environment.json"

    @property
    def history(self) -> Path:
        """Return the losses and scores of each epoch."""
        return self.folder / "history.jsonl"

    @property
    def trackers(self) -> Path:
        """Return the folder that experiment trackers write to."""
        return self.folder / "trackers"

    @property
    def state(self) -> Path:
        """Return the checkpoint that a resume reads; it is deleted when the run finishes."""
        return self.folder / "state.safetensors"

    @property
    def model(self) -> Path:
        """Return the weights of the best epoch."""
        return self.folder / "model.safetensors"

    @property
    def predictions(self) -> Path:
        """Return the table of predictions."""
        return self.folder / "predictions.csv"

    @property
    def embeddings(self) -> Path:
        """Return the input vectors of the heads."""
        return self.folder / "embeddings.safetensors"

    @property
    def report(self) -> Path:
        """Return the report in Markdown."""
        return self.folder / "report.md"

    @property
    def metrics(self) -> Path:
        """Return the scores and facts of the run; this file marks the run as finished."""
        return self.folder / "metrics.json"
