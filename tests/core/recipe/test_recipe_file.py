"""Variants: settings over a recipe, what they drop, and the names of their folders."""

import pytest

from ercfw.errors import InputError
from ercfw.recipe.recipe_file import RecipeFile, check_variants, read_toml, resolve_variant

RECIPE = """\
seeds = [1]
[fusion]
use = "multiattn"
layers = 2
[loss.swfc]
weight = 0.3
[loss.cross-entropy]
weight = "rest"
[[variant]]
name = "w/o SWFC"
drop = ["loss.swfc"]
[[variant]]
name = "concat"
set = { fusion = { use = "concat" }, train = { lr = 0.1 } }
"""


@pytest.fixture
def source(tmp_path) -> RecipeFile:
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE)
    return read_toml(path)


def test_the_base_comes_first_and_knows_nothing_of_variants(source):
    assert source.variants == ["base", "w/o SWFC", "concat"]
    assert resolve_variant(source) == {key: value for key, value in source.tables.items() if key != "variant"}


def test_a_variant_drops_and_sets(source):
    assert resolve_variant(source, "w/o SWFC")["loss"] == {"cross-entropy": {"weight": "rest"}}
    concat = resolve_variant(source, "concat")
    assert concat["fusion"] == {"use": "concat"}
    assert concat["train"] == {"lr": 0.1}


def test_the_command_line_has_the_last_word(source):
    tables = resolve_variant(source, "concat", {"train": {"lr": 1.0}, "loss": {"swfc": {"use": "focal"}}}, ["seeds"])
    assert tables["train"] == {"lr": 1.0}
    assert tables["loss"]["swfc"] == {"use": "focal", "weight": 0.3}
    assert "seeds" not in tables


def test_what_a_variant_dropped_can_not_be_dropped_again(source):
    with pytest.raises(InputError, match=r"--drop, variant 'w/o SWFC': there is no 'loss.swfc' to drop"):
        resolve_variant(source, "w/o SWFC", {}, ["loss.swfc"])


def test_an_unknown_variant_is_guessed(source):
    with pytest.raises(InputError, match="did you mean 'w/o SWFC'"):
        resolve_variant(source, "w/o SWCF")


@pytest.mark.parametrize(
    ("variants", "expected"),
    [
        ([{"name": "a b"}, {"name": "A-B"}], ["share the folder 'a-b'"]),
        ([{"name": "Base"}], ["share the folder 'base'"]),
        ([{"name": "?"}], ["'?' contains no letter and no digit"]),
        ([{"name": "无上下文"}, {"name": "仅 text"}, {"name": "去掉 text"}, {"name": "без текста"}], []),
        ([{"name": "Größe"}, {"name": "GRO\u0308SSE"}], ["share the folder 'grösse'"]),
        ([{"name": "文" * 67}], ["too long to name a folder (use at most 200 bytes)"]),
        ([{"name": ""}], ["name"]),
        ([{}, {"name": "x", "drop": "loss"}], ["number 1 name: is missing", "number 2 drop: should be a list"]),
        ({"name": "x"}, ["is not a list of tables"]),
        (["x"], ["is not a list of tables"]),
        ([{"name": "a"}, {"name": "b"}], []),
    ],
)
def test_broken_variants_are_all_reported(variants, expected, tmp_path):
    reported = [str(mistake) for mistake in check_variants(RecipeFile(tmp_path / "r.toml", {"variant": variants}))]
    assert len(reported) >= len(expected)
    assert bool(reported) == bool(expected)
    assert all(any(text in line for line in reported) for text in expected)


def test_what_a_variant_drops_stays_away_whatever_is_laid_over_it(source):
    tables = resolve_variant(source, "w/o SWFC", {"loss": {"swfc": {"temperature": 0.5}}})
    assert tables["loss"] == {"cross-entropy": {"weight": "rest"}}


def test_a_variant_may_not_be_called_all(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[[variant]]\nname = "all"\n')
    (mistake,) = check_variants(read_toml(path))
    assert "'all' is reserved" in mistake.what
