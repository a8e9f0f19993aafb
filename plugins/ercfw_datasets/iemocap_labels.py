"""What IEMOCAP's annotators said, as classes."""

CODES = {
    "hap": "happiness", "sad": "sadness", "neu": "neutral", "ang": "anger", "exc": "excitement",
    "fru": "frustration",
}  # fmt: skip
"""The corpus' own short names of the six classes."""

OUTSIDE = {"fea", "fear", "sur", "surprise", "dis", "disgust", "oth", "other", "xxx"}
"""What annotators said besides the six; the field leaves these utterances out."""


def class_of(label: str) -> str | None:
    """The class of a label or a code; None = the utterance is left out of its conversation."""
    return None if label in OUTSIDE else CODES.get(label, label)
