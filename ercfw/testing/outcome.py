"""Outcomes of conformance checks: passed, failed, failed as expected, or skipped, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Status = Literal["passed", "failed", "xfailed", "skipped"]


class CheckFailed(Exception):  # noqa: N818  # the finding of a check, not an error of the kit
    """A part breaks a promise of its kind; the message says how, and how to fix it where that is known."""


class CheckSkipped(Exception):  # noqa: N818
    """A check does not apply to a part; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """The result of one check of one part.

    Attributes:
        check: the name of the check, such as ``any order``.
        status: how it ended; ``xfailed`` means that it failed and its part declares that.
        reason: why it did not pass; empty if it did.
    """

    check: str
    status: Status
    reason: str = ""

    def declared(self, why: str) -> "Outcome":
        """Return the outcome of a check that its part declares as an expected failure.

        A failure becomes ``xfailed``, with ``why`` and what the check found. A pass becomes ``failed``, so that the
        declaration is removed once it no longer holds. A skipped check stays skipped.
        """
        if self.status == "failed":
            return replace(self, status="xfailed", reason=f"{why} ({self.reason})")
        if self.status == "passed":
            return replace(self, status="failed", reason="declared as an expected failure but passes: remove it")
        return self

    def __str__(self) -> str:
        return f"{self.status:7} {self.check}" + (f": {self.reason}" if self.reason else "")


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the first that failed; otherwise the first that was skipped; otherwise the first."""
    return min(outcomes, key=lambda outcome: ("failed", "skipped", "passed").index(outcome.status))


@dataclass(frozen=True)
class Report:
    """The outcomes of all checks of one part; ``str`` gives one line per check, the notes and the summary.

    Attributes:
        part: its kind and the name of its class.
        outcomes: in the order in which the checks ran.
        notes: what the kit made up or found out to check the part.
    """

    part: str
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...] = ()

    def of(self, status: Status) -> Sequence[Outcome]:
        """Return the outcomes with this status."""
        return [outcome for outcome in self.outcomes if outcome.status == status]

    @property
    def summary(self) -> str:
        """Return the numbers of checks that ran, failed and were skipped, in one line."""
        ran = len(self.outcomes) - len(self.of("skipped"))
        expected = f"{len(self.of('xfailed'))} failed as expected, " if self.of("xfailed") else ""
        return (
            f"{self.part}: {ran} checks ran, {len(self.of('failed'))} failed, {expected}"
            f"{len(self.of('skipped'))} skipped"
        )

    def __str__(self) -> str:
        return "\n".join([*map(str, self.outcomes), *(f"note: {note}" for note in self.notes), self.summary])
