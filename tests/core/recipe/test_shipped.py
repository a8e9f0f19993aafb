import pytest

from ercfw.errors import InputError
from ercfw.recipe.shipped import find_recipe, recipes_folder, shipped_recipes


def test_recipes_are_named_by_their_path_without_the_suffix():
    shipped = shipped_recipes()
    assert shipped["multiemo_meld"] == recipes_folder() / "multiemo_meld.toml"
    assert all(path.is_file() for path in shipped.values())


def test_a_file_goes_before_a_shipped_name(tmp_path):
    (tmp_path / "multiemo_meld").write_text("")
    assert find_recipe("multiemo_meld").resolve() == tmp_path / "multiemo_meld"
    (tmp_path / "multiemo_meld").unlink()
    assert find_recipe("multiemo_meld") == shipped_recipes()["multiemo_meld"]


@pytest.mark.parametrize("name", ["multiemo_meld.toml", "multiemo-meld", ".", ""])
def test_a_recipe_that_is_nowhere(name):
    with pytest.raises(InputError, match="there is no such recipe"):
        find_recipe(name)
