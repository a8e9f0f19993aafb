"""Texts of public files: what a program damaged is repaired and told, and reaches the table that is written."""

import csv

import pytest


@pytest.fixture
def offered(iemocap, dump, cli, tmp_path):
    """``offered(sentence)``: import MMGCN's file of the small IEMOCAP, with this first text, into an empty folder."""

    def import_(sentence):
        streams = [iemocap.rows(iemocap.vectors(width, width)) for width in (6, 5, 4)]
        key = next(iter(iemocap.sentences))
        iemocap.sentences[key] = [sentence, *iemocap.sentences[key][1:]]
        path = dump(tmp_path / "IEMOCAP_features.pkl", iemocap.tuple(*streams, meld=False))
        root = tmp_path / "iemocap"
        root.mkdir()
        return cli("data", "import", "mmgcn", path, "--to", root), root / "utterances.csv"

    return import_


@pytest.mark.parametrize("sentence", ["It\x92s me\x85", "It\xe2\x80\x99s me\xe2\x80\xa6"])
def test_control_characters(offered, sentence):
    result, table = offered(sentence)
    assert result.code == 0, result
    with table.open(encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["text"] == "It\u2019s me\u2026"
    if "\x92" in sentence:
        assert result.err.count("control characters replaced") == 1
        assert "IEMOCAP_features.pkl: control characters replaced by the letters" in result.err


def test_a_zero_byte_is_removed(offered):
    result, table = offered("It is\x00 me")
    assert "control characters without a meaning, removed: 1" in result.err
    assert "It is me" in table.read_text(encoding="utf-8")
