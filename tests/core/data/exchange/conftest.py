"""Small corpora, and what their public files hold."""

import csv
import pickle
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

MELD_CLASSES = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
IEMOCAP_CLASSES = ("happiness", "sadness", "neutral", "anger", "excitement", "frustration")
COLUMNS = ["Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season", "Episode",
           "StartTime", "EndTime"]  # fmt: skip


@dataclass
class Content:
    """What a corpus' public files hold, by the files' names of conversations."""

    keys: dict[str, list]
    ids: dict
    speakers: dict
    labels: dict
    sentences: dict
    names: dict = field(default_factory=dict)
    """The dataset's name of each conversation."""

    def vectors(self, width, seed, dtype="f4"):
        """Random values, with one absent row in the second conversation."""
        draw = np.random.default_rng(seed)
        values = {key: draw.normal(size=(len(ids), width)).astype(dtype) for key, ids in self.ids.items()}
        values[list(values)[1]][0] = 0
        return values

    def rows(self, values):
        """Lists of one vector an utterance, as most files have them."""
        return {key: list(array) for key, array in values.items()}

    @property
    def train_and_dev(self):
        return [*self.keys["train"], *self.keys.get("dev", [])]

    def tuple(self, *streams, meld):
        """MMGCN's tuple with these streams."""
        ten = (self.ids, self.speakers, self.labels, *streams, self.sentences, self.train_and_dev, self.keys["test"])
        return (*ten, []) if meld else ten


def one_hot(place):
    return [int(place == column) for column in range(9)]


@pytest.fixture
def meld(tmp_path) -> tuple[Path, Content]:
    """MELD's annotations of eight conversations with gaps, and what its public files would hold."""
    plan = {
        "train": {0: "0 1 2", 1: "0 1 4", 3: "0 2"},
        "dev": {0: "0", 1: "1 2"},
        "test": {0: "0 1 2 3", 1: "5", 2: "0 1"},
    }
    offsets = {"train": 0, "dev": 4, "test": 6}
    root = tmp_path / "meld"
    root.mkdir()
    content = Content({}, {}, {}, {}, {})
    number = 0
    for split, dialogues in plan.items():
        with (root / f"{split}_sent_emo.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for dialogue, utterances in dialogues.items():
                key = offsets[split] + dialogue
                content.keys.setdefault(split, []).append(key)
                content.names[key] = f"{split}/{dialogue}"
                content.ids[key] = utterances.split()
                content.speakers[key], content.labels[key], content.sentences[key] = [], [], []
                for place, utterance in enumerate(content.ids[key]):
                    label, text = number % 7, f"It\u2019s line {number}, \u201cwell\u201d"
                    writer.writerow([number, text, "Ann" if place % 2 else "Bob", MELD_CLASSES[label], "neutral",
                                     dialogue, utterance, 1, 1, "00:00:01,000", "00:00:02,500"])  # fmt: skip
                    content.speakers[key].append(one_hot(place % 2))
                    content.labels[key].append(label)
                    content.sentences[key].append(text)
                    number += 1
    return root, content


@pytest.fixture
def iemocap() -> Content:
    """What public files of IEMOCAP would hold: four conversations of train, one of them in TelME's dev, one of test."""
    genders = {"Ses01F_impro01": "MF", "Ses02F_impro02": "F", "Ses02M_impro01": "MFM", "Ses04F_script01_1": "FM",
               "Ses05M_impro03": "MMF"}  # fmt: skip
    train, test = list(genders)[:4], list(genders)[4:]
    return Content(
        keys={"train": train, "test": test},
        ids={key: [f"{key}_{who}{place:03d}" for place, who in enumerate(cast)] for key, cast in genders.items()},
        speakers={key: list(cast) for key, cast in genders.items()},
        labels={key: [(len(key) + place) % 6 for place in range(len(cast))] for key, cast in genders.items()},
        sentences={
            key: [f"Caf\u00e9, \u201cline\u201d {place}" for place in range(len(cast))] for key, cast in genders.items()
        },
        names={key: key for key in genders},
    )


@pytest.fixture
def dump():
    """``dump(path, content)``: write a pickle as others do."""

    def write(path, content, protocol=2):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(content, protocol))
        return path

    return write
