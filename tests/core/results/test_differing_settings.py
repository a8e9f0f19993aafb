"""Runs of one variant are named by the settings that differ between them, not by the hash in their folders."""

import json

import pytest

from ercfw.results.differing_settings import differing_settings

BASE = {
    "title": "T",
    "seeds": [0],
    "fusion": {"use": "gated-sum", "width": 8},
    "train": {"lr": 0.001, "clip": 1.0},
    "loss": {"swfc": {"use": "swfc", "weight": 0.5}},
}


def changed(**tables):
    return {**BASE, **tables}


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([changed(title="U", seeds=[1])], ["", ""]),
        ([changed(train={"lr": 0.01, "clip": 1.0})], ["train.lr=0.001", "train.lr=0.01"]),
        ([changed(train={"lr": 0.001})], ["train.clip=1.0", ""]),
        ([changed(fusion={"use": "concat"})], ["fusion=gated-sum", "fusion=concat"]),
        (
            [changed(fusion={"use": "concat"}), changed(fusion={"use": "gated-sum", "width": 16})],
            ["fusion=gated-sum, fusion.width=8", "fusion=concat", "fusion=gated-sum, fusion.width=16"],
        ),
        ([changed(loss={"ce": {"use": "ce", "weight": 1.0}})], ["loss.swfc=swfc", "loss.ce=ce"]),
        ([changed(data={"modalities": ["text", "音"]})], ["", 'data.modalities=["text", "音"]']),
        ([{**BASE, **dict.fromkeys("abcdef", 1)}], ["", "a=1, b=1, c=1, d=1, 2 more"]),
    ],
)
def test_names_are_what_differs(others, expected):
    assert differing_settings([BASE, *others]) == expected


def test_compare_names_lines_by_their_settings(cli, tiny_recipe, tmp_path):
    for words in ([], ["fusion.use=gated-sum", "fusion.width=8"], ["fusion.use=gated-sum", "fusion.width=4"]):
        assert cli("run", tiny_recipe(), *words).code == 0
    (tmp_path / "again").mkdir()
    (tmp_path / "runs/tiny/base").rename(tmp_path / "again/base")
    ended = cli("compare", "again/base", "runs/tiny", "--name", "fusion=concat=Concatenated", "--json")
    assert ended.code == 0, ended.err
    (table,) = json.loads(ended.out)["tables"]
    names = [line["name"] for line in table["lines"]]
    assert names[0] == "Concatenated"
    assert sorted(names[1:]) == ["fusion=gated-sum, fusion.width=4", "fusion=gated-sum, fusion.width=8"]
