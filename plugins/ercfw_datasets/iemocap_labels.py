"""The labels that IEMOCAP's annotators gave, and the classes that they mean."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ercfw_datasets.class_choice import ClassChoice, choose_classes
from ercfw_datasets.shapes import IEMOCAP

CODES = {
    "hap": "happiness", "sad": "sadness", "neu": "neutral", "ang": "anger", "exc": "excitement", "fru": "frustration",
    "fea": "fear", "sur": "surprise", "dis": "disgust", "oth": "other",
}  # fmt: skip
"""The corpus' own short names."""

OUTSIDE = ("fear", "surprise", "disgust", "other", "xxx")
"""Labels other than the six classes; the field leaves these utterances out."""


def iemocap_classes(labels: Mapping[str, str] | None, classes: Sequence[str] | None) -> ClassChoice:
    """Return the six classes as a recipe changes them; ``choose_classes`` documents the arguments and errors."""
    return choose_classes(IEMOCAP.classes, labels, classes, CODES, OUTSIDE)


def iemocap_classes_in_context(labels: Mapping[str, str] | None, classes: Sequence[str] | None) -> ClassChoice:
    """Return the same classes, but the utterances of all other labels are unlabelled instead of left out."""
    choice = choose_classes(IEMOCAP.classes, labels, classes, CODES, OUTSIDE, "unlabelled")
    return replace(choice, by_label={label: name or "" for label, name in choice.by_label.items()})
