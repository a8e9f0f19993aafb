"""A made-up corpus of three numbers per utterance, and a part that reads cues."""

from pathlib import Path

import numpy as np
import pytest

PLUGIN = '''
import numpy as np
from ercfw import Broken, ClipExtractor, Extractor, hookimpl


class Ears(Extractor):
    """How long texts and cues are; with ``hear`` false, texts alone."""

    reads, dim, fingerprint = "text", 2, ""
    longest_text = "nine characters are read"

    def __init__(self, *, hear: bool = True) -> None:
        self.cues_option = "hear" if hear else ""
        self.fingerprint = f"ears {hear}"

    def extract(self, conversation):
        cues = conversation.cues if self.cues_option and conversation.cues else [""] * len(conversation)
        return [np.array([len(t), len(c)], np.float32) for t, c in zip(conversation.texts, cues, strict=True)]

    def cut_texts(self, conversation):
        cues = conversation.cues or [""] * len(conversation)
        return [n for n, (t, c) in enumerate(zip(conversation.texts, cues, strict=True)) if len(t) + len(c) > 9]


class Sizes(ClipExtractor):
    """The size of a clip."""

    reads, dim, fingerprint = "audio", 3, "sizes"

    def __init__(self, *, stamp: str = "") -> None:
        self.stamps = (stamp,) if stamp else ()

    def extract_clip(self, clip):
        return np.full(3, len(clip.path.read_bytes()), np.float32)


class Frames(Sizes):
    """The size of a clip, several times."""

    kind = "frames"

    def extract_clip(self, clip):
        return np.zeros((2, 3), np.float32)


@hookimpl
def provide_extractors():
    return {"ears": Ears, "sizes": Sizes, "frames": Frames}
'''
RECIPE = """
schema = 1
title = "Heard"
plugins = ["./mine.py"]
[data]
use = "table"
root = "corpus"
modalities = ["text"]
[features.text]
use = "ears"
[encoder.default]
use = "linear"
[head.emotion]
use = "linear"
[loss.cross-entropy]
[train]
epochs = 1
device = "cpu"
"""
SPLITS = {"a": "train", "b": "train", "c": "dev", "d": "test"}
UTTERANCES = 12


def numbers_of(conversation, utterance):
    """Ann is in a and c, Bob in b and d; both speak of everything in between."""
    place = "abcd".index(conversation)
    return [100 * place + utterance, -utterance, 7]


@pytest.fixture
def recipe(plugin_file) -> Path:
    plugin_file(PLUGIN)
    corpus = Path("corpus")
    corpus.mkdir()
    lines, values = ["conversation,utterance,speaker,text,label,split"], []
    for name, split in SPLITS.items():
        for utterance in range(UTTERANCES):
            speaker = "Ann" if utterance % 2 else "Bob"
            lines.append(f"{name},{utterance},{speaker},words,{'xy'[utterance % 2]},{split}")
            values.append(numbers_of(name, utterance))
    (corpus / "utterances.csv").write_text("\n".join(lines) + "\n")
    np.save(corpus / "audio.npy", np.array(values, np.float32))
    path = Path("heard.toml")
    path.write_text(RECIPE)
    return path
