"""Scores that a paper reports."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Quoted:
    """A table of a paper: what it reports of a corpus' test split.

    Attributes:
        source: the paper and the table's number.
        dataset: the name of the plugin that reads the corpus.
        target: what is predicted.
        utterances: labelled ones of the test split.
        protocol: how the reported epochs were chosen, as far as is known.
        scores: of each method, points by class (F1) or metric; what the paper leaves out is absent.
    """

    source: str
    dataset: str
    target: str
    utterances: int
    protocol: str
    scores: Mapping[str, Mapping[str, float]]
