"""``ercfw predict``: its forms of output, and how it ends."""

import csv
import io
import json
from pathlib import Path

import pytest

from .conftest import write_csv

TEXTS = ["=SUM(A1)", 'say "no", then\ngo', "oh " * 50, "[bold]eel"]


@pytest.fixture
def talk(tmp_path):
    return write_csv(tmp_path / "talk.csv", [{"speaker": f"S{n % 2}", "text": text} for n, text in enumerate(TEXTS)])


def test_a_table_csv_and_json_say_the_same(shelf, cli, talk):
    shown = cli("predict", shelf.causal, talk)
    shown.check(0)
    assert "Shelf" in shown.out
    assert "[bold]eel" in shown.out
    rows = list(csv.DictReader(cli("predict", shelf.causal, talk, "--format", "csv").out.splitlines(keepends=True)))
    said = json.loads(cli("predict", shelf.causal, talk, "--format", "json").out)
    assert list(rows[0]) == [
        "conversation", "utterance", "speaker", "text", "start", "end", "emotion.predicted",
        "emotion.p.calm", "emotion.p.joy", "emotion.p.rage",
    ]  # fmt: skip
    assert [row["text"] for row in rows] == TEXTS == [answer["text"] for answer in said["answers"]]
    for row, answer in zip(rows, said["answers"], strict=True):
        assert row["emotion.predicted"] == answer["predicted"]["emotion"]
        assert float(row["emotion.p.joy"]) == answer["probabilities"]["emotion"]["joy"]
        assert row["emotion.predicted"] == max(answer["probabilities"]["emotion"].items(), key=lambda item: item[1])[0]
    assert any("'audio' is absent" in warning for warning in said["warnings"])
    assert "warning: 'audio' is absent: the input has no sound" in shown.err
    assert "ran plugin file" in shown.err


def test_a_csv_that_standard_output_cannot_encode_is_escaped_and_that_is_reported(shelf, cli, tmp_path, monkeypatch):
    talk = write_csv(tmp_path / "talk.csv", [{"speaker": "Zoé", "text": "你好"}])
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="latin-1"))
    ended = cli("predict", shelf.causal, talk, "--format", "csv")
    ended.check(0)
    (row,) = csv.DictReader(written.getvalue().decode("latin-1").splitlines())
    assert (row["speaker"], row["text"]) == ("Zoé", r"\u4f60\u597d")
    assert ended.err.count("other characters are written as \\uXXXX (--out FILE writes UTF-8)") == 1
    cli("predict", shelf.causal, talk, "--out", "out.csv").check(0)
    assert "Zoé,你好" in Path("out.csv").read_text(encoding="utf-8")


def test_warnings_are_said_though_quiet(shelf, cli, talk):
    quiet = cli("predict", shelf.causal, talk, "--quiet")
    assert all(line.startswith("warning: ") for line in quiet.err.splitlines())
    assert "'visual' is absent" in quiet.err


def test_broken_clips_are_reported_one_by_one_and_the_rest_goes_on(shelf, cli, tmp_path):
    (tmp_path / "zero.wav").touch()
    (tmp_path / "whole.wav").write_bytes(b"abc")
    rows = [{"speaker": "a", "text": "oh", "clip": f"{name}.wav"} for name in ("zero", "gone", "whole")]
    result = cli("predict", shelf.causal, write_csv(tmp_path / "t.csv", rows), "--processes", "1", "--format", "json")
    result.check(0)
    said = json.loads(result.out)
    assert "audio: t 1: is empty" in said["warnings"]
    assert "audio: t 2: cannot be opened: No such file or directory" in said["warnings"]
    assert "'audio' is absent in 2 of 3 utterances" in said["warnings"]
    assert len(said["answers"]) == 3


def test_nothing_but_broken_clips_is_reported_with_the_reasons(shelf, cli, tmp_path):
    (tmp_path / "zero.wav").touch()
    table = write_csv(tmp_path / "t.csv", [{"speaker": "a", "clip": "zero.wav"}])
    result = cli("predict", shelf.causal, table, "--processes", "1")
    assert result.code == 2
    assert result.errors[0] == "the input: has none of the modalities that the model reads (text, audio, visual)"
    assert "the input: audio: t 1: is empty" in result.errors


