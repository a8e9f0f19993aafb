"""What a command names is looked for where the command is typed; what a recipe names, where the recipe is."""

from pathlib import Path

import pytest

from ercfw.experiment.ablate import plan_ablation, plan_missing
from ercfw.experiment.arguments import make_selection, open_recipe
from ercfw.experiment.plan import plan_job
from ercfw.registry.trust import PluginFiles

PLUGIN = """
from ercfw import hookimpl

@hookimpl
def provide_metrics():
    return {{"{0}": lambda true, probabilities, classes: 0.5}}
"""


def write_plugin(path: Path, metric: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(PLUGIN.format(metric))


@pytest.fixture
def recipe(tiny_recipe, tmp_path):
    """A recipe in a folder of its own, with a plugin file beside it."""
    write_plugin(tmp_path / "recipes/beside.py", "beside")
    return tiny_recipe().rename(tmp_path / "recipes/tiny.toml")


def metrics(recipe, paths):
    source = open_recipe(recipe)
    job = plan_job(source, make_selection(source, [{"plugins": paths}], plugin_files=PluginFiles.TRUST))
    return {"here", "beside"} & set(job.catalog.names("metric"))


def test_a_plugin_file_is_looked_for_here_first(recipe, tmp_path):
    write_plugin(tmp_path / "mine.py", "here")
    assert metrics(recipe, ["mine.py"]) == {"here"}
    assert metrics(recipe, ["./mine.py", "beside.py"]) == {"here", "beside"}
    write_plugin(tmp_path / "recipes/mine.py", "beside")
    assert metrics(recipe, ["mine.py"]) == {"here"}


def test_the_model_names_the_run_s_copy_of_a_plugin_file_and_no_path_of_the_machine(cli, recipe, tmp_path):
    write_plugin(tmp_path / "mine.py", "here")
    ended = cli("run", recipe, "plugins=['mine.py']", "--trust")
    assert ended.code == 0, ended.err
    model = (tmp_path / "runs/tiny/base/seed-0/model.safetensors").read_bytes()
    assert str(tmp_path).encode() not in model
    assert b"plugins/mine_" in model


def test_a_plugin_file_that_is_nowhere_is_one_message(cli, recipe):
    cli("run", recipe, "plugins=['no.py']", "--trust").check(2, "tiny.toml: plugins: there is no file ..no.py")


@pytest.mark.parametrize("plan", [plan_ablation, plan_missing])
def test_an_ablation_has_the_seeds_of_its_recipe(plan, tiny_recipe, tmp_path):
    def seeds(top="", **words):
        source = open_recipe(tiny_recipe(top=top))
        return sorted({task.seed for task in plan(source, make_selection(source, **words), tmp_path / "out")})

    assert seeds() == [0, 1, 2, 3, 4], "nobody names any"
    assert seeds("seeds = [7, 9]\n") == [7, 9]
    assert seeds("seeds = [7, 9]\n", seeds=[1]) == [1]
    assert seeds(overrides=["seeds=[3]"]) == [3]
