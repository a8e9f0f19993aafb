"""Control characters: letters and punctuation that were decoded wrongly are restored, others removed; both counted."""

import pytest

import ercfw
from ercfw.data.tables.control_characters import Repair
from ercfw.data.tables.text import read_text
from tests.core.predict.given_files import read, write


@pytest.mark.parametrize(
    ("text", "repaired", "replaced", "removed"),
    [
        ("You\x92re a \x93genius\x94\x85", "You\u2019re a \u201cgenius\u201d\u2026", 4, 0),
        ("late \x96 \x8cuvre \x80 5", "late \u2013 \u0152uvre \u20ac 5", 3, 0),
        ("You\xe2\x80\x99re at the caf\xc3\xa9", "You\u2019re at the caf\xe9", 2, 0),
        ("\xf0\x9f\x98\x80!", "\U0001f600!", 1, 0),
        ("fatigu\xe9\x85\x94 MANH\xc3\x85", "fatigu\xe9\u2026\u201d MANH\xc3\u2026", 3, 0),
        ("a\x0bb\x1ec\x07d\x1b[1m\x7f\x81\x9d", "a b cd[1m", 0, 7),
        ("tab\there\r\nnext\nCaf\xe9 \u2019 \u200d", "tab\there\r\nnext\nCaf\xe9 \u2019 \u200d", 0, 0),
    ],
)
def test_every_control_character(text, repaired, replaced, removed):
    repair = Repair()
    assert repair(text) == repaired
    assert (repair.replaced, repair.removed) == (replaced, removed)
    assert repair(repaired) == repaired


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_tells_once_how_many(tmp_path, encoding):
    path = tmp_path / "t.txt"
    path.write_bytes("I\x92m\nyou\x92re\x05\n".encode(encoding))
    found = read_text(path)
    assert found.value == "I\u2019m\nyou\u2019re\n"
    assert found.warnings == (
        f"{path}: control characters replaced by the letters or punctuation that they stand for in cp1252 or UTF-8: 2",
        f"{path}: control characters without a meaning, removed: 1",
    )


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("t.csv", ["speaker,text", "Ann,It\x92s me"]),
        ("s.srt", ["1", "00:00:01,000 --> 00:00:02,000", "It\x92s me"]),
        ("s.vtt", ["WEBVTT", "", "00:01.000 --> 00:02.000", "It\x92s me"]),
        ("entity.srt", ["1", "00:00:01,000 --> 00:00:02,000", "It&#146;s me"]),
    ],
)
def test_every_file_that_predict_reads(name, lines):
    given = read(write(name, *lines))
    assert given.conversations[0].texts == ("It\u2019s me",)
    assert any("control characters replaced" in warning for warning in given.warnings) == ("\x92" in "".join(lines))


def test_the_tokenizer_sees_punctuation():
    from ercfw_media.minilm_package import minilm_folder
    from ercfw_media.pretrained import load_tokenizer

    tokenize = load_tokenizer(minilm_folder())
    assert tokenize(Repair()("You\x92re"))["input_ids"] == tokenize("You\u2019re")["input_ids"]
    assert tokenize("You\x92re")["input_ids"] != tokenize("You\u2019re")["input_ids"]


def test_the_reader_is_public(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("\x93", encoding="utf-8")
    assert ercfw.read_text(path).value == "\u201c"
