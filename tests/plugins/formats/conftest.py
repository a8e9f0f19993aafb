"""Files in MMSA's layout, made for the tests: each clip's frames, and the padded arrays that hold them."""

import copy
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

LONGEST = 5
WIDTHS = {"text": 4, "audio": 3, "vision": 2}
PLAN = {
    "train": ["b$_$2", "a$_$10", "b$_$0", "a$_$9", "a$_$3"],
    "valid": ["d$_$1", "d$_$0"],
    "test": ["t$_$0", "u$_$7", "t$_$1"],
}
SCORES = {
    "train": [0.0, -2.4, 3.0, 1 / 3, -3.0],
    "valid": [1.2, -0.6],
    "test": [0.2, 0.0, -1.8],
}
"""From -3 to 3, with a third, which no decimal number of a few digits equals."""
ABSENT = ("vision", "a$_$9")
"""The stream that a clip lacks: all its frames are zero."""


@dataclass
class Made:
    """A made file.

    Attributes:
        content: what the file holds.
        frames: the frames of each clip without padding, by key and id.
    """

    content: dict[str, dict[str, object]]
    frames: dict[str, dict[str, np.ndarray]]

    def write(self, path: Path, protocol: int = 4) -> Path:
        """Write the file as MMSA does, and return its path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(self.content, protocol))
        return path

    def put(self, key: str, place: int = 0) -> None:
        """Place the frames of a modality anew, with padding of zeros, ``place`` frames from the front."""
        for table in self.content.values():
            array = np.zeros_like(table[key])
            for row, id in enumerate(table["id"]):
                frames = self.frames[key][id]
                array[row, place : place + len(frames)] = frames
            table[key] = array


def make() -> Made:
    """Make the file with frames of one to four vectors, padded at the end to five."""
    draw = np.random.default_rng(0)
    frames = {
        key: {id: draw.normal(size=(int(draw.integers(1, LONGEST)), width)).astype("f4")
              for ids in PLAN.values() for id in ids}
        for key, width in WIDTHS.items()
    }  # fmt: skip
    frames[ABSENT[0]][ABSENT[1]] = np.zeros((0, WIDTHS[ABSENT[0]]), "f4")
    content = {}
    for split, ids in PLAN.items():
        scores = np.array(SCORES[split], "f4")
        content[split] = {
            "id": list(ids),
            "raw_text": [f'WORDS OF "{id}", {split}' for id in ids],
            "regression_labels": scores,
            "classification_labels": np.sign(scores) + 1,
            "annotations": [("Negative", "Neutral", "Positive")[int(sign) + 1] for sign in np.sign(scores)],
            **{key: np.zeros((len(ids), LONGEST, width), "f4") for key, width in WIDTHS.items()},
        }
    made = Made(content, frames)
    for key in WIDTHS:
        made.put(key)
    return made


@pytest.fixture
def made() -> Made:
    """A file that a test may change."""
    return copy.deepcopy(make())
