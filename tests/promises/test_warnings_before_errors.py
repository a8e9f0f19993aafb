"""Warnings that were given before an error are shown with it: they often say what caused it."""

import json
from pathlib import Path

import pytest

from ercfw.errors import InputError, RunError, in_recipe, warnings_of, with_warnings

LINES = "conversation,utterance,speaker,text,label,split,clip\na,0,A,hi,joy,train,a.wav\nb,0,A,hi,sad,dev,b.wav\n"
TABLE = LINES + "c,0,A,hi,sad,test,c.wav\n"
MISSING = "warning: table t/utterances.csv: clips that are missing: 3 (a 0, b 0, c 0)"
RECIPE = """
schema = 1
title = "t"
[data]
use = "table"
root = "t"
modalities = ["audio"]
[features.audio]
use = "opensmile"
[encoder.default]
use = "linear"
[head.emotion]
use = "linear"
[loss.cross-entropy]
[train]
epochs = 1
"""


PLUGIN = """
from ercfw import ClipExtractor, BrokenClipError, hookimpl

class Picky(ClipExtractor):
    dim, fingerprint = 1, "p" * 64
    def extract_clip(self, clip):
        raise BrokenClipError("is broken")

class First(Picky):
    reads = "audio"

class Second(Picky):
    reads = "visual"
    fingerprint = "q" * 64
    def extract_clip(self, clip):
        raise ValueError("no network")

@hookimpl
def provide_extractors():
    return {"first": First, "second": Second}
"""


@pytest.fixture
def recipe():
    Path("t").mkdir()
    Path("t/utterances.csv").write_text(TABLE)
    Path("r.toml").write_text(RECIPE)
    return "r.toml"


@pytest.mark.parametrize("verb", ["run", "ablate"])
def test_missing_clips_are_named_although_the_run_ends_with_an_error(cli, recipe, verb):
    pytest.importorskip("opensmile", reason="the opensmile extra is not installed")
    ended = cli(verb, recipe)
    assert ended.code == 2
    assert ended.err.count(MISSING) == 1
    assert ended.err.index(MISSING) < ended.err.index("error: r.toml: [data] modalities: 'audio' is absent")


def test_warnings_of_an_annotation_file_that_is_then_refused(cli, recipe):
    Path("t/utterances.csv").write_bytes(TABLE.replace("hi,sad,dev", "“hi”,sad,nowhere").encode("cp1252"))
    for words in (["run", recipe], ["data", "stats", "table", "data.root=t"], ["validate", recipe]):
        ended = cli(*words)
        assert (ended.out + ended.err).count("warning: t/utterances.csv: lines that are not UTF-8 were read as") == 1


def test_a_missing_column_does_not_hide_the_guessed_encoding(cli, recipe):
    Path("t/utterances.csv").write_bytes(TABLE.replace("label", "Gefühl").encode("cp1252"))
    ended = cli("run", recipe)
    assert ended.code == 2
    assert ended.err.count("lines that are not UTF-8") == 1


def test_broken_clips_are_named_although_a_later_stream_fails(cli, recipe, plugin_file):
    for name in "abc":
        Path(f"t/{name}.wav").write_bytes(b"sound")
    path = plugin_file(PLUGIN)
    text = RECIPE.replace('["audio"]', '["audio", "visual"]').replace('"opensmile"', '"first"')
    text = text.replace("[encoder", '[features.visual]\nuse = "second"\n[fusion]\nuse = "concat"\n[encoder', 1)
    Path(recipe).write_text(text.replace("schema = 1", f"schema = 1\nplugins = [{json.dumps(str(path))}]"))
    for verb in ("run", "extract"):
        ended = cli(verb, recipe, "--trust")
        assert ended.code == 1
        assert "is broken" in ended.err
        assert ended.err.index("is broken") < ended.err.index("error: extractor 'second'")


def test_warnings_pass_through_errors_that_are_raised_again():
    given = ["first"]

    def fail():
        with in_recipe("r.toml"), with_warnings(["outer"]), with_warnings(given):
            given.append("second")
            raise InputError.at("[data]", "is wrong")

    with pytest.raises(InputError) as caught:
        fail()
    assert warnings_of(caught.value) == ["outer", "first", "second"]
    assert str(caught.value) == "r.toml: [data]: is wrong"
    with pytest.raises(RunError) as failed, with_warnings(["once"]), with_warnings(["once"]):
        raise RunError("no") from caught.value
    assert warnings_of(failed.value) == ["once", "outer", "first", "second"]
    assert failed.value.__notes__ == ["warning: once", "warning: once"]
