"""Settings laid over tables: what a swapped part keeps, and that the order of settings does not matter."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ercfw.errors import InputError
from ercfw.recipe.overrides import drop, merge, parse_overrides

BASE = {
    "data": {"use": "meld", "root": "x", "modalities": ["text"], "batch_size": 4},
    "fusion": {"use": "multiattn", "layers": 2},
    "loss": {"swfc": {"weight": 0.3, "target": "emotion", "focus": 2.0}, "cross-entropy": {"weight": "rest"}},
    "train": {"lr": 1e-3, "groups": {"text": {"lr": 1e-5}}},
    "features": {"audio": {"file": "a.npy", "fitted_on": "train"}},
}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("a.b=3", 3),
        ("a.b=3e-4", 3e-4),
        ("a.b=true", True),
        ("a.b='3'", "3"),
        ("a.b=[1, 2]", [1, 2]),
        ("a.b={x = 1}", {"x": 1}),
        ("a.b=concat", "concat"),
        ("a.b=x=y", "x=y"),
        ("a.b=", ""),
        ("a.b = w/o SWFC ", "w/o SWFC"),
    ],
)
def test_the_right_side_is_toml_or_else_a_plain_string(word, value):
    assert parse_overrides([word]) == {"a": {"b": value}}


def test_several_words_make_one_tree_whatever_their_order():
    words = ["fusion.use=concat", "fusion.width=3", "train.lr=0.1", "loss.swfc.weight=0.5"]
    trees = [parse_overrides(order) for order in itertools.permutations(words)]
    assert all(tree == trees[0] for tree in trees)
    assert merge(BASE, trees[0])["fusion"] == {"use": "concat", "width": 3}


@given(st.permutations(["data.use=table", "data.root=y", "data.batch_size=8", "train.groups.text.lr=1.0", "title=t"]))
def test_the_order_of_overrides_does_not_matter(words):
    merged = merge(BASE, parse_overrides(words))
    assert merged["data"] == {"use": "table", "root": "y", "modalities": ["text"], "batch_size": 8}
    assert merged["train"]["groups"]["text"] == {"lr": 1.0}


@pytest.mark.parametrize("words", [["a"], ["=3"], ["a..b=3"], [".a=3"], ["a=1", "a.b=2"], ["a.b=2", "a=1"]])
def test_words_that_say_nothing_or_contradict_each_other(words):
    with pytest.raises(InputError, match="override"):
        parse_overrides(words)


def test_another_part_inherits_no_option_but_keeps_the_core_s_keys():
    assert merge(BASE, {"fusion": {"use": "concat"}})["fusion"] == {"use": "concat"}
    swapped = merge(BASE, {"loss": {"swfc": {"use": "focal"}}})["loss"]["swfc"]
    assert swapped == {"use": "focal", "weight": 0.3, "target": "emotion"}
    data = merge(BASE, {"data": {"use": "table", "batch_size": 2}})["data"]
    assert data == {"use": "table", "modalities": ["text"], "batch_size": 2}


def test_the_incoming_table_decides_even_when_it_names_the_same_part():
    assert merge(BASE, {"fusion": {"use": "multiattn", "heads": 4}})["fusion"] == {"use": "multiattn", "heads": 4}


def test_without_use_a_table_is_descended_into():
    assert merge(BASE, {"fusion": {"heads": 4}})["fusion"] == {"use": "multiattn", "layers": 2, "heads": 4}
    assert merge(BASE, {"train": {"lr": 1.0}})["train"] == {"lr": 1.0, "groups": {"text": {"lr": 1e-5}}}


def test_an_extractor_takes_the_place_of_a_file_and_what_was_said_of_it():
    assert merge(BASE, {"features": {"audio": {"use": "opensmile"}}})["features"]["audio"] == {"use": "opensmile"}


def test_merging_leaves_what_it_was_given_alone():
    before = repr(BASE)
    merged = merge(BASE, {"data": {"modalities": ["audio"]}})
    merged["train"]["groups"]["text"]["lr"] = 7
    drop(BASE, ["loss.swfc"], "--drop")
    assert repr(BASE) == before


def test_drop_takes_tables_and_keys_by_dotted_path():
    left = drop(BASE, ["loss.swfc", "train.groups.text.lr", "fusion"], "--drop")
    assert left["loss"] == {"cross-entropy": {"weight": "rest"}}
    assert left["train"]["groups"] == {"text": {}}
    assert "fusion" not in left


@pytest.mark.parametrize("path", ["", "loss.nothing", "nothing.at.all", "train.lr.x", "loss."])
def test_dropping_what_is_not_there_is_a_mistake(path):
    with pytest.raises(InputError, match=f"--drop: there is no '{path}' to drop"):
        drop(BASE, [path], "--drop")
