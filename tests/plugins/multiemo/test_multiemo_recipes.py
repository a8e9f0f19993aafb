"""The shipped recipes of MultiEMO: the settings of the released scripts, and what sets each apart from its sibling."""

import tomllib

import pytest

from ercfw.recipe.shipped import shipped_recipes

RECIPES = ("multiemo_iemocap", "multiemo_iemocap_release", "multiemo_meld", "multiemo_meld_release")
RELEASED = {
    "iemocap": {
        "batch": 64,
        "epochs": 100,
        "layers": 6,
        "hidden": 256,
        "swfc": {"weight": 0.4, "temperature": 0.8, "focus": 2.4, "balance": 1.1},
        "soft-hgr": 0.4,
        "contexts": {"default": True},
    },
    "meld": {
        "batch": 100,
        "epochs": 15,
        "layers": 2,
        "hidden": 512,
        "swfc": {"weight": 0.3, "temperature": 1.4, "focus": 2.0, "balance": 1.2},
        "soft-hgr": 0.3,
        "contexts": {"audio": False, "visual": False},
    },
}
"""The settings of the released scripts; contexts: whether they read the conversation in both directions."""


def read(name):
    return tomllib.loads(shipped_recipes()[name].read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [*RECIPES, "multiemo_meld_visual"])
def test_the_settings_are_those_of_the_released_scripts(name):
    recipe, expected = read(name), RELEASED[name.split("_")[1]]
    assert recipe["data"]["batch_size"] == expected["batch"]
    assert recipe["train"]["epochs"] == expected["epochs"]
    assert recipe["fusion"] == {"use": "multiattn", "layers": expected["layers"], "heads": 4, "ffn": 1024}
    assert recipe["head"]["emotion"] == {"use": "multiemo", "width": 256, "hidden": expected["hidden"]}
    assert {key: recipe["loss"]["swfc"][key] for key in expected["swfc"]} == expected["swfc"]
    assert recipe["loss"]["soft-hgr"]["weight"] == expected["soft-hgr"]
    assert recipe["loss"]["cross-entropy"]["weight"] == "rest"
    assert {m: context.get("bidirectional", False) for m, context in recipe["context"].items()} == expected["contexts"]
    assert (recipe["train"]["lr"], recipe["train"]["weight_decay"]) == (1e-4, 1e-5)
    assert recipe["train"]["schedule"] == "plateau"


@pytest.mark.parametrize("corpus", ["iemocap", "meld"])
def test_a_release_recipe_differs_in_protocol_and_form_alone(corpus):
    ours, theirs = read(f"multiemo_{corpus}"), read(f"multiemo_{corpus}_release")
    assert (ours["train"].pop("protocol"), theirs["train"].pop("protocol")) == ("dev", "release")
    assert [theirs["loss"][loss].pop("form") for loss in ("swfc", "soft-hgr")] == ["release", "release"]
    assert ours.pop("title") != theirs.pop("title")
    assert ours == theirs


def test_without_visextnet_the_visual_stream_alone_has_another_encoder():
    recipe = read("multiemo_meld_visual")
    (variant,) = recipe.pop("variant")
    assert variant == {"name": "w/o VisExtNet", "set": {"features": {"visual": {"use": "face-expression"}}}}
    whole = read("multiemo_meld")
    whole.pop("variant")
    assert recipe.pop("title") != whole.pop("title")
    assert recipe == whole


@pytest.mark.slow
@pytest.mark.parametrize("name", ["multiemo_iemocap_release", "multiemo_meld_visual"])
def test_validate_accepts_them_without_data(cli, name):
    ended = cli("validate", name)
    assert ended.code == 0, ended.err
    assert f"{name}: valid" in ended.out
