"""A grid of a recipe: validated, shown and run like variants; how many runs it makes is told before the first."""

import json

import pytest

import ercfw
from ercfw.errors import InputError
from ercfw.experiment.number_of_runs import NumberOfRuns

GRID = """
[[grid]]
"loss.cross-entropy.use" = ["cross-entropy", "focal"]
"fusion.use" = ["concat", "sum"]
"""
LARGE = f"""
[[grid]]
"train.lr" = {[0.001 * n for n in range(1, 21)]}
"fusion.use" = ["concat", "sum"]
"""


def test_a_grid_is_validated_and_shown(cli, tiny_recipe):
    recipe = tiny_recipe(GRID)
    assert "valid (variants: 4)" in cli("validate", recipe).out
    shown = json.loads(cli("show", recipe, "--variant", "focal+sum", "--json").out)
    assert shown["loss"]["cross-entropy"]["use"] == "focal"
    assert shown["fusion"]["use"] == "sum"
    assert "grid" not in shown
    cli("show", recipe, "--variant", "focal+summ").check(2, "no variant named 'focal+summ'..did you mean 'focal+sum'?")


def test_a_variant_of_a_grid_is_run_as_the_same_settings_are(cli, tiny_recipe):
    recipe = tiny_recipe(GRID)
    (of_grid,) = json.loads(cli("run", recipe, "--variant", "focal+sum", "--json").out)
    (by_hand,) = json.loads(cli("run", recipe, "loss.cross-entropy.use=focal", "fusion.use=sum", "--json").out)
    assert of_grid["variant"] == "focal+sum"
    assert of_grid["folder"] == "runs/tiny/focal-sum/seed-0"
    assert of_grid["scores"] == by_hand["scores"]


@pytest.mark.slow
@pytest.mark.usefixtures("forked_workers")
def test_an_ablation_runs_the_grid(cli, tiny_recipe):
    ended = cli("ablate", tiny_recipe(GRID), "--seeds", "1", "--json")
    assert ended.code == 0, ended.err
    assert ended.err.startswith("5 runs (5 variants x 1 seed)\n")
    (table,) = json.loads(ended.out)["tables"]
    grid = ["cross-entropy+concat", "cross-entropy+sum", "focal+concat", "focal+sum"]
    assert [line["name"] for line in table["lines"]] == ["base", *grid]


def test_wrong_keys_are_named_with_their_variant(cli, tiny_recipe):
    wrong = tiny_recipe('[[grid]]\n"fusion.widht" = [1, 2]\n')
    cli("validate", wrong).check(2, "tiny.toml (variant 'widht=1'): [fusion] widht: there is no such key")
    cli("validate", tiny_recipe('[[grid]]\n"fusoin.use" = ["sum"]\n')).check(
        2, "[[grid]] number 1 fusoin.use: ..fusion"
    )
    cli("run", tiny_recipe(), "grid=[]").check(2, "override 'grid': cannot be set here")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("ablate", "{}"), "--max-runs: 205 runs (41 variants x 5 seeds) are more than 200..set it to 205"),
        (("ablate", "{}", "--seeds", "2", "--folds", "4"), "328 runs (41 variants x 2 seeds x 4 folds)"),
        (("ablate", "{}", "--variant", "base", "--max-runs", "4"), "--max-runs: 5 runs (1 variant x 5 seeds)"),
        (("ablate", "{}", "seeds=[1,2]", "--max-runs", "9"), "82 runs (41 variants x 2 seeds) are more than 9"),
        (("run", "{}", "--variant", "all", "--seeds", "5"), "--max-runs: 205 runs (41 variants x 5 seeds)"),
    ],
)
def test_many_runs_are_refused_before_the_first(words, says, cli, tiny_recipe, tmp_path):
    recipe = tiny_recipe(LARGE)
    cli(*(word.format(recipe) for word in words)).check(2, says)
    assert not (tmp_path / "runs").exists()


def test_a_call_refuses_them_too(tiny_recipe):
    with pytest.raises(InputError, match=r"max_runs: 205 runs \(41 variants x 5 seeds\) are more than 200"):
        ercfw.ablate(tiny_recipe(LARGE))


def test_a_number_of_runs():
    assert str(NumberOfRuns(1, 1)) == "1 run (1 variant x 1 seed)"
    assert str(NumberOfRuns(3, 2, 5)) == "30 runs (3 variants x 2 seeds x 5 folds)"
    shown = []
    NumberOfRuns(3, 2).announce(6, "", shown.append)
    assert shown == ["6 runs (3 variants x 2 seeds)"]
