"""Further targets of simulated conversations, drawn from their emotions by made-up rules."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ercfw import Target, UtteranceId
from ercfw_datasets.annotations import TARGET, Annotations, with_labels

SimulatedTarget = Literal["emotion", "sentiment", "affect", "moods", "votes"]
SENTIMENTS = ("negative", "neutral", "positive")
AFFECT = Target(("valence", "activation", "dominance"), "regression", ((1.0, 5.0),) * 3)
"""The numbers of IEMOCAP's evaluations."""
MOODS = Target(("pleasant", "unpleasant", "aroused"), "multilabel")
CENTRES: Mapping[str, tuple[float, float, float]] = {
    "neutral": (3.0, 2.5, 3.0), "surprise": (3.3, 4.0, 2.7), "fear": (1.8, 3.8, 1.8), "sadness": (1.7, 2.0, 2.0),
    "joy": (4.3, 3.7, 3.5), "happiness": (4.2, 3.3, 3.4), "excitement": (4.4, 4.3, 3.6), "disgust": (1.8, 3.2, 3.0),
    "anger": (1.5, 4.2, 4.1), "frustration": (2.0, 3.3, 3.3), "no emotion": (3.0, 2.5, 3.0),
    "happy": (4.2, 3.3, 3.4), "sad": (1.7, 2.0, 2.0),
    "Joyful": (4.3, 3.7, 3.5), "Mad": (1.5, 4.2, 4.1), "Neutral": (3.0, 2.5, 3.0), "Peaceful": (4.0, 2.0, 3.2),
    "Powerful": (3.8, 3.4, 4.2), "Sad": (1.7, 2.0, 2.0), "Scared": (1.8, 3.8, 1.8),
}  # fmt: skip
"""Made-up valence, activation and dominance of each emotion, from 1 to 5."""
SPREAD = 0.5
"""The standard deviation of the numbers around the centre."""
FLIPPED = 0.1
"""The share of labels that say the opposite."""
ANNOTATORS, AGREEING = 5, 0.7
"""How many simulated annotators vote, and the probability that one names the emotion itself."""


def with_simulated_targets(
    annotations: Annotations,
    emotions: Mapping[UtteranceId, str],
    names: Sequence[SimulatedTarget] | None,
    seed: int,
) -> Annotations:
    """Return simulated conversations with these targets, in this order; None = the emotion alone.

    Args:
        annotations: simulated conversations with the emotion.
        emotions: the emotion of each utterance, before classes are renamed.
        names: the targets.
        seed: seed of the labels.
    """
    if names is None:
        return annotations
    targets: dict[str, Target | tuple[str, ...]] = {}
    conversations = tuple(replace(c, labels={}) for c in annotations.conversations)
    for name in dict.fromkeys(names):
        if name == "emotion":
            targets[name] = annotations.targets[TARGET]
            own = {id: int(x) for c in annotations.conversations for id, x in zip(c.ids, c.labels[TARGET], strict=True)}
            conversations = with_labels(conversations, name, own)
            continue
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        targets[name], drawn = _draw(name, list(emotions.values()), rng)
        conversations = with_labels(conversations, name, dict(zip(emotions, drawn, strict=True)))
    return replace(annotations, conversations=conversations, targets=targets)


def _draw(
    name: SimulatedTarget, emotions: Sequence[str], rng: np.random.Generator
) -> tuple[Target | tuple[str, ...], Sequence[int | NDArray[np.float32]]]:
    """Return what a target is, and the label of each utterance."""
    centres = np.array([CENTRES[emotion] for emotion in emotions])  # [R, 3]
    if name == "sentiment":
        return SENTIMENTS, [1 + int(np.sign(valence - 3)) for valence in centres[:, 0]]
    if name == "affect":
        numbers = np.clip(centres + SPREAD * rng.standard_normal(centres.shape), 1, 5)  # [R, 3]
        return AFFECT, list(numbers.astype(np.float32))
    if name == "moods":
        rules = np.stack([centres[:, 0] > 3, centres[:, 0] < 3, centres[:, 1] > 3], 1)  # [R, 3]
        return MOODS, list((rules ^ (rng.random(rules.shape) < FLIPPED)).astype(np.float32))
    kinds = tuple(dict.fromkeys(sorted(set(emotions))))
    numbers_of = {kind: number for number, kind in enumerate(kinds)}
    own = np.array([numbers_of[emotion] for emotion in emotions])[:, None]  # [R, 1]
    agrees = rng.random((len(emotions), ANNOTATORS)) < AGREEING
    votes = np.where(agrees, own, rng.integers(len(kinds), size=agrees.shape))  # [R, annotators]
    shares = (votes[:, :, None] == np.arange(len(kinds))).mean(1)  # [R, C]
    return Target(kinds, soft=True), list(shares.astype(np.float32))
