"""Scores that a paper reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Quoted:
    """A table of a paper: scores on the test split of a corpus.

    Attributes:
        source: the paper and the number of the table.
        dataset: the name of the dataset that reads the corpus.
        target: the target that was predicted.
        utterances: the number of labelled utterances of the test split.
        protocol: how the epoch was chosen, as far as known.
        scores: for each method, the score by class (F1) or metric; numbers that the paper omits are absent. Shares are
            in points, 0 to 100; other scores, such as an error, are in their own unit.
        streams: for each method, the streams that it reads, such as ``("text", "audio")``; unknown ones are absent.
        features: for each method, the features of its streams in words; unknown ones are absent.
        classes: the classes that were predicted; runs with other classes do not show the scores. Empty = not stated.
    """

    source: str
    dataset: str
    target: str
    utterances: int
    protocol: str
    scores: Mapping[str, Mapping[str, float]]
    streams: Mapping[str, Sequence[str]] = field(default_factory=dict)
    features: Mapping[str, str] = field(default_factory=dict)
    classes: Sequence[str] = ()
