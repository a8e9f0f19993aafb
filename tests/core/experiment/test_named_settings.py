"""``--name``: settings of the command line have a name, which is that of their folder and of their line in tables."""

import json

import pytest

import ercfw

VARIANTS = """
[[variant]]
name = "only text"
set = { data = { modalities = ["text"] }, fusion = { use = "sum" } }
"""
SUM = ("fusion.use=sum", "--name", "Plain sum")


def test_settings_have_a_folder_and_a_line_of_their_name(cli, tiny_recipe, tmp_path):
    recipe = tiny_recipe(VARIANTS)
    assert cli("run", recipe).code == 0
    assert cli("run", recipe, *SUM).code == 0
    assert {path.name for path in (tmp_path / "runs/tiny").iterdir()} == {"base", "plain-sum"}
    again = cli("run", recipe, *SUM, "--json")
    assert "done before" in again.err
    assert json.loads(again.out)[0]["variant"] == "Plain sum"
    (table,) = json.loads(cli("compare", "runs/tiny", "--json").out)["tables"]
    assert [line["name"] for line in table["lines"]] == ["base", "Plain sum"]


def test_the_numbers_are_those_of_the_settings_without_a_name(cli, tiny_recipe, tmp_path):
    recipe = tiny_recipe(VARIANTS)
    words = ("run", recipe, "--variant", "only text", "train.lr=0.5", "--drop", "train.device", "--json")
    (plain,) = json.loads(cli(*words).out)
    (named,) = json.loads(cli(*words, "--name", "fast").out)
    assert named["variant"] == "only text, fast"
    assert named["folder"] == "runs/tiny/only-text-fast/seed-0"
    assert named["scores"] == plain["scores"]
    keys = [(tmp_path / run["folder"] / "key.txt").read_text() for run in (plain, named)]
    assert keys[0] == keys[1]


@pytest.mark.slow
@pytest.mark.usefixtures("forked_workers")
def test_an_ablation_has_its_settings_names(cli, tiny_recipe):
    ended = cli("ablate", tiny_recipe(VARIANTS), "train.lr=0.5", "--name", "fast", "--seeds", "1", "--json")
    assert ended.code == 0, ended.err
    (table,) = json.loads(ended.out)["tables"]
    assert [line["name"] for line in table["lines"]] == ["fast", "only text, fast"]


def test_a_call_names_its_settings(tiny_recipe):
    (run,) = ercfw.run(tiny_recipe(), "fusion.use=sum", name="和")
    assert run.metrics.variant == "和"
    assert run.folder.parent.name == "和"


@pytest.mark.parametrize("verb", ["run", "ablate", "tune"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Only-text", "name 'Only-text': 'Only-text' and 'only text' would share the folder 'only-text'"),
        ("base", "name 'base': 'base' and 'base' would share the folder 'base' (choose another name)"),
        ("all", "name 'all': 'all' is reserved"),
        ("", "name '': the name '' contains no letter"),
        ("x" * 300, "is too long to name a folder"),
    ],
)
def test_a_name_that_cannot_be(cli, tiny_recipe, verb, name, message):
    cli(verb, tiny_recipe(VARIANTS), "fusion.use=sum", "--name", name).check(2, message)
