"""Every shipped recipe is valid, with all its variants, on a machine that has no data."""

import json

import pytest

from ercfw.recipe.recipe_file import read_toml, resolve_variant
from ercfw.recipe.schema import parse_recipe
from ercfw.recipe.shipped import shipped_recipes

SHIPPED = shipped_recipes()


def test_there_are_recipes():
    assert len(SHIPPED) >= 5


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if not name.startswith("baselines") else name for name in SHIPPED],
)
def test_a_shipped_recipe_is_valid(name, cli):
    ended = cli("validate", name, "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["variants"][0] == "base"
    assert not [note for note in found["unchecked"] if "stand-ins" in note]
    source = read_toml(SHIPPED[name])
    for warning in found["warnings"]:
        # A loss that draws modalities together has nothing to do in a variant with one modality.
        variant = warning.split("'")[1]
        recipe, _ = parse_recipe(resolve_variant(source, variant), name)
        assert "[loss.soft-hgr] has no effect" in warning
        assert len(recipe.data.modalities) == 1
