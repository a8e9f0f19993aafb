"""The number of runs of an ablation, which is told before the first one starts."""

from collections.abc import Callable
from dataclasses import dataclass

from ercfw.errors import InputError

MOST_RUNS = 200
"""Number of runs that an ablation may have unless its caller allows more."""


@dataclass(frozen=True)
class NumberOfRuns:
    """How many runs an ablation has; ``str`` gives the number, and what it is made of.

    Attributes:
        variants: the number of variants.
        seeds: the number of seeds of each.
        folds: the number of folds; 0 = the corpus' own splits.
    """

    variants: int
    seeds: int
    folds: int = 0

    @property
    def total(self) -> int:
        """Return the number of runs."""
        return self.variants * self.seeds * max(1, self.folds)

    def __str__(self) -> str:
        factors = [_many(self.variants, "variant"), _many(self.seeds, "seed")]
        factors += [_many(self.folds, "fold")] if self.folds else []
        return f"{_many(self.total, 'run')} ({' x '.join(factors)})"

    def announce(self, most: int, where: str, show: Callable[[str], None]) -> None:
        """Show the number before the first run, or refuse more runs than the caller expects.

        Args:
            most: the largest number of runs.
            where: the argument that sets it.
            show: shows a line.

        Raises:
            InputError: there are more.
        """
        if self.total > most:
            hint = f"select fewer variants or seeds, or set it to {self.total}"
            raise InputError.at(where, f"{self} are more than {most}", hint)
        show(str(self))


def _many(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")
