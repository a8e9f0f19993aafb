"""Targets of a table other than its column of classes: numbers, several labels, shares, and several targets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ercfw import InputError, Target
from ercfw.data.label_form import check_label_form, declared_targets
from ercfw_datasets.table import Table
from ercfw_datasets.table_numbers import TargetTable

HEADER = "conversation,utterance,split,sentiment,valence,arousal,joy,anger,moods,emotion"
ROWS = [
    "one,0,train,1.8,0.5,-0.25,1,0,joy|anger,joy",
    "one,1,train,,,,,,,",
    "one,2,train,-3,-1,1,0,0,|,anger",
    "two,0,dev,0,0,0,0,1,anger,anger",
    "three,0,test,3,1,1,1,1,joy,joy",
]


@pytest.fixture
def corpus(tmp_path: Path) -> Callable[..., Path]:
    """``corpus({2: "line"})``: the table above, with other lines in the place of some."""

    def write(others: dict[int, str] | None = None) -> Path:
        rows = [(others or {}).get(number, row) for number, row in enumerate(ROWS)]
        (tmp_path / "utterances.csv").write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
        return tmp_path

    return write


def read(root: Path, **tables: dict) -> Table:
    return Table(root=root, targets={name: TargetTable(**table) for name, table in tables.items()})


def labels(dataset: Table, target: str) -> np.ndarray:
    conversations = [c for split in ("train", "dev", "test") for c in dataset.split(split)]
    check_label_form(conversations, declared_targets(dataset.targets))
    return np.concatenate([c.labels[target] for c in conversations])


NAN = np.nan


def test_a_number(corpus) -> None:
    dataset = read(corpus(), sentiment={"kind": "regression", "range": (-3.0, 3.0)})
    assert dataset.targets == {"sentiment": Target(("sentiment",), "regression", ((-3.0, 3.0),))}
    expected = np.array([[1.8], [NAN], [-3], [0], [3]], np.float32)
    np.testing.assert_array_equal(labels(dataset, "sentiment"), expected)


def test_a_number_in_a_column_of_another_name(corpus) -> None:
    for columns in ("valence", ("valence",), {"any": "valence"}):
        dataset = read(corpus(), feeling={"kind": "regression", "range": (-1.0, 1.0), "columns": columns})
        assert dataset.targets["feeling"].names == ("feeling",)
        np.testing.assert_array_equal(labels(dataset, "feeling")[[0, 2], 0], np.float32([0.5, -1]))


def test_several_numbers_with_ranges_of_their_own(corpus) -> None:
    ranges = {"v": (-1.0, 1.0), "a": (-0.5, 2.0)}
    table = {"kind": "regression", "columns": {"v": "valence", "a": "arousal"}, "range": ranges}
    dataset = read(corpus(), affect=table)
    assert dataset.targets["affect"] == Target(("v", "a"), "regression", ((-1.0, 1.0), (-0.5, 2.0)))
    np.testing.assert_array_equal(labels(dataset, "affect")[:2], np.float32([[0.5, -0.25], [NAN, NAN]]))


@pytest.mark.parametrize(
    "table",
    [
        {"kind": "multilabel", "columns": ("joy", "anger")},
        {"kind": "multilabel", "columns": "moods", "separator": "|", "classes": ("joy", "anger")},
    ],
)
def test_several_labels(corpus, table) -> None:
    dataset = read(corpus(), moods=table)
    assert dataset.targets["moods"] == Target(("joy", "anger"), "multilabel")
    found = labels(dataset, "moods")
    in_list = [[1, 1], [NAN, NAN], [0, 0], [0, 1], [1, 0]]
    in_columns = [[1, 0], [NAN, NAN], [0, 0], [0, 1], [1, 1]]
    np.testing.assert_array_equal(found, np.float32(in_list if "separator" in table else in_columns))


def test_shares_of_annotators(corpus) -> None:
    rows = {0: "one,0,train,1,0,0,0.75,0.25,,", 2: "one,2,train,1,0,0,0.333,0.667,,", 4: "three,0,test,1,0,0,0,1,,"}
    shared = {"columns": ("joy", "anger"), "shares": True}
    dataset = read(corpus(rows), votes=shared, moods={"kind": "multilabel", **shared})
    assert dataset.targets["votes"] == Target(("joy", "anger"), soft=True)
    assert dataset.targets["moods"].form == "soft-multilabel"
    np.testing.assert_array_equal(labels(dataset, "votes")[0], np.float32([0.75, 0.25]))


def test_several_targets_and_one_column_for_two(corpus) -> None:
    dataset = read(
        corpus(),
        emotion={},
        sentiment={"columns": "emotion", "labels": {"joy": "positive", "anger": "negative"}},
        score={"kind": "regression", "columns": "sentiment", "range": (-3.0, 3.0)},
    )
    assert dataset.targets["emotion"] == ("anger", "joy")
    assert dataset.targets["sentiment"] == ("negative", "positive")
    np.testing.assert_array_equal(labels(dataset, "emotion"), [1, -100, 0, 0, 1])
    np.testing.assert_array_equal(labels(dataset, "sentiment"), [1, -100, 0, 0, 1])
    assert set(dataset.split("dev")[0].labels) == {"emotion", "sentiment", "score"}


def test_a_label_that_is_left_out_leaves_all_targets(corpus) -> None:
    dataset = read(
        corpus(), emotion={"labels": {"anger": ""}, "classes": ("joy",)},
        score={"kind": "regression", "columns": "sentiment", "range": (-3.0, 3.0)},
    )  # fmt: skip
    (train,) = dataset.split("train")
    assert train.utterances == ("0", "1")
    assert len(train.labels["score"]) == 2


REGRESSION = {"kind": "regression", "range": (-3.0, 3.0)}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "regression"}, r"\[data.targets.sentiment\] range: is missing"),
        ({"kind": "regression", "range": (3.0, -3.0)}, r"range: of 'sentiment' is \[3, -3\]"),
        ({"kind": "regression", "range": {"other": (0.0, 1.0)}}, "range: does not fit the numbers: other"),
        ({**REGRESSION, "shares": True}, "shares: applies to classes and labels only"),
        ({**REGRESSION, "classes": ("a",)}, "classes: applies to names in one column only"),
        ({**REGRESSION, "separator": "|"}, "separator: applies to labels only"),
        ({"range": (0.0, 1.0)}, "range: applies to numbers only"),
        ({"kind": "multilabel"}, "columns: is missing"),
        ({"kind": "multilabel", "separator": "|"}, "classes: is missing"),
        ({"kind": "multilabel", "columns": ("joy",)}, "columns: names one column"),
        ({"columns": ("joy", "anger")}, "columns: names 2 columns"),
        ({"shares": True}, "columns: is missing"),
        ({"kind": "multilabel", "columns": ("joy", "anger"), "thresholds": (0.5,)}, "thresholds: applies to classes"),
        ({**REGRESSION, "columns": "sentimant"}, r"sentimant: there is no such column .*\[data.targets.sentiment\]"),
    ],
)
def test_keys_that_do_not_fit(corpus, table, message) -> None:
    with pytest.raises(InputError, match=message):
        read(corpus(), sentiment=table)


@pytest.mark.parametrize(
    ("row", "table", "message"),
    [
        ("one,2,train,good,-1,1,0,0,,", REGRESSION, "line 4: sentiment: 'good' is not a number"),
        ("one,2,train,3.5,-1,1,0,0,,", REGRESSION, "sentiment: 3.5 is out of range (write a number from -3 to 3)"),
        ("one,2,train,nan,-1,1,0,0,,", REGRESSION, "sentiment: 'nan' is not a finite number"),
        ("one,2,train,inf,-1,1,0,0,,", REGRESSION, "sentiment: 'inf' is not a finite number"),
        (
            "one,2,train,1,,1,0,0,,", {**REGRESSION, "columns": ("valence", "arousal")},
            "valence: is empty, but other columns of this target are not",
        ),
        (
            "one,2,train,1,-1,1,0.5,0.4,,", {"columns": ("joy", "anger"), "shares": True},
            "line 4: the shares of 'sentiment' add up to 0.9 (they must add up to 1",
        ),
        (
            "one,2,train,1,-1,1,2,0,,", {"kind": "multilabel", "columns": ("joy", "anger")},
            "joy: 2 is out of range (write a number from 0 to 1)",
        ),
        (
            "one,2,train,1,-1,1,2,0,joy|angr,",
            {"kind": "multilabel", "columns": "moods", "separator": "|", "classes": ("joy", "anger")},
            "moods: 'angr' is no label of 'sentiment' (did you mean 'anger'",
        ),
    ],
)  # fmt: skip
def test_cells_that_cannot_be_read(corpus, row, table, message) -> None:
    with pytest.raises(InputError) as caught:
        read(corpus({2: row}), sentiment=table)
    assert message in str(caught.value)


def test_every_mistake_is_reported_at_once(corpus) -> None:
    root = corpus({0: "one,0,train,good,-1,1,0,0,,", 2: "one,2,train,9,-1,1,0,0,,"})
    with pytest.raises(InputError) as caught:
        read(root, sentiment=REGRESSION)
    assert len(caught.value.mistakes) == 2


def test_options_of_the_single_target_do_not_mix_with_tables(corpus) -> None:
    with pytest.raises(InputError, match=r"\[data\] classes: cannot be combined with \[data.targets\]"):
        Table(root=corpus(), classes=("a",), targets={"emotion": TargetTable()})


def test_scores_without_a_kind_say_how_to_predict_them(corpus, tmp_path) -> None:
    rows = [f"one,{n},train,{n / 7:.3f}" for n in range(30)]
    (tmp_path / "utterances.csv").write_text("\n".join(["conversation,utterance,split,label", *rows, ""]))
    with pytest.raises(InputError, match=r'\[data.targets.score\] kind = "regression"'):
        Table(root=tmp_path)


def test_the_share_of_annotators_who_agreed(corpus) -> None:
    table = {**REGRESSION, "agreement": "joy"}
    rows = {0: "one,0,train,1.8,0.5,-0.25,0.6,0,,joy", 2: "one,2,train,-3,-1,1,1,0,,", 3: "two,0,dev,0,0,0,,1,,"}
    dataset = read(corpus(rows), sentiment=table)
    np.testing.assert_array_equal(dataset.split("train")[0].agreement["sentiment"], np.float32([0.6, 1, 1]))
    np.testing.assert_array_equal(dataset.split("dev")[0].agreement["sentiment"], np.float32([1]))
    for cell, message in (("0", "is 0, so that the label would not count"), ("2", "out of range"), ("x", "no")):
        with pytest.raises(InputError, match=message):
            read(corpus({0: f"one,0,train,1.8,0.5,-0.25,{cell},0,,joy"}), sentiment=table)
