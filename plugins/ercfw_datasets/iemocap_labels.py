"""The classes of the labels that IEMOCAP's annotators gave."""

CODES = {
    "hap": "happiness", "sad": "sadness", "neu": "neutral", "ang": "anger", "exc": "excitement",
    "fru": "frustration",
}  # fmt: skip
"""The corpus' own short names of the six classes."""

OUTSIDE = {"fea", "fear", "sur", "surprise", "dis", "disgust", "oth", "other", "xxx"}
"""Labels other than the six classes; the field leaves these utterances out."""


def class_of(label: str) -> str | None:
    """Return the class of a label or code; None = the utterance is left out of its conversation."""
    return None if label in OUTSIDE else CODES.get(label, label)
