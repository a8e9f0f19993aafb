"""The line of a run's history that an epoch leaves."""

from typing import NotRequired, TypedDict


class Epoch(TypedDict):
    """One line of a run's ``history.jsonl``.

    The split that chooses the epoch is dev, except under the protocol ``release``, where it is test.

    Attributes:
        epoch: the number of the epoch, from 1.
        lr: the learning rate at the start of the epoch.
        train_loss: each loss by name, times its weight; the mean over the steps.
        watched_loss: the losses on the split that chooses the epoch.
        watched: the scores on that split: for each target and metric, one number or one per class.
        selected: the score that chooses the epoch (``train.select``).
        seconds: how long training and scoring took.
        gradient_shares: each loss's share of the gradient, only with several losses and after the training: in the
            first line at the start of that epoch, in the line of the best epoch at its end (so there if they are one).
    """

    epoch: int
    lr: float
    train_loss: dict[str, float]
    watched_loss: dict[str, float]
    watched: dict[str, dict[str, float | dict[str, float]]]
    selected: float
    seconds: float
    gradient_shares: NotRequired[dict[str, float]]
