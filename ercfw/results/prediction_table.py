"""Predictions of utterances: one table for runs, ensembles, pooled folds and new data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ercfw.contract.conversation import UtteranceId
from ercfw.results.target_predictions import TargetPredictions, join_targets

KEYS = ("conversation", "utterance", "speaker", "text")
"""Columns that every table has."""


@dataclass(frozen=True)
class PredictionTable:
    """Predictions of utterances, one row per utterance.

    Attributes:
        about: N cells of each column that describes the utterances: ``conversation``, ``utterance``, ``speaker``,
            ``text``, and for runs ``split``, ``kind``, ``new_speaker`` and ``lacks``.
        targets: the predictions of each target.
        labelled: the targets that have a column of labels, even if every cell is empty.
        stamps: words such as SIMULATED, in a column of their own.
    """

    about: Mapping[str, tuple[str, ...]]
    targets: Mapping[str, TargetPredictions]
    labelled: frozenset[str] = frozenset()
    stamps: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.about["utterance"])

    @property
    def ids(self) -> tuple[UtteranceId, ...]:
        """Return the (conversation, utterance) of each row."""
        return tuple(zip(self.about["conversation"], self.about["utterance"], strict=True))

    @property
    def splits(self) -> list[str]:
        """Return the splits of the utterances, test first."""
        return sorted(dict.fromkeys(self.about.get("split", ())), key=lambda split: split != "test")

    def of_split(self, split: str) -> "PredictionTable":
        """Return the rows of a split."""
        return self.take([row for row, name in enumerate(self.about.get("split", ())) if name == split])

    def take(self, rows: Sequence[int]) -> "PredictionTable":
        """Return the table of these rows, in this order."""
        kept = np.asarray(rows, np.int64)
        return PredictionTable(
            {name: tuple(cells[row] for row in rows) for name, cells in self.about.items()},
            {name: of.take(kept) for name, of in self.targets.items()},
            self.labelled,
            self.stamps,
        )

    def rows(self) -> list[dict[str, str]]:
        """Return the description of each utterance, by column."""
        return [dict(zip(self.about, cells, strict=True)) for cells in zip(*self.about.values(), strict=True)]


def join(tables: Sequence[PredictionTable]) -> PredictionTable:
    """Return the rows of all tables in one; the columns and targets are those that all have.

    Raises:
        ValueError: tables have different classes, or an utterance is in two of them.
    """
    first = tables[0]
    about = [name for name in first.about if all(name in table.about for table in tables)]
    targets = [name for name in first.targets if all(name in table.targets for table in tables)]
    return PredictionTable(
        {name: tuple(cell for table in tables for cell in table.about[name]) for name in about},
        {name: join_targets([table.targets[name] for table in tables]) for name in targets},
        frozenset.intersection(*(table.labelled for table in tables)),
        tuple(dict.fromkeys(stamp for table in tables for stamp in table.stamps)),
    )
