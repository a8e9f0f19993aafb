"""Texts of which an extractor reads only the beginning: counted wherever features come from, the cache included."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from ercfw.contract.interfaces import Extractor
from ercfw.data.extraction.cache import read_cut
from ercfw.data.extraction.extract import extract
from ercfw.data.modality_sources import cut_warning
from ercfw.errors import RunError
from ercfw.system.user_folders import cache_folder

from .made_extractors import conversation, quiet


class Cutting(Extractor):
    """Reads eight letters of each text; remembers what it was asked for."""

    reads, dim, fingerprint = "text", 1, "c" * 64
    longest_text = "8 letters are read"

    def __init__(self):
        self.asked, self.extracted = [], []

    def extract(self, conversation):
        self.extracted.append(conversation.id)
        return [np.array([len(text[:8])], np.float32) if text else None for text in conversation.texts]

    def cut_texts(self, conversation):
        self.asked.append(conversation.id)
        return [place for place, text in enumerate(conversation.texts) if len(text) > 8]


class Choosing(Cutting):
    """Selects from the features of another one."""

    def source(self):
        return Cutting()

    def select(self, features):
        return features


TALKS = [conversation("a", "Hi!", "How are you today?", ""), conversation("b", "Fine, thank you.", "Bye")]
WANTED = (("a", "1"), ("b", "0"))
WARNING = "stream 'text': texts of which only the beginning is read: 2 of 5 (a 1, b 0); 8 letters are read"


@pytest.mark.parametrize("make", [Cutting, Choosing])
def test_they_are_counted(make):
    extractor = make()
    made = extract(extractor, "cutting", TALKS, quiet)
    assert made.cut == WANTED
    assert cut_warning("text", extractor, made) == WARNING
    short = extract(extractor, "cutting", [conversation("c", "Oh")], quiet)
    assert (short.cut, cut_warning("text", extractor, short)) == ((), "")


def test_from_the_cache_too():
    extract(Cutting(), "cutting", TALKS, quiet)
    again = Cutting()
    assert extract(again, "cutting", TALKS, quiet).cut == WANTED
    assert (again.extracted, again.asked) == ([], [])


@pytest.mark.parametrize("about", [{}, {"cut": [7]}, {"cut": "x"}, {"cut": [True]}, {"cut": None}])
def test_features_that_an_older_version_extracted(about):
    """They stay valid, and are not extracted again."""
    extract(Cutting(), "cutting", TALKS, quiet)
    files = sorted(Path(cache_folder()).rglob("*.safetensors"))
    for path in files:
        with safe_open(path, framework="numpy") as file:
            held = json.loads(file.metadata()["about"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        del held["cut"]
        save_file(arrays, path, {"about": json.dumps({**held, **about})})
        assert read_cut(path, 3) is None
    again = Cutting()
    assert extract(again, "cutting", TALKS, quiet).cut == WANTED
    assert (again.extracted, again.asked) == ([], ["a", "b"])


def test_an_extractor_that_fails_to_tell():
    class Failing(Cutting):
        def cut_texts(self, conversation):
            raise KeyError("x")

    with pytest.raises(RunError, match=r"'cutting', conversation a: failed to find texts that it cuts: KeyError"):
        extract(Failing(), "cutting", TALKS, quiet)


TABLE = "conversation,utterance,speaker,text,label,split\n" + "".join(
    f"{split},{n},A,{text},{label},{split}\n"
    for split in ("train", "dev", "test")
    for n, (text, label) in enumerate([("Hi", "joy"), ("one two three four five six", "sad")])
)
RECIPE = """\
schema = 1
title = "Words"
[data]
use = "table"
root = "corpus"
modalities = ["text"]
[features.text]
use = "words"
most_words = 4
[model]
use = "mvn"
width = 8
memory = 2
[loss.auxiliary-cross-entropy]
[train]
epochs = 1
device = "cpu"
"""


def test_every_command_tells(cli, tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "utterances.csv").write_text(TABLE)
    (tmp_path / "r.toml").write_text(RECIPE)
    told = "texts of which only the beginning is read: {} (train 1, dev 1, test 1); 4 words are read (most_words in "
    found = json.loads(cli("data", "check", "r.toml", "--json").out)["findings"]
    assert any(told.format("3 of 6").split(" (train")[0] in f["what"] and f["level"] == "doubtful" for f in found)
    for words in (("extract", "r.toml"), ("run", "r.toml", "--out", "o")):
        result = cli(*words)
        assert result.code == 0, result
        assert " ".join(result.err.split()).count("stream 'text': " + told.format("3 of 6")) == 1
    (tmp_path / "new.csv").write_text("text\nHi\none two three four five six seven\n")
    result = cli("predict", "o/r/base/seed-0", "new.csv")
    assert "texts of which only the beginning is read: 1 of 2 (new 2); 4 words" in " ".join(result.err.split())
    found = json.loads(cli("data", "check", "r.toml", "features.text.most_words=6", "--json").out)["findings"]
    assert ("fine", "every text is read to its end") in [(f["level"], f["what"]) for f in found]


def test_very_long_texts_without_a_recipe(cli, tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "utterances.csv").write_text(TABLE.replace("six", "six " * 300))
    found = json.loads(cli("data", "check", "table", "data.root=corpus", "--json").out)["findings"]
    said = "texts of more than 200 words, whose ends many text encoders do not read: 3 (train/1, dev/1, test/1)"
    assert ("note", said) in [(f["level"], f["what"]) for f in found]
