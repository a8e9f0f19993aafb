"""Origin of conversations and of the values of a modality."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Provenance:
    """Where data came from.

    Attributes:
        source: a description, such as ``MELD, three annotation files``.
        simulated: True if the data is made up; everything that a run writes is then stamped.
        files: the sha256 of each file that was read.
    """

    source: str
    simulated: bool = False
    files: Mapping[str, str] = field(default_factory=dict)


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
