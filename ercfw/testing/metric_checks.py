"""The checks of every metric.

Each takes a ``MetricSubject``, raises ``CheckFailed`` if the metric breaks the promise, and ``CheckSkipped`` if the
promise does not apply to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.metric import Metric, traits_of
from ercfw.contract.targets import Target
from ercfw.errors import cause_of
from ercfw.registry.wiring import positional
from ercfw.testing.documented import check_documented
from ercfw.testing.made_answers import Answers, made_answers
from ercfw.testing.made_targets import CLASSES, TARGETS, one_number
from ercfw.testing.outcome import CheckFailed, CheckSkipped

CLASS_NAMES: Sequence[tuple[str, ...]] = (
    CLASSES,
    ("-1", "0", "1", "2"),
    ("-3", "-2", "-1", "0", "1", "2", "3"),
    ("0", "1"),
    ("negative", "positive"),
)
"""Names of classes in use. A metric may serve some of them only, such as numbers or two classes."""
CLOSE = 1e-6
"""How far a score may be beyond its scale, by rounding."""


@dataclass(frozen=True)
class MetricSubject:
    """A metric: a function, or a class whose instances are called.

    Attributes:
        factory: the function or class.
        options: keyword arguments of the constructor of a class.
        target: stands for the form of labels that is checked.
    """

    factory: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    target: Target = TARGETS["classes"]

    def make(self) -> Metric:
        """Return the function, or an object with these options."""
        made: Metric = self.factory(**self.options) if isinstance(self.factory, type) else self.factory
        return made

    @property
    def reads_rows(self) -> bool:
        """Return whether it takes the order of the utterances."""
        return len(positional(self.make())) > 3

    def score(self, answers: Answers) -> NDArray[np.float64]:
        """Return the score ``[]``, or one per class, ``[C]``."""
        order = (answers.rows,) if self.reads_rows else ()
        return np.asarray(self.make()(answers.true, answers.values, answers.target.names, *order))

    def served(self) -> Sequence[Answers]:
        """Return answers of each kind that the metric must score.

        Raises:
            CheckFailed: it serves classes, but runs with no names of classes.
        """
        if self.target.form != "classes":
            return self._of_its_form()
        served: list[Answers] = []
        failures: list[str] = []
        for names in CLASS_NAMES:
            answers = made_answers(Target(names))
            try:
                self.score(answers.copy())
            except Exception as error:  # the metric's own code may raise anything
                failures.append(f"{answers.named}: {cause_of(error)}")
            else:
                served.append(answers)
        if not served:
            raise CheckFailed(f"it fails for {failures[0]}; and for other classes, such as {failures[1]}")
        return served

    def _of_its_form(self) -> Sequence[Answers]:
        """Return answers in a form other than classes.

        Labels of 0 and 1 are floats, or whole numbers where shares of annotators were rounded.
        """
        target, bounds = self.target, traits_of(self.factory).range
        if target.form == "soft-classes":
            return [made_answers(target)]
        if target.kind == "regression":
            one = [one_number("sentiment", *(bounds or (-3.0, 3.0))), one_number("arousal", *(bounds or (0.0, 1.0)))]
            both = target if bounds is None else replace(target, ranges=(bounds, bounds))
            return [made_answers(each) for each in (both, *one)]
        found = [made_answers(each) for each in (target, replace(target, names=target.names[:1]))]
        rounded = [replace(each, true=each.true.astype(np.int64)) for each in found]
        return [*found, *(rounded if target.form == "multilabel" else [])]


def options_are_documented(subject: MetricSubject) -> None:
    """Check that each option has a type that a recipe can hold, and is named in the docstring of the class."""
    if isinstance(subject.factory, type):  # a function has no options
        check_documented(subject.factory)


def gives_a_score(subject: MetricSubject) -> None:
    """Check that a metric returns a finite float, or one per class, label or number.

    The order of utterances must not matter; if the metric reads it, that of conversations must not. The inputs must
    stay unchanged.
    """
    for answers in subject.served():
        given = answers.copy()
        score = subject.score(given)
        if score.shape not in ((), (len(answers.target.names),)) or not np.isfinite(score).all():
            what = f"shape {list(score.shape)}, or NaN, for {answers.named}"
            raise CheckFailed(f"it returns {what} (it should return a finite float, or [C])")
        if not _equal(given, answers):
            raise CheckFailed("it changes its inputs in place")
        moved = answers.last_first() if subject.reads_rows else answers.shuffled()
        if not np.allclose(score, subject.score(moved)):
            what = "conversations" if subject.reads_rows else "utterances"
            raise CheckFailed(f"the order of the {what} changes the score")


def unseen_classes(subject: MetricSubject) -> None:
    """Check that the score is finite where a class has no utterance.

    In other forms of labels, it must be finite where all labels are the same, and where all answers are.
    """
    for answers in subject.served():
        if answers.target.form == "classes":
            seen = answers.true % (len(answers.target.names) // 2)
            _finite(subject, replace(answers, true=seen), "a class has no utterance")
        else:
            _finite(subject, answers.all_the_same(), "all labels are the same")
            _finite(subject, answers.undecided(), "all answers are the same")
            _finite(subject, answers.all_the_same().undecided(), "all labels are the same, and all answers")


def scale_is_as_declared(subject: MetricSubject) -> None:
    """Check that scores are between the ends of their scale, and that no answers score better than perfect ones.

    Raises:
        CheckSkipped: the metric declares nothing.
    """
    if not hasattr(subject.factory, "traits"):
        raise CheckSkipped("it declares no scale; ercfw.metric does")
    scale = traits_of(subject.factory).scale
    for answers in subject.served():
        perfect = subject.score(answers.perfect())
        for name, others in {"perfect": answers.perfect(), "good": answers, "opposite": answers.opposite()}.items():
            score = subject.score(others)
            low = -np.inf if scale.lowest is None else scale.lowest
            high = np.inf if scale.highest is None else scale.highest
            if not ((score >= low - CLOSE) & (score <= high + CLOSE)).all():
                what = f"{name} answers score {_shown(score)}, but the scale goes from {low:g} to {high:g}"
                raise CheckFailed(f"{what} (@metric(..., scale=Scale(lowest=..., highest=...)))")
            better = perfect.mean() - score.mean() if scale.lower_is_better else score.mean() - perfect.mean()
            if not better <= CLOSE:
                what = f"perfect answers score {_shown(perfect)}, and {name} ones {_shown(score)}"
                hint = "higher" if scale.lower_is_better else "lower"
                raise CheckFailed(f"{what}: is a {hint} score the better one? (@metric(..., scale=...))")


def short_conversations(subject: MetricSubject) -> None:
    """Check that the score is finite where each conversation has one utterance.

    Raises:
        CheckSkipped: the metric does not read the order of the utterances.
    """
    if not subject.reads_rows:
        raise CheckSkipped("it does not read the order of the utterances")
    for answers in subject.served():
        _finite(subject, answers.apart(), "each conversation has one utterance")


def _finite(subject: MetricSubject, answers: Answers, where: str) -> None:
    if not np.isfinite(subject.score(answers)).all():
        raise CheckFailed(f"it returns NaN or infinity where {where}, for {answers.named}")


def _equal(one: Answers, other: Answers) -> bool:
    pairs = [(one.true, other.true), (one.values, other.values)]
    pairs += [(getattr(one.rows, name), getattr(other.rows, name)) for name in ("conversation", "position", "speaker")]
    return all(np.array_equal(a, b) for a, b in pairs)


def _shown(score: NDArray[np.float64]) -> str:
    return f"{score.mean():.3g}"


CHECKS = (options_are_documented, gives_a_score, unseen_classes, scale_is_as_declared, short_conversations)
