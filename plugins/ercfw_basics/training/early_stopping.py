"""End a training that no longer improves."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from ercfw import Callback, DataInfo, InputError, TrainingView, did_you_mean


class EarlyStopping(Callback):
    """Ends the training after some epochs without a better score.

    With the default options it does what ``train.patience`` does under the protocol ``dev``.

    Options:
        patience: number of epochs without an improvement after which the training ends.
        min_delta: how much better a score must be to count as an improvement.
        score: the score that is followed, as ``target.metric``, or ``loss`` for the sum of the losses on the watched
            split; by default the score that chooses the epoch.
        better: whether higher or lower scores are better; by default as the metric says, and lower for ``loss``.
    """

    def __init__(
        self,
        info: DataInfo,
        *,
        patience: Annotated[int, Field(ge=1)] = 5,
        min_delta: Annotated[float, Field(ge=0)] = 0.0,
        score: str | None = None,
        better: Literal["higher", "lower"] | None = None,
    ) -> None:
        super().__init__(info)
        self._patience, self._min_delta, self._score, self._better = patience, min_delta, score, better
        self._sign = 1
        self._best: float | None = None
        self._waited = 0

    def start(self, view: TrainingView) -> None:
        """Check that the score is watched, and find out which scores are better.

        Raises:
            InputError: it is not.
        """
        known = [*view.scores, "loss"]
        if self._score is not None and self._score not in known:
            raise InputError.at("score", f"there is no score '{self._score}'", did_you_mean(self._score, known))
        is_error = (self._score or view.select) in ("loss", *view.lower_is_better)
        lower = self._better == "lower" or (self._better is None and is_error)
        self._sign = -1 if lower else 1

    def after_epoch(self, view: TrainingView) -> bool:
        """Return whether the score has not improved for too long."""
        score = self._sign * self._of_last_epoch(view)
        if self._best is None or score > self._best + self._min_delta:
            self._best, self._waited = score, 0
        else:
            self._waited += 1
        return self._waited >= self._patience

    def _of_last_epoch(self, view: TrainingView) -> float:
        entry = view.history[-1]
        if self._score is None:
            return entry["selected"]
        if self._score == "loss":
            return sum(entry["watched_loss"].values())
        target, _, metric = self._score.partition(".")
        found = entry["watched"][target][metric]
        return sum(found.values()) / len(found) if isinstance(found, dict) else found

    def state_dict(self) -> dict[str, Any]:
        """Return the best score and how long it has not improved."""
        return {"best": self._best, "waited": self._waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the best score and how long it has not improved."""
        self._best, self._waited = state["best"], int(state["waited"])
