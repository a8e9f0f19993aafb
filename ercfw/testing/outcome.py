"""What the conformance kit found: each check, and why it failed or was left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "skipped"]


class NotMet(Exception):  # noqa: N818  # what a check found, no error of its own
    """A part does not keep a promise; says how, and what would mend it."""


class NotAsked(Exception):  # noqa: N818
    """A check has nothing to say of this part, and why."""


@dataclass(frozen=True)
class Outcome:
    """One check of one part.

    Attributes:
        check: its name.
        status: how it ended.
        reason: why, if it did not pass.
    """

    check: str
    status: Status
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.status:7} {self.check}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True)
class Report:
    """All checks of one part."""

    part: str
    outcomes: tuple[Outcome, ...]

    def of(self, status: Status) -> Sequence[Outcome]:
        """Those that ended so."""
        return [outcome for outcome in self.outcomes if outcome.status == status]

    @property
    def summary(self) -> str:
        """How many ran, failed and were skipped."""
        ran = len(self.outcomes) - len(self.of("skipped"))
        return f"{self.part}: {ran} checks ran, {len(self.of('failed'))} failed, {len(self.of('skipped'))} skipped"

    def __str__(self) -> str:
        return "\n".join([*map(str, self.outcomes), self.summary])
