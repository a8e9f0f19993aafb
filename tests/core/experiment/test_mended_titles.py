"""A mended title leaves finished runs known: nothing is trained again, and new tables have the new title."""

import json

import pytest

from ercfw.results.cross_fit_runs import runs_without_parts

MENDED = "title=Tiny, mended"


def test_a_finished_run_is_known_under_a_new_title(cli, tiny_recipe, tmp_path):
    recipe = tiny_recipe()
    assert cli("run", recipe).code == 0
    ended = cli("run", recipe, MENDED)
    assert "done before" in ended.err
    assert [path.name for path in (tmp_path / "runs/tiny").iterdir()] == ["base"]


def test_an_ablation_of_finished_runs_has_the_new_title_and_trains_nothing(cli, tiny_recipe):
    recipe = tiny_recipe()
    assert cli("run", recipe).code == 0
    ended = cli("ablate", recipe, MENDED, "--seeds", "1", "--json")
    assert "1 of 1 runs were done before" in ended.err
    assert [table["title"] for table in json.loads(ended.out)["tables"]] == ["Tiny, mended"]


def test_runs_of_one_recipe_under_two_titles_are_lines_of_its_variants(cli, tiny_recipe):
    recipe = tiny_recipe('[[variant]]\nname = "sum"\nset = { fusion = { use = "sum" } }\n')
    assert cli("run", recipe).code == 0
    assert cli("run", recipe, MENDED, "--variant", "sum").code == 0
    (table,) = json.loads(cli("compare", "runs/tiny", "--json").out)["tables"]
    assert [line["name"] for line in table["lines"]] == ["base", "sum"]


def test_a_search_continues_under_a_new_title(cli, tiny_recipe):
    pytest.importorskip("optuna")
    recipe = tiny_recipe('[tune]\ntrials = 1\nspace = { "train.lr" = { choices = [0.1] } }\n')
    assert cli("tune", recipe).code == 0
    ended = cli("tune", recipe, MENDED)
    assert "1 of 1 trials were done before" in ended.err


def test_runs_without_parts_belong_to_a_run_of_another_title(cli, tiny_recipe, tmp_path):
    recipe = tiny_recipe()
    assert cli("run", recipe).code == 0
    assert cli("run", recipe, MENDED, "--cross-fit", "2").code == 0
    assert len(runs_without_parts(tmp_path / "runs/tiny/base/seed-0")) == 2
