"""A worker's request and result: typed, as JSON, and all that the worker needs to know."""

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from ercfw.experiment.plan import Selection
from ercfw.experiment.request import RunRequest, SearchRequest, WorkerResult, read_request
from ercfw.experiment.worker import main
from ercfw.experiment.worker_process import Command, run_command
from ercfw.recipe.recipe_file import RecipeFile, read_toml
from ercfw.registry.trust import PluginFiles

VARIANT = '[[variant]]\nname = "w/o audio"\nset = { data = { modalities = ["text"] } }\n'


def request_for(recipe, variant="base", seed=0, **selected):
    return RunRequest.make(read_toml(recipe), Selection((variant,), **selected), variant, Path("worker"), seed=seed)


def fulfil(request):
    Path("request.json").write_text(request.model_dump_json())
    code = main(Path("request.json"), Path("result.json"))
    result = WorkerResult.model_validate_json(Path("result.json").read_text())
    assert result.exit_code == code
    return result


def test_a_worker_leaves_what_the_command_leaves(cli, tiny_recipe):
    recipe = tiny_recipe(VARIANT)
    request = request_for(recipe, "w/o audio", 3, overrides={"train": {"lr": 0.1}}, dropped=("data.batch_size",))
    assert fulfil(request) == WorkerResult(exit_code=0)
    words = ("--variant", "w/o audio", "--seeds", "3,", "train.lr=0.1", "--drop", "data.batch_size")
    assert cli("run", recipe, *words, "--out", "command").code == 0
    for name in ("model.safetensors", "predictions.csv", "recipe.toml", "key.txt"):
        path = f"tiny/w-o-audio/seed-3/{name}"
        assert Path("worker", path).read_bytes() == Path("command", path).read_bytes()


def test_a_worker_runs_the_recipe_that_its_parent_read(tiny_recipe):
    recipe = tiny_recipe()
    request = request_for(recipe)
    recipe.write_text("no recipe any more")
    assert fulfil(request).exit_code == 0


def test_mistakes_and_failures_are_reported_as_messages(tiny_recipe, capsys):
    wrong = fulfil(request_for(tiny_recipe(), overrides={"train": {"lr": -1, "lrr": 1}}))
    assert wrong.exit_code == 2
    assert [message.split(": ")[1] for message in wrong.errors] == ["[train] lr", "[train] lrr"]
    failed = fulfil(request_for(tiny_recipe(), overrides={"train": {"lr": 1e38, "clip": 1e38}}))
    assert failed.exit_code == 1
    assert len(failed.errors) == 1
    assert "worker/tiny/base" in failed.errors[0]
    assert "error: worker/tiny/base" in capsys.readouterr().err


def test_a_worker_obeys_a_refusal_of_plugin_files(tiny_recipe, tmp_path):
    (tmp_path / "mine.py").write_text("open('ran', 'w')\n")
    recipe = tiny_recipe(top="plugins = ['mine.py']\n")
    refused = fulfil(request_for(recipe, plugin_files=PluginFiles.REFUSE))
    assert refused.exit_code == 2
    assert "--no-plugin-files forbids plugin files" in refused.errors[0]
    assert not Path("ran").exists()


@pytest.mark.slow
def test_a_crash_leaves_no_result_and_its_traceback(tiny_recipe):
    request = request_for(tiny_recipe()).model_dump_json().replace('"kind":"run"', '"kind":"walk"')
    ended = run_command(Command(request, str(Path.cwd()), 1))
    assert ended.exit_code == 1
    assert ended.result is None
    assert ended.errors == ()
    assert "ValidationError" in ended.stderr


def test_requests_survive_json_exactly():
    odd = {"a": float("inf"), "b": 1e-300, "c": 2**62, "d": [0.1, {"é": "\u2028"}], "e": datetime.date(2020, 1, 2)}
    source = RecipeFile(Path("odd.toml"), odd)
    for request in (
        RunRequest.make(source, Selection(), "base", Path("runs"), seed=2**32 - 1),
        SearchRequest.make(source, Selection(dropped=["x"]), "base", Path("runs"), storage=None).with_seed(5),
    ):
        again = read_request(request.model_dump_json())
        assert again == request
        assert type(again) is type(request)
        assert again.tables == {**odd, "e": "2020-01-02"}


@pytest.mark.parametrize("change", [{"seed": "x"}, {"kind": "walk"}, {"more": 1}, {"tables": 5}])
def test_what_is_no_request(change, tiny_recipe):
    tables = json.loads(request_for(tiny_recipe()).model_dump_json())
    with pytest.raises(ValidationError):
        read_request(json.dumps({**tables, **change}))


def test_torch_is_loaded_after_the_process_is_set_up():
    code = "import sys, ercfw.experiment.worker; print('torch' in sys.modules, 'numpy' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert ended.stdout.split() == ["False", "False"]
