"""``~`` is the home folder wherever a path may stand: no shell expands it in TOML, or behind ``=``."""

import pytest

import ercfw
from ercfw.experiment.arguments import make_selection, open_recipe
from ercfw.experiment.plan import plan_job
from ercfw.recipe.home_paths import with_home

TABLE = "conversation,utterance,speaker,text,label,split\na,0,A,Hi,joy,train\nb,0,A,Hi,sad,dev\nc,0,A,Hi,sad,test\n"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    (folder / "corpus").mkdir(parents=True)
    (folder / "corpus" / "utterances.csv").write_text(TABLE)
    monkeypatch.setenv("HOME", str(folder))
    return folder


def test_values_of_a_recipe_that_begin_with_the_home_folder(home):
    tables = {"title": "a ~/b", "data": {"root": "~/corpus", "files": ["~/a.csv", "b~/c"]}, "seeds": [1]}
    expanded = {"title": "a ~/b", "data": {"root": f"{home}/corpus", "files": [f"{home}/a.csv", "b~/c"]}, "seeds": [1]}
    assert with_home(tables) == expanded
    assert with_home({"label": "~joy", "other": "~nobody-here/x"}) == {"label": "~joy", "other": "~nobody-here/x"}


def test_paths_of_parts_of_the_core_and_of_variants(home, tiny_recipe):
    variant = '[[variant]]\nname = "v"\nset = { train = { init_from = "~/runs/a" } }\n'
    source = open_recipe(tiny_recipe(variant))
    job = plan_job(source, make_selection(source, ["features.text.file=~/f.npy"], variants="v"))
    assert job.recipe.features["text"].file == f"{home}/f.npy"
    assert job.recipe.train.init_from == f"{home}/runs/a"
    assert job.tables["train"]["init_from"] == f"{home}/runs/a"


def test_settings_arguments_and_options_of_the_command_line(cli, home, tiny_recipe):
    assert cli("data", "stats", "table", "data.root=~/corpus").code == 0
    recipe = tiny_recipe()
    recipe.rename(home / "mine.toml")
    assert cli("run", "~/mine.toml", "--out=~/runs", "--quiet").code == 0
    assert (home / "runs" / "mine" / "base" / "seed-0" / "metrics.json").is_file()
    ended = cli("predict", "~/runs/mine/base/seed-0", "--features", "text=~/no.npy")
    assert f"{home}/no.npy" in ended.err


def test_paths_given_to_python(home, tiny_recipe):
    (run,) = ercfw.run(tiny_recipe(), "train.epochs=1", out="~/runs")
    assert run.folder.is_relative_to(home / "runs")
    assert ercfw.load(f"~/{run.folder.relative_to(home)}").plugin_files == ()
