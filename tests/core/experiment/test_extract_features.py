"""``ercfw extract``: a recipe's features are extracted, printed, cached and written; a broken clip fails alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from ercfw.contract.feature_table import FeatureTable

PLUGIN = '''
import numpy as np
from ercfw import BrokenClipError, ClipExtractor, Extractor, hookimpl


class Letters(Extractor):
    """How long a text is."""

    reads = "text"
    dim = 1
    fingerprint = "a" * 64

    def extract(self, conversation):
        return [np.array([len(text)], np.float32) if text else None for text in conversation.texts]


class Bytes(ClipExtractor):
    """How many bytes a clip has."""

    reads = "audio"
    dim = 2
    fingerprint = "b" * 64
    stamps = ("MADE OF BYTES",)

    def extract_clip(self, clip):
        data = clip.path.read_bytes()
        if data == b"bad":
            raise BrokenClipError("is cut off")
        with open("asked.txt", "a") as file:
            file.write(clip.path.name + " ")
        return np.array([len(data), 1], np.float32)


@hookimpl
def provide_extractors():
    return {"letters": Letters, "bytes": Bytes}
'''
RECIPE = """
schema = 1
title = "Clips"
plugins = ["./mine.py"]
[data]
use = "table"
root = "corpus"
modalities = ["text", "audio"]
[features.text]
use = "letters"
[features.audio]
use = "bytes"
[encoder.default]
use = "linear"
[fusion]
use = "concat"
[head.emotion]
use = "linear"
[loss.cross-entropy]
[train]
epochs = 1
device = "cpu"
"""


@pytest.fixture
def recipe(tmp_path, plugin_file):
    plugin_file(PLUGIN)
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    lines = ["conversation,utterance,text,label,split,clip"]
    for number, split in enumerate(("train", "train", "dev", "test")):
        for utterance in range(3):
            clip = f"{number}_{utterance}.wav"
            (corpus / clip).write_bytes(b"bad" if clip == "1_1.wav" else b"x" * (1 + number * 3 + utterance))
            lines.append(f"c{number},{utterance},{'word ' * utterance},{'ab'[utterance % 2]},{split},{clip}")
    (corpus / "utterances.csv").write_text("\n".join(lines) + "\n")
    path = tmp_path / "clips.toml"
    path.write_text(RECIPE)
    return path


@pytest.mark.slow
def test_extracted_features_are_printed_and_written(recipe, cli):
    result = cli("extract", recipe, "--to", "features", "--json")
    assert result.code == 0
    text, audio = json.loads(result.out)
    assert (text["extractor"], text["present"], text["broken"]) == ("letters", 8, {})
    assert (audio["utterances"], audio["present"], audio["stamps"]) == (12, 11, ["MADE OF BYTES"])
    assert audio["broken"] == {"c1 1": "is cut off"}
    table = FeatureTable.load(Path(audio["file"]))
    assert table.values[:, 0].tolist() == [1, 2, 3, 4, 0, 6, 7, 8, 9, 10, 11, 12]
    assert table.present.tolist() == [number != 4 for number in range(12)]
    assert table.fitted_on == "nothing"


@pytest.mark.slow
def test_the_table_and_each_broken_clip_on_the_screen(recipe, cli):
    result = cli("extract", recipe)
    assert "warning: audio: c1 1: is cut off" in result.err
    rows = [line.split() for line in result.out.splitlines()]
    assert ["text", "letters", "1", "12", "8", "0"] in [row[:6] for row in rows]
    assert ["audio", "bytes", "2", "12", "11", "1"] in [row[:6] for row in rows]


@pytest.mark.slow
def test_a_second_call_asks_nobody_and_run_takes_what_is_there(recipe, cli):
    assert cli("extract", recipe, "--to", "one").code == 0
    asked = Path("asked.txt").read_text()
    assert len(asked.split()) == 11
    assert cli("extract", recipe, "--to", "two").code == 0
    ran = cli("run", recipe, "--json")
    assert ran.code == 0
    assert Path("asked.txt").read_text() == asked
    for name in ("text", "audio"):
        assert Path(f"one/{name}.safetensors").read_bytes() == Path(f"two/{name}.safetensors").read_bytes()
    (metrics,) = json.loads(ran.out)
    assert metrics["stamps"] == ["MADE OF BYTES"]
    assert any("clips that could not be read: 1 (c1 1: is cut off)" in warning for warning in metrics["warnings"])
    assert metrics["streams"]["audio"]["present"] == {"train": "5 of 6", "dev": "3 of 3", "test": "3 of 3"}


@pytest.mark.slow
def test_several_processes_run_the_recipe_s_own_plugin_file(recipe, cli):
    assert cli("extract", recipe, "--to", "several", "--processes", "2").code == 0
    values = FeatureTable.load(Path("several/audio.safetensors")).values
    assert np.count_nonzero(values[:, 0]) == 11


@pytest.mark.slow
def test_the_files_it_leaves_serve_as_a_recipe_s_files(recipe, cli):
    assert cli("extract", recipe, "--to", "features").code == 0
    taken = cli("run", recipe, "features.audio.file=features/audio.safetensors", "--json", "--quiet", "--out", "taken")
    made = cli("run", recipe, "--json", "--quiet", "--out", "made")
    assert taken.code == made.code == 0, taken.err
    assert json.loads(taken.out)[0]["scores"] == json.loads(made.out)[0]["scores"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--drop", "features"], "[features]: names no extractor"),
        (["data.root=nowhere"], "nowhere"),
        (["data.use=simulated"], "[data]: is ..nothing to extract from (set data.root to a real corpus)"),
        (["--to", "clips.toml"], "--to clips.toml: ..is not a folder that can be written to"),
        (["features.audio.use=nobody"], "there is no extractor named 'nobody'"),
    ],
)
def test_what_cannot_be_extracted_is_one_message(recipe, cli, words, expected):
    cli("extract", recipe, *words).check(2, expected)


def test_a_user_without_a_home_folder_is_told_how_to_name_the_cache(recipe, cli, monkeypatch, tmp_path):
    monkeypatch.delenv("ERCFW_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "absent"))
    said = "ERCFW_CACHE: is needed, because this user has no home folder (set it to a folder"
    cli("extract", recipe).check(2, said)
    cli("run", recipe).check(2, said)


def test_a_full_disk_loses_nothing_that_was_made(recipe, cli, monkeypatch):
    from ercfw.data.extraction import cache as feature_cache

    real, calls = feature_cache.save_file, []

    def fills_up(*args):
        calls.append(args)
        if len(calls) > 6:
            raise OSError(28, "No space left on device")
        real(*args)

    monkeypatch.setattr(feature_cache, "save_file", fills_up)
    cli("extract", recipe, "--processes", "1").check(
        1, "cannot be written: No space left on device (ERCFW_CACHE can name another folder"
    )
    asked = Path("asked.txt").read_text().split()
    monkeypatch.setattr(feature_cache, "save_file", real)
    assert cli("extract", recipe, "--processes", "1").code == 0
    again = Path("asked.txt").read_text().split()[len(asked) :]
    assert len(asked) > 2
    assert set(asked[:-1]).isdisjoint(again)
    assert asked[-1] in again  # it could not be kept


@pytest.mark.slow
def test_warnings_about_clips_are_shown_on_request(recipe, cli, monkeypatch):
    from ercfw_datasets.table import Table

    monkeypatch.setattr(Table, "check_clips", lambda self: ["c0 1: lasts 9 s, not 3 s"])
    assert "lasts 9 s" not in cli("extract", recipe).err
    assert "warning: c0 1: lasts 9 s, not 3 s" in cli("extract", recipe, "--check-clips").err
