"""What must hold in a recipe, without plugins and without data."""

import copy

import pytest

from ercfw.recipe.queries import loss_weights
from ercfw.recipe.schema import parse_recipe, place

TABLES = {
    "schema": 1,
    "title": "t",
    "data": {"use": "simulated", "modalities": ["text", "audio"], "like": "meld"},
    "encoder": {"default": {"use": "linear", "width": 8}},
    "fusion": {"use": "concat"},
    "head": {"emotion": {"use": "linear"}},
    "loss": {"swfc": {"weight": 0.3}, "ce": {"use": "cross-entropy", "weight": "rest"}},
}


def tables(**changes: object) -> dict:
    return {**copy.deepcopy(TABLES), **changes}


def reported(**changes: object) -> list[str]:
    return [str(mistake) for mistake in parse_recipe(tables(**changes), "r.toml")[1]]


def test_defaults_options_and_names():
    recipe, mistakes = parse_recipe(tables(), "r.toml")
    assert not mistakes
    assert recipe.loss["swfc"].use == "swfc"
    assert recipe.loss["ce"].use == "cross-entropy"
    assert recipe.data.options == {"like": "meld"}
    assert (recipe.data.batch_size, recipe.train.protocol, recipe.seeds) == (32, "dev", (0,))


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"a": 0.3, "b": 0.3, "c": "rest"}, {"a": 0.3, "b": 0.3, "c": 0.4}),
        ({"b": 0.3, "c": "rest"}, {"b": 0.3, "c": 0.7}),
        ({"c": "rest"}, {"c": 1.0}),
        ({"a": 2.0, "c": 0.5}, {"a": 2.0, "c": 0.5}),
        ({"a": 0.0, "c": "rest"}, {"a": 0.0, "c": 1.0}),
    ],
)
def test_rest_is_one_minus_the_others(weights, expected):
    recipe, mistakes = parse_recipe(tables(loss={name: {"weight": w} for name, w in weights.items()}), "r")
    assert not mistakes
    assert loss_weights(recipe) == pytest.approx(expected)


def test_a_loss_without_a_weight_weighs_one():
    recipe, _ = parse_recipe(tables(loss={"focal": {}}), "r")
    assert loss_weights(recipe) == {"focal": 1.0}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"loss": {}}, "r.toml: [loss]"),
        ({"loss": {"a": {"weight": "rest"}, "b": {"weight": "rest"}}}, "r.toml: [loss.b] weight: only one"),
        ({"loss": {"a": {"weight": "rest"}, "b": {"weight": 1.1}}}, "r.toml: [loss.a] weight"),
        ({"head": {}}, "r.toml: [head.TARGET]"),
        ({"encoder": {"text": {"use": "linear"}}}, "r.toml: [encoder.audio]"),
        ({"head": {"a": {"use": "x"}, "b": {"use": "x"}}, "loss": {"ce": {}}}, "[loss.ce] target: is missing"),
        ({"data": {"use": "x", "modalities": ["joint"]}}, "'joint' is reserved and cannot name a modality"),
        ({"features": {"text": {"use": "a", "file": "b"}}}, "r.toml: [features.text]"),
    ],
)
def test_what_must_hold_between_tables(changes, expected):
    (message,) = reported(**changes)
    assert expected in message


def test_one_modality_needs_no_fusion_and_a_model_replaces_the_parts():
    assert not reported(data={"use": "x", "modalities": ["text"]}, fusion=None)
    whole = {key: value for key, value in TABLES.items() if key not in ("encoder", "fusion", "head")}
    assert not parse_recipe({**whole, "model": {"use": "x"}}, "r.toml")[1]


def test_what_is_wrong_is_left_out_so_that_the_rest_can_be_checked():
    recipe, mistakes = parse_recipe(tables(train={"lr": -1, "epochs": 3}, trian={}), "r.toml")
    assert len(mistakes) == 2
    assert recipe.train.epochs == 3
    assert parse_recipe(tables(data=3), "r.toml")[0] is None
    assert parse_recipe(tables(plugins="x.py"), "r.toml")[0] is None


def test_a_place_is_named_as_in_the_file():
    assert place(("train", "groups", "text", "lr")) == "[train.groups.text] lr"
    assert place(("data", "modalities", 1)) == "[data] modalities"
    assert place(("variant", 1, "set")) == "[[variant]] number 2 set"
    assert (place(("loss",)), place(("seeds", 0)), place(("nonsense",))) == ("[loss]", "seeds", "nonsense")
