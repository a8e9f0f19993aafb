"""What a run's recipe names outside the run's folder is told before a command reads it."""

from pathlib import Path

import pytest


def test_what_a_run_names_elsewhere_is_told(cli, tiny_recipe, tmp_path):
    assert cli("run", tiny_recipe()).code == 0
    run = Path("runs/tiny/base/seed-0")
    (tmp_path / "elsewhere").mkdir()
    words = {"report": ("report", run), "reproduce": ("reproduce", run, "--out", "again"),
             "run": ("run", run / "recipe.toml", "--out", "again2"),
             "predict": ("predict", run, "no.csv")}  # fmt: skip
    recipe = (run / "recipe.toml").read_text()
    (run / "recipe.toml").write_text(recipe.replace("[train]\n", f'[train]\ninit_from = "{tmp_path}/elsewhere"\n'))
    told = f"outside {run}, its recipe names train.init_from = {tmp_path}/elsewhere"
    for verb, command in words.items():
        assert told in cli(*command).err, verb
    inside = run / "inside"
    inside.mkdir()
    (run / "recipe.toml").write_text(recipe.replace("[train]\n", f'[train]\ninit_from = "{inside}"\n'))
    assert "outside" not in cli("report", run).err


@pytest.mark.parametrize(
    ("tables", "named"),
    [
        ({"data": {"root": "there"}}, ["data.root = there"]),
        ({"data": {"root": "run/data", "utterances": "../../there/x.csv"}}, ["data.utterances = ../../there/x.csv"]),
        ({"data": {"cues": "there/x.csv"}}, ["data.cues = there/x.csv"]),
        ({"features": {"text": {"file": "there/x.csv", "layers": ["there", 3]}}}, None),
        ({"title": "nothing", "teacher": {"run": "\0", "x": 5}, "plugins": ["there/x.csv"]}, []),
        ({"train": {"init_from": "run/link"}}, ["train.init_from = run/link"]),
    ],
)
def test_paths_that_lead_out_of_a_folder(tables, named, tmp_path):
    from ercfw.results.outside_paths import outside_paths

    for folder in ("there", "run/data"):
        Path(folder).mkdir(parents=True)
    Path("there/x.csv").touch()
    Path("run/link").symlink_to(tmp_path / "there")
    expected = ["features.text.file = there/x.csv", "features.text.layers = there"] if named is None else named
    assert list(outside_paths(tables, Path("run"))) == expected
