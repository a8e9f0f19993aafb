"""A plugin file runs only if the user has trusted its content on this machine; a canary file shows what ran."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ercfw
from ercfw.errors import InputError
from ercfw.registry.trust import LIST, trusted
from ercfw.system.tensor_file import load_tensors, save_tensors
from tests.conftest import TINY_RECIPE

CODE = """
from pathlib import Path
Path("canary").write_text("ran")

import torch
from ercfw import Fused, FusionBlock, hookimpl

class Mine(FusionBlock):
    def __init__(self, dims, info, *, width: int = 4):
        super().__init__(dims, info)
        self.join = torch.nn.Linear(sum(dims.values()), width)
        self.out_dim = width

    def forward(self, streams, inputs):
        return Fused(self.join(torch.cat(list(streams.values()), 1)), {})

@hookimpl
def provide_fusions():
    return {"mine": Mine}
"""


@pytest.fixture
def canary(tmp_path):
    """A file that exists once a plugin file was executed."""
    return tmp_path / "canary"


@pytest.fixture
def stranger(cli, once, tmp_path, monkeypatch):
    """A folder from a stranger: a recipe with a plugin file, and a finished run; nothing of it is trusted here."""
    folder = Path("stranger")

    def make():
        folder.mkdir()
        (folder / "mine.py").write_text(CODE)
        recipe = 'plugins = ["./mine.py"]\n' + TINY_RECIPE.format(data="", more="").replace('"concat"', '"mine"')
        (folder / "shared.toml").write_text(recipe)
        monkeypatch.setenv("ERCFW_STATE", str(tmp_path / "theirs"))
        ended = cli("run", folder / "shared.toml", "--out", folder / "runs", "--trust")
        assert ended.code == 0, ended.err
        Path("canary").unlink()

    once(make)
    monkeypatch.setenv("ERCFW_STATE", str(tmp_path / "ours"))
    return folder


@pytest.fixture
def run_folder(stranger):
    return stranger / "runs" / "shared" / "base" / "seed-0"


VERBS = {
    "run": ("run", "{recipe}", "--out", "again"),
    "resume": ("run", "{recipe}", "--out", "{stranger}/runs", "--resume"),
    "run its own recipe": ("run", "{run}/recipe.toml", "--out", "again"),
    "validate": ("validate", "{recipe}"),
    "show a graph": ("show", "{recipe}", "--graph"),
    "ablate": ("ablate", "{recipe}", "--seeds", "1", "--out", "again"),
    "tune": ("tune", "{recipe}", "--out", "again"),
    "extract": ("extract", "{recipe}"),
    "check data": ("data", "check", "{recipe}"),
    "data stats": ("data", "stats", "{recipe}"),
    "data cues": ("data", "cues", "{recipe}", "--names", "volume"),
    "reproduce": ("reproduce", "{run}", "--out", "again"),
    "predict": ("predict", "{run}", "table.csv"),
    "init_from": ("run", "{recipe}", "train.init_from={run}/model.safetensors", "--out", "again"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_runs_a_stranger_s_code(verb, cli, stranger, run_folder, canary):
    places = {"recipe": stranger / "shared.toml", "run": run_folder, "stranger": stranger}
    ended = cli(*(word.format(**places) for word in VERBS[verb]))
    assert not canary.exists()
    assert ended.code == 2
    (message,) = [line for line in ended.errors if "not trusted" in line]
    assert "mine" in message
    assert "sha256 " in message
    assert "--trust" in message
    assert "ercfw trust " in message


READERS = {
    "report": ("report", "{run}"),
    "compare": ("compare", "{run}", "{other}"),
    "ensemble": ("ensemble", "{run}", "{other}", "--out", "together"),
    "show": ("show", "{recipe}"),
    "show a run": ("show", "{run}/recipe.toml"),
}


@pytest.mark.parametrize("verb", READERS)
def test_what_can_be_told_without_the_code_is_told(verb, cli, stranger, run_folder, canary, tiny_recipe):
    assert cli("run", tiny_recipe(), "--out", "runs").code == 0
    places = {"recipe": stranger / "shared.toml", "run": run_folder, "other": Path("runs/tiny/base/seed-0")}
    ended = cli(*(word.format(**places) for word in READERS[verb]))
    assert ended.code == 0, ended.err
    assert not canary.exists()


def test_a_report_says_what_it_lacks(cli, stranger, run_folder):
    assert cli("report", run_folder).code == 0
    page = (run_folder / "report.html").read_text(encoding="utf-8")
    assert "is not trusted on this machine" in page
    assert cli("report", run_folder, "--trust").code == 0
    assert "is not trusted on this machine" not in (run_folder / "report.html").read_text(encoding="utf-8")


def test_validate_reports_other_mistakes_too(cli, stranger, canary):
    ended = cli("validate", stranger / "shared.toml", "encoder.default.wide=8")
    ended.check(2, "..mine.py is not trusted..", "..wide..no such..")
    assert not canary.exists()


def test_show_prints_what_is_written(cli, stranger):
    ended = cli("show", stranger / "shared.toml", "--json")
    assert json.loads(ended.out)["fusion"] == {"use": "mine"}
    assert "the defaults of parts from plugin files are missing" in ended.err
    assert json.loads(cli("show", stranger / "shared.toml", "--json", "--trust").out)["fusion"]["width"] == 4


def test_trust_once_and_for_all_by_content(cli, stranger, run_folder, canary):
    assert cli("validate", stranger / "shared.toml", "--trust").code == 0
    assert canary.exists()
    assert cli("validate", stranger / "shared.toml").code == 0
    assert cli("reproduce", run_folder, "--out", "again").code == 0  # the run holds a copy of the same content
    with (stranger / "mine.py").open("a") as file:
        file.write("# changed\n")
    cli("validate", stranger / "shared.toml").check(2, "..is not trusted..")


def test_the_command_trust(cli, stranger, run_folder, canary):
    ended = cli("trust", stranger)
    assert ended.code == 0
    assert ended.out.count("trusted: ") == 2  # the recipe's file, and the copy of the run
    assert not canary.exists()
    assert cli("validate", stranger / "shared.toml").code == 0
    (listed,) = cli("trust").out.splitlines()
    assert listed.split()[0] == next(iter(trusted()))
    assert cli("trust", "--forget", stranger / "mine.py").code == 0
    assert cli("trust").out == ""
    cli("reproduce", run_folder, "--out", "again").check(2, "..is not trusted..")


@pytest.mark.parametrize("place", ["mine.py", "shared.toml", "runs", "runs/shared/base/seed-0/recipe.toml"])
def test_every_place_that_can_be_trusted(place, cli, stranger, run_folder):
    assert cli("trust", stranger / place).code == 0
    assert cli("validate", stranger / "shared.toml").code == 0


def test_a_place_without_a_plugin_file(cli, tiny_recipe, tmp_path):
    cli("trust", tiny_recipe()).check(2, "..names no plugin file..")
    cli("trust", tmp_path / "nowhere").check(2, "..there is no such file or folder..")
    cli("trust", "--forget").check(2, "--forget: names no plugin file..")


def test_refusing_runs_nothing_even_if_trusted(cli, stranger, run_folder, canary):
    assert cli("trust", stranger).code == 0
    for words in (("validate", stranger / "shared.toml"), ("predict", run_folder, "table.csv")):
        ended = cli(*words, "--no-plugin-files")
        assert ended.code == 2
        assert not canary.exists()


def test_load_is_off_by_default(stranger, run_folder, canary):
    with pytest.raises(InputError, match="is not trusted on this machine: sha256"):
        ercfw.load(run_folder)
    assert not canary.exists()
    assert ercfw.load(run_folder, trust=True).plugin_files
    assert canary.exists()
    ercfw.load(run_folder)
    with pytest.raises(InputError, match="contradict"):
        ercfw.load(run_folder, allow_plugin_files=False, trust=True)


@pytest.mark.parametrize("call", [ercfw.run, ercfw.ablate])
def test_calls_from_python_stop_too(call, stranger, canary):
    with pytest.raises(InputError, match="is not trusted"):
        call(stranger / "shared.toml", out="again")
    assert not canary.exists()


def test_another_run_that_a_recipe_names_is_not_trusted_with_it(cli, stranger, run_folder, canary, tiny_recipe):
    teacher = f'\n[teacher]\nrun = "{run_folder}"\nplugin_files = true\n\n[loss.distillation]\n'
    recipe = tiny_recipe(teacher)
    cli("run", recipe).check(2, "..is not trusted on this machine..")
    assert not canary.exists()
    assert cli("trust", run_folder).code == 0
    assert cli("run", recipe).code == 0


def test_an_encoder_of_another_run_is_not_trusted(cli, stranger, run_folder, canary, tiny_recipe):
    features = f'\n[features.text]\nuse = "trained-encoder"\nrun = "{run_folder}"\nplugin_files = true\n'
    cli("run", tiny_recipe(features)).check(2, "..is not trusted on this machine..")
    assert not canary.exists()


@pytest.mark.parametrize("escape", ["../../../../../planted.py", "{absolute}"])
def test_paths_out_of_the_folder_are_not_trusted_either(escape, cli, stranger, run_folder, canary, tmp_path):
    planted = tmp_path / "planted.py"
    planted.write_text(CODE + "# another\n")
    name = escape.format(absolute=planted)
    recipe = run_folder / "recipe.toml"
    (named,) = [line for line in recipe.read_text().splitlines() if line.startswith("plugins")]
    recipe.write_text(recipe.read_text().replace(named, f'plugins = ["{name}"]'))
    cli("run", recipe, "--out", "again").check(2, "..planted.py is not trusted..")
    tensors, about = load_tensors(run_folder / "model.safetensors")
    save_tensors(run_folder / "model.safetensors", tensors, {**about, "plugin_files": [name]})
    cli("predict", run_folder, "table.csv").check(2, "..planted.py is not trusted..")
    assert not canary.exists()


def test_what_was_read_is_what_runs(stranger, canary):
    """A file that changes after it was checked is not executed."""
    from ercfw.registry.plugin_file import read_plugin_file

    file = read_plugin_file(stranger / "mine.py")
    (stranger / "mine.py").write_text("1 / 0")
    file.execute()
    assert canary.exists()


def test_a_new_file_and_a_checked_one_are_trusted(cli, tmp_path):
    assert cli("new", "plugin", "my-gate", "--kind", "fusion", "--single-file").code == 0
    assert cli("validate", "my_gate.toml").code == 0
    with Path("my_gate.py").open("a") as file:
        file.write("\n# changed\n")
    cli("validate", "my_gate.toml").check(2, "..is not trusted..")
    assert cli("check", "fusion/my-gate", "--plugin", "my_gate.py").code == 0
    assert cli("validate", "my_gate.toml").code == 0


def test_a_damaged_list_trusts_nothing_more(cli, stranger, monkeypatch, tmp_path):
    (tmp_path / "ours").mkdir(exist_ok=True)
    (tmp_path / "ours" / LIST).write_bytes(b"\xff\xfe\x00 nonsense\n" + b"0" * 64 + b"  \x1b[31mred\n")
    cli("validate", stranger / "shared.toml").check(2, "..is not trusted..")
    assert "\x1b" not in cli("trust").out


def test_a_list_that_cannot_be_written(cli, stranger, canary, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ERCFW_STATE", str(tmp_path / "file"))
    ended = cli("validate", stranger / "shared.toml", "--trust")
    assert ended.code == 1
    assert "ERCFW_STATE" in ended.err
    assert not canary.exists()


@pytest.mark.slow
def test_workers_run_what_was_trusted(stranger, tmp_path):
    shutil.rmtree(stranger / "runs")
    words = ["ablate", stranger / "shared.toml", "--seeds", "2", "--out", tmp_path / "again", "--trust"]
    subprocess.run([sys.executable, "-m", "ercfw", *words], check=True)
    assert len(list((tmp_path / "again").rglob("metrics.json"))) == 2