def test_a_file_is_written_and_never_over_another_unasked(shelf, cli, talk, tmp_path):
    out = tmp_path / "new" / "said.csv"
    cli("predict", shelf.causal, talk, "--out", out).check(0)
    first = out.read_text()
    assert len(list(csv.DictReader(first.splitlines(keepends=True)))) == len(TEXTS)
    out.write_text("mine")
    cli("predict", shelf.causal, talk, "--out", out).check(2, "exists..--force")
    assert out.read_text() == "mine"
    cli("predict", shelf.causal, talk, "--out", out, "--force").check(0)
    assert out.read_text() == first
    cli("predict", shelf.causal, talk, "--out", tmp_path / "said.json").check(0)
    assert len(json.loads((tmp_path / "said.json").read_text())["answers"]) == len(TEXTS)
    cli("predict", shelf.causal, talk, "--out", tmp_path / "said.txt", "--format", "csv").check(0)
    assert (tmp_path / "said.txt").read_text() == first
    assert not list(tmp_path.glob(".*.tmp"))


def predicted_texts(result):
    assert result.code == 0, result
    return [row["text"] for row in csv.DictReader(io.StringIO(result.out))]


@pytest.mark.parametrize("text", ["I love it", "Great!", "Really? (Yes.)", "I work 24/7", "ends in a word.doc of ours"])
def test_a_sentence_is_predicted_as_it_is(shelf, cli, text):
    assert predicted_texts(cli("predict", shelf.causal, text, "--format", "csv")) == [text]


def test_a_sentence_is_predicted_as_a_table_of_one_line(shelf, cli):
    table = write_csv(Path("one.csv"), [{"conversation": "c", "utterance": "1", "speaker": "s", "text": "I love it"}])
    answers = [json.loads(cli("predict", shelf.causal, what, "--format", "json").out) for what in ("I love it", table)]
    first, second = (said["answers"][0]["probabilities"] for said in answers)
    assert first == second


def test_standard_input_has_one_utterance_per_line(shelf, cli, monkeypatch):
    lines = "I love it\r\n\n  Really?  \nna\u00efve\u2028one".encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines)))
    result = cli("predict", shelf.causal, "-", "--format", "csv")
    assert predicted_texts(result) == ["I love it", "Really?", "na\u00efve\u2028one"]
    assert "the texts name no speakers, so the conversation has one speaker" in result.err


def test_damaged_letters_of_standard_input_are_reported(shelf, cli, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("It\u2019s caf\u00e9".encode("cp1252"))))
    said = json.loads(cli("predict", shelf.causal, "-", "--format", "json").out)
    assert "standard input: lines that are not UTF-8 were read as cp1252: 1" in said["warnings"]


@pytest.mark.parametrize(
    ("text", "words", "says"),
    [
        (" \n\n", ["-"], "the input: contains no text..one utterance per line"),
        ("a\0b", ["-"], "standard input: is not a text file"),
        ("", ["my talk.csv"], "my talk.csv: there is no such file or folder"),
        ("", ["shelves/my clips!"], "shelves/my clips!: there is no such file or folder"),
        (
            "",
            ["hello"],
            "hello: there is no such file or folder (to predict this word: echo hello | ercfw predict RUN -)",
        ),
        ("hi", ["-", "--transcript", "t.csv"], "cannot be combined with texts"),
        ("", ["I love it", "--subtitles", "t.srt"], "cannot be combined with texts"),
    ],
)
def test_what_is_no_text_is_one_message(shelf, cli, monkeypatch, text, words, says):
    Path("shelves").mkdir()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    cli("predict", shelf.causal, *words).check(2, says)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--out", "said.txt"], "said.txt: is neither CSV nor JSON"),
        (["--out", "said.csv", "--format", "table"], "is neither CSV nor JSON"),
        (["--out", "talk.csv/said.csv"], "is not a folder that can be written to"),
        (["--features", "visual"], "--features visual: is not one file of one modality"),
        (["--features", "visual=a", "--features", "visual=b"], "--features visual=b: is not one"),
        (["--features", "visual=gone.safetensors"], "gone.safetensors: there is no such feature file"),
        (["--no-plugin-files"], "needs plugin file..but plugin files may not run..--no-plugin-files forbids them"),
        (["--transcript", "t.csv"], "cannot have a transcript"),
    ],
)
def test_what_is_wrong_is_one_message(shelf, cli, talk, words, says):
    cli("predict", shelf.causal, talk, *words).check(2, says)


def test_a_run_that_is_none_is_one_message(cli, talk):
    cli("predict", "nowhere", talk).check(2, "nowhere: holds no trained model")
    Path("model.safetensors").write_bytes(b"")
    cli("predict", "model.safetensors", talk).check(2, "model.safetensors: cannot be read")


def test_a_recipe_is_no_run(shelf, cli, talk):
    cli("predict", shelf.root / "shelf.toml", talk).check(2, "shelf.toml: cannot be read")
