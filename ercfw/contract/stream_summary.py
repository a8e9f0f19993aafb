"""Origin of a modality's values, as reports show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StreamSummary:
    """Origin of the values of one modality.

    Attributes:
        made_by: the file or the extractor with its settings.
        fitted_on: the conversations that the values were fitted on, in words.
        present: by split, the number of utterances that have the modality, as in "980 of 1000".
    """

    made_by: Mapping[str, Any]
    fitted_on: str
    present: Mapping[str, str]
