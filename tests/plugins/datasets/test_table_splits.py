"""The names that a table gives to its splits: usual ones, renamed ones, and ones that mean nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ercfw.errors import InputError
from ercfw_datasets.table import Table


@pytest.fixture
def corpus(tmp_path: Path) -> Callable[..., Path]:
    """``corpus("Train", "valid")``: conversations c0, c1, ... of one utterance, each with this value as its split."""

    def write(*values: str, column: str = "split") -> Path:
        lines = [f"c{place},0,joy,{value}" for place, value in enumerate(values)]
        (tmp_path / "utterances.csv").write_text("\n".join([f"conversation,utterance,label,{column}", *lines, ""]))
        return tmp_path

    return write


def found(dataset: Table) -> list[list[str]]:
    return [[c.id for c in dataset.split(split)] for split in ("train", "dev", "test")]


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (["train", "valid", "test"], "'valid' as dev"),
        (["Train", "Val", "Test"], "'Train' as train, 'Val' as dev, 'Test' as test"),
        (["TRAINING", "validation", "testing"], "'TRAINING' as train, 'validation' as dev, 'testing' as test"),
        (["trn", "devel", "tst"], "'trn' as train, 'devel' as dev, 'tst' as test"),
        (["train", " development ", "test"], "'development' as dev"),
    ],
)
def test_usual_names_are_understood_and_reported_once(corpus, reported, values, read):
    dataset, warnings = reported(Table, root=corpus(*values))
    assert found(dataset) == [["c0"], ["c1"], ["c2"]]
    (warning,) = warnings
    assert f": reading {read}; [data] splits renames splits" in warning
    assert "utterances.csv, line " in warning


def test_the_own_names_are_not_reported(corpus, silent):
    assert found(silent(Table, root=corpus("train", "dev", "test"))) == [["c0"], ["c1"], ["c2"]]


def test_a_setting_renames_merges_and_leaves_out(corpus, silent):
    names = {"0": "train", "1": "train", "held out": "dev", "valid": "test", "unused": ""}
    root = corpus("0", "held out", "valid", "1", "unused", column="mode")
    dataset = silent(Table, root=root, columns={"split": "mode"}, splits=names)
    assert found(dataset) == [["c0", "c3"], ["c1"], ["c2"]]
    assert [id for id, _ in dataset.rows] == ["c0", "c1", "c2", "c3", "c4"], "a feature file has a row for each line"
    assert dataset.source_train == {("c0", "0"), ("c3", "0")}


def test_the_lists_win_over_a_split_that_is_left_out(corpus, silent):
    options = {"splits": {"unused": ""}, "dev": ("c1",), "test": ("c2",)}
    assert found(silent(Table, root=corpus("train", "unused", "unused", "unused"), **options)) == [
        ["c0"],
        ["c1"],
        ["c2"],
    ]


def test_folds_leave_out_what_belongs_to_no_split(corpus, silent):
    root = corpus("train", "unused", "train", "test", "unused")
    dataset = silent(Table, root=root, splits={"unused": ""}, fold=0, folds=3)
    assert sorted(id for ids in found(dataset) for id in ids) == ["c0", "c2", "c3"]


def test_each_name_that_means_nothing_is_one_mistake(corpus):
    with pytest.raises(InputError) as raised:
        Table(root=corpus("train", "held", "held", "", "test"), splits={"helt": "dev"})
    renamed, held, empty = map(str, raised.value.mistakes)
    assert renamed.startswith("[data] splits: helt: no utterance has this split (did you mean 'held'?")
    assert "line 3: split: 'held' is not a split" in held
    assert """rename it, such as [data] splits = { "held" = "dev" }""" in held
    assert "line 5: split: '' is not a split" in empty


def test_a_renamed_split_needs_its_column(corpus):
    message = r"split: there is no such column \(\[data\] columns: split\)"
    with pytest.raises(InputError, match=message):
        Table(root=corpus("train", column="mode"), splits={"valid": "dev"})


def test_a_conversation_in_two_of_the_renamed_splits(tmp_path, corpus):
    corpus("Train")
    with (tmp_path / "utterances.csv").open("a") as file:
        file.write("c0,1,joy,valid\n")
    with (
        pytest.warns(UserWarning, match="reading"),
        pytest.raises(InputError, match="line 3: split: conversation 'c0' is in train and in dev"),
    ):
        Table(root=tmp_path)
