"""The verbs: what they print, where, and how they end."""

import json
import subprocess
import sys

import pytest

VARIANT = '[[variant]]\nname = "w/o audio"\nset = { data = { modalities = ["text"] } }\n'


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["run", "nope.toml"], []])
def test_help_and_a_recipe_that_is_not_there_import_no_torch(words):
    code = f"""
import sys
sys.argv = ["ercfw", *{words!r}]
from ercfw.cli import main
try:
    main()
finally:
    print("torch" in sys.modules, "numpy" in sys.modules, "ercfw.registry.catalog" in sys.modules, file=sys.stderr)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stderr.splitlines()[-1] == "False False False"


def test_a_run_in_a_pipe_prints_one_line_per_epoch_and_its_scores(cli, tiny_recipe):
    ended = cli("run", tiny_recipe(), "train.epochs=2")
    assert ended.code == 0
    lines = [line for line in ended.err.splitlines() if line.startswith("base, seed 0: epoch ")]
    assert [line.split()[4] for line in lines] == ["1/2", "2/2"]
    assert "weighted-f1" in ended.out
    assert "report: runs/tiny/base/seed-0/report.md" in ended.out
    assert "SIMULATED" in ended.out
    assert "SIMULATED" in ended.err


def test_quiet_shows_only_warnings_and_results(cli, tiny_recipe):
    ended = cli("run", tiny_recipe(), "--quiet")
    assert "epoch" not in ended.err
    assert "SIMULATED" in ended.err
    assert "weighted-f1" in ended.out


def test_json_prints_nothing_else_and_a_second_run_is_reported_as_done(cli, tiny_recipe):
    words = ["run", tiny_recipe(VARIANT), "--variant", "all", "--seeds", "2", "--json"]
    ended = cli(*words)
    found = json.loads(ended.out)
    assert [(m["variant"], m["seed"]) for m in found] == [("base", 0), ("base", 1), ("w/o audio", 0), ("w/o audio", 1)]
    again = cli(*words)
    assert json.loads(again.out) == found
    assert again.err.count("done before; --force runs it again") == 4
    assert "epoch" not in again.err


def test_several_runs_get_a_summary(cli, tiny_recipe):
    ended = cli("run", tiny_recipe(), "--seeds", "4,9")
    assert "mean and standard deviation over seeds" in ended.out
    assert " ± " in ended.out
    assert "seed-4/report.md" in ended.out
    assert "seed-9/report.md" in ended.out


@pytest.mark.parametrize(("text", "expected"), [("3", [5, 6, 7]), ("1,7", [1, 7]), ("9,", [9]), (" 2 , 3 ", [2, 3])])
def test_seeds_count_up_from_the_recipe_s_first_or_are_listed(text, expected, monkeypatch, cli, tiny_recipe):
    seen = []
    monkeypatch.setattr("ercfw.experiment.run_all.run_jobs", lambda jobs, options, terminal: seen.extend(jobs) or [])
    assert cli("run", tiny_recipe(top="seeds = [5]\n"), "--seeds", text).code == 0
    assert list(seen[0].recipe.seeds) == expected


def test_ctrl_c_ends_with_one_line_and_1(monkeypatch, cli, tiny_recipe):
    def interrupted(jobs, options, terminal):
        raise KeyboardInterrupt

    monkeypatch.setattr("ercfw.experiment.run_all.run_jobs", interrupted)
    ended = cli("run", tiny_recipe())
    assert ended.code == 1
    assert "--resume continues" in ended.err


def test_validate_prints_variants_warnings_and_what_it_could_not_check(cli, tiny_recipe):
    recipe = tiny_recipe(VARIANT + "[loss.soft-hgr]\nweight = 0.1\n")
    ended = cli("validate", recipe)
    assert ended.code == 0
    assert ended.out.splitlines()[0] == f"{recipe}: valid (variants: 1)"
    assert "warning: variant 'w/o audio': [loss.soft-hgr] has no effect: its gradient is zero" in ended.out
    assert "not checked: the streams' files and values" in ended.out
    found = json.loads(cli("validate", recipe, "--json").out)
    assert found["variants"] == ["base", "w/o audio"]
    assert len(found["warnings"]) == len(found["unchecked"]) == 1


def test_show_is_a_recipe_that_means_the_same(cli, tiny_recipe, tmp_path):
    shown = cli("show", tiny_recipe(VARIANT), "--variant", "w/o audio", "train.lr=0.5", "--drop", "data.batch_size")
    (tmp_path / "shown.toml").write_text(shown.out)
    again = cli("show", "shown.toml")
    assert again.out == shown.out
    tables = json.loads(cli("show", "shown.toml", "--json").out)
    assert tables["data"]["modalities"] == ["text"]
    assert (tables["train"]["lr"], tables["data"]["batch_size"]) == (0.5, 32)


def test_ls_lists_recipes_and_components(cli):
    everything = json.loads(cli("ls", "--json").out)
    assert "multiemo_meld" in everything["recipes"]
    assert "swfc" in everything["loss"]
    assert json.loads(cli("ls", "fusion", "--json").out) == {"fusion": everything["fusion"]}
    assert cli("ls", "recipes").out.startswith("recipes: ")
    wrong = cli("ls", "fusionz")
    assert wrong.code == 2
    assert "did you mean 'fusion'?" in wrong.err


def test_plugins_lists_versions_and_offers(cli):
    found = {plugin["name"]: plugin for plugin in json.loads(cli("plugins", "--json").out)}
    assert found["multiemo"]["origin"] == "ercfw"
    assert "loss swfc" in found["multiemo"]["offers"]
    assert "loss swfc" in cli("plugins").out


def test_an_unknown_verb(cli):
    ended = cli("rnu")
    assert ended.code == 2
    assert "rnu" in ended.err


def test_resume_with_force_is_refused(cli, tiny_recipe):
    cli("run", tiny_recipe(), "--resume", "--force").check(2, "--resume and --force..one of them")


@pytest.mark.parametrize("verb", [["show"], ["show", "--graph"], ["extract"], ["tune"], ["missing"]])
def test_a_verb_about_one_variant_refuses_all_of_them(cli, tiny_recipe, verb):
    recipe = tiny_recipe(VARIANT)
    cli(*verb, recipe, "--variant", "all").check(2, "--variant: selects 2 variants, and one is needed (--variant base)")
