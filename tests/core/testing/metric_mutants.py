"""Metrics of every form of labels that each break one promise."""

import numpy as np

from ercfw import CORRELATION, ERROR, Scale, metric


def good_metric(true, probabilities, classes):
    return float((probabilities.argmax(-1) == true).mean())


@metric("classes")
class AfterItself:
    """Accuracy of utterances whose speaker has spoken before.

    Options:
        otherwise: the score if there is none.
    """

    def __init__(self, *, otherwise: float = 0.0) -> None:
        self.otherwise = otherwise

    def __call__(self, true, probabilities, classes, rows):
        last, right = {}, []
        for row, (conversation, speaker) in enumerate(zip(rows.conversation, rows.speaker, strict=True)):
            if (conversation, speaker) in last:
                right.append(probabilities[row].argmax() == true[row])
            last[conversation, speaker] = row
        return self.score(right)

    def score(self, right):
        return float(np.mean(right)) if right else self.otherwise


class Undocumented(AfterItself):
    """Nothing."""

    def __init__(self, *, secret: float = 0.0) -> None:
        super().__init__()


class MeanOfNone(AfterItself):
    def score(self, right):
        return sum(right) / len(right) if right else float("nan")


class FirstConversation(AfterItself):
    def __call__(self, true, probabilities, classes, rows):
        here = rows.conversation == 0
        return float((probabilities.argmax(-1) == true)[here].mean())


class ChangesTheOrder(AfterItself):
    def __call__(self, true, probabilities, classes, rows):
        rows.position[:] = 0
        return super().__call__(true, probabilities, classes, rows)


def a_row_each(true, probabilities, classes):
    return probabilities.max(-1)


def changes_its_input(true, probabilities, classes):
    probabilities *= 2
    return 1.0


def of_the_first(true, probabilities, classes):
    return float(probabilities[0, 0])


def share_of_each(true, probabilities, classes):
    return np.array(
        [(probabilities.argmax(-1) == true)[true == n].sum() / (true == n).sum() for n in range(len(classes))]
    )


def error(true, predicted, names):
    return np.abs(true - predicted).mean(0)


def correlation(true, predicted, names):
    t, p = true - true.mean(0), predicted - predicted.mean(0)
    below = np.sqrt((t * t).sum(0) * (p * p).sum(0))
    return np.divide((t * p).sum(0), below, out=np.zeros(len(below)), where=below > 0)


def exact(true, probabilities, names):
    return float(((probabilities >= 0.5) == true).all(1).mean())


def declared(function, *serves, **more):
    """The function with a declaration of its own."""

    def scored(true, values, names):
        return function(true, values, names)

    return metric(*serves, **more)(scored)


GOOD = {
    "error": declared(error, "regression", scale=ERROR),
    "correlation": declared(correlation, "regression", scale=CORRELATION),
    "from 1 to 5": declared(error, "regression", scale=ERROR, range=(1.0, 5.0)),
    "exact": declared(exact, "multilabel"),
    "error of shares": declared(error, "soft-classes", "soft-multilabel", scale=ERROR),
}
BAD_SCALES = {
    "a correlation as a share": declared(correlation, "regression"),
    "an error as a share": declared(error, "regression"),
    "an error where more is better": declared(error, "regression", scale=Scale(lowest=None, highest=None)),
    "an accuracy where less is better": declared(good_metric, "classes", scale=ERROR),
}
NOT_FINITE = {
    "of constant numbers": declared(lambda t, p, names: np.corrcoef(t[:, 0], p[:, 0])[0, 1], "regression"),
    "of a label that is nowhere": declared(lambda t, p, names: (t * p).sum(0) / t.sum(0), "multilabel"),
}
WRONG_FORM = {
    "one number": declared(lambda t, p, names: float(np.abs(t - p.reshape(-1)).mean()), "regression", scale=ERROR),
    "classes of numbers": declared(good_metric, "regression"),
    "whole numbers": declared(lambda t, p, names: float((t & (p >= 0.5)).mean()), "multilabel"),
}
MUTANTS = {
    "options are documented": [Undocumented],
    "gives a score": [
        a_row_each, changes_its_input, of_the_first, FirstConversation, ChangesTheOrder, *WRONG_FORM.values(),
    ],
    "unseen classes": [share_of_each, *NOT_FINITE.values()],
    "scale is as declared": [*BAD_SCALES.values()],
    "short conversations": [MeanOfNone],
}  # fmt: skip
