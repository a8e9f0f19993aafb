"""Grids: every combination is a variant under a name that tells what it is."""

import pytest

from ercfw.errors import InputError
from ercfw.recipe.recipe_file import check_variants, read_toml, resolve_variant, with_named_variants
from ercfw.system.names import slug

TWO_LINES = """
[[grid]]
"loss.main.use" = ["cross-entropy", "focal", "supcon"]
"fusion.use" = ["concat", "sum"]
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "r.toml"
        path.write_text(text)
        return read_toml(path)

    return read


def names(source):
    assert check_variants(source) == []
    return source.variants[1:]


def test_three_losses_by_two_fusions_in_two_lines(read):
    source = read('[fusion]\nuse = "gated-sum"\nwidth = 4\n[loss.main]\nuse = "swfc"\nweight = 0.5\n' + TWO_LINES)
    assert names(source) == [
        "cross-entropy+concat", "cross-entropy+sum", "focal+concat", "focal+sum", "supcon+concat", "supcon+sum",
    ]  # fmt: skip
    tables = resolve_variant(source, "focal+sum")
    # The options of the parts that it replaces are gone, as in a variant; the keys of the core stay.
    assert tables == {"fusion": {"use": "sum"}, "loss": {"main": {"use": "focal", "weight": 0.5}}}
    assert resolve_variant(source, "base") == {
        "fusion": {"use": "gated-sum", "width": 4}, "loss": {"main": {"use": "swfc", "weight": 0.5}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ('fusion.use = ["concat"]\n"train.lr" = [1e-3, 3e-4]', ["concat+lr=0.001", "concat+lr=0.0003"]),
        ('"train.lr" = [1, 10]', ["lr=1", "lr=10"]),
        ("data.allow_fitted_dev = [true, false]", ["allow_fitted_dev=true", "allow_fitted_dev=false"]),
        ('"data.modalities" = [["text"], ["text", "audio"], []]', ["text", "text,audio", "none"]),
        ('"features.text.layers" = [[1, 2], [3]]', ["layers=1,2", "layers=3"]),
        ('"features.text.layer" = [1, -1]', ["layer=1", "layer=minus1"]),
        # The names of two keys' values would be equal: each says which key it belongs to, as shortly as possible.
        ('encoder.text.use = ["a"]\nencoder.audio.use = ["a", "b"]', ["text=a+audio=a", "text=a+audio=b"]),
        ('"fusion.use" = ["x"]\n"model.use" = ["X"]', ["fusion=x+model=X"]),
        ('"encoder.text.width" = [4]\n"encoder.audio.width" = [4]', ["text.width=4+audio.width=4"]),
        ('"encoder.text.width" = [4]\n"context.text.width" = [4]', ["encoder.text.width=4+context.text.width=4"]),
        ('"fusion.mode" = ["*", "max"]', ["mode=*", "mode=max"]),
        # Whole tables have the name of the part, and what tells it from the same part in the list.
        (
            'fusion = [{ use = "sum" }, { use = "gated", width = 4 }, { use = "gated", width = 8, a = { b = true } }]',
            ["sum", "gated width=4", "gated width=8 a.b=true"],
        ),
        ('"fusion" = [{ use = "gated", width = 4 }]', ["gated"]),
        ("train = [{ lr = 0.1, epochs = 3 }, { lr = 0.2, epochs = 3 }]", ["lr=0.1", "lr=0.2"]),
    ],
)  # fmt: skip
def test_names_are_short_and_say_what_differs(grid, expected, read):
    source = read(f"[[grid]]\n{grid}\n")
    listed = source.variants[1:]
    assert listed == expected
    assert all(slug(name) for name in listed)
    assert len({slug(name) for name in listed}) == len(listed) or "mode=*" in listed


def test_several_grids_and_variants_add_up(read):
    own = '[[variant]]\nname = "mine"\nset = { train = { lr = 1 } }\n'
    source = read(f"{own}{TWO_LINES}[[grid]]\ntrain.lr = [1, 2]\n")
    assert names(source) == ["mine", *names(read(TWO_LINES)), "lr=1", "lr=2"]
    assert resolve_variant(source, "lr=2") == {"train": {"lr": 2}}
    assert resolve_variant(source, "mine") == {"train": {"lr": 1}}
    named, new = with_named_variants(source, ["base", "lr=2"], "fast", {"train": {"epochs": 1}}, [])
    assert new == ["fast", "lr=2, fast"]
    assert resolve_variant(named, "lr=2, fast") == {"train": {"lr": 2, "epochs": 1}}
    assert set(source.variants) < set(named.variants)


def test_every_combination_of_tables_is_its_own(read):
    """A value is copied: what one variant merges into its table is in no other."""
    source = read('[[grid]]\nfusion = [{ use = "gated" }]\ntrain.lr = [1, 2]\n')
    first = resolve_variant(source, "gated+lr=1", {"fusion": {"width": 3}})
    assert first["fusion"] == {"use": "gated", "width": 3}
    assert resolve_variant(source, "gated+lr=2")["fusion"] == {"use": "gated"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("grid = 3\n", ["r.toml: grid: is not a list of tables (write [[grid]], in double brackets)"]),
        ('[grid]\n"train.lr" = [1]\n', ["r.toml: grid: is not a list of tables"]),
        ("[[grid]]\n", ['[[grid]] number 1: is empty ("fusion.use" = ["concat", "sum"])']),
        ('[[grid]]\n"train.lr" = []\n', ["[[grid]] number 1 train.lr: is an empty list"]),
        ("[[grid]]\ntrain.lr = 3\nloss = {}\n", ["1 train.lr: is not a list", "1 loss: is not a list"]),
        ('[[grid]]\n"fusoin.use" = ["sum"]\n', ["1 fusoin.use: a recipe has no 'fusoin' (did you mean 'fusion'?"]),
        ('[[grid]]\ngrid = [[1]]\nvariant = [[1]]\n', ["a recipe has no 'grid'", "a recipe has no 'variant'"]),
        ('[[grid]]\ntrain.lr = [1, 2, 1]\n', ["1 train.lr: lists 1 twice"]),
        ('[[grid]]\n"fusion" = [{ use = "sum" }]\n"fusion.width" = [3]\n', ["fusion.width: is also set by 'fusion'"]),
        (f"[[grid]]\ntrain.lr = [1]\n[[grid]]\nseeds = {list(range(101))}\ntrain.lr = {list(range(100))}\n",
         ["[[grid]] number 2: makes 10,100 variants (at most 10,000)"]),
        ('[[grid]]\n"fusion.use" = ["all"]\n', ["[[grid]]: 'all' is reserved"]),
        ('[[grid]]\n"fusion.use" = ["base"]\n', ["share the folder 'base' (remove one of them)"]),
        ('[[variant]]\nname = "SUM"\n[[grid]]\n"fusion.use" = ["sum"]\n', ["[[grid]]: 'sum' and 'SUM' would share"]),
        ('[[grid]]\nfusion.use = ["x"]\n[[grid]]\nfusion.use = ["x"]\n', ["[[grid]]: 'x' and 'x' would share"]),
        ('[[grid]]\n"fusion.use" = ["a b", "a-b"]\n', ["'a-b' and 'a b' would share the folder 'a-b'"]),
        (f'[[grid]]\n"fusion.use" = ["{"x" * 300}"]\n', ["is too long to name a folder"]),
    ],
)  # fmt: skip
def test_broken_grids_are_all_reported(text, expected, read):
    reported = [str(mistake) for mistake in check_variants(read(text))]
    assert len(reported) == len(expected), reported
    assert all(said in line for said, line in zip(expected, reported, strict=True)), reported


def test_settings_do_not_make_variants(read):
    source = read(TWO_LINES)
    for key in ("grid", "variant"):
        with pytest.raises(
            InputError, match=rf"override '{key}': cannot be set here \(write \[\[{key}\]\] in the recipe"
        ):
            resolve_variant(source, "base", {key: []})
