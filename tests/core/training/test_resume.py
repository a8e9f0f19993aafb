"""Runs that are stopped: killed, interrupted, resumed, refused, started again, done before, on other data."""

import json
import os
import signal
import subprocess
import sys

import pytest

from ercfw.training.checkpoint import load_state

STOPS = '''
import os, signal
from ercfw import hookimpl


@hookimpl
def epoch_finished(folder, epoch):
    if str(epoch["epoch"]) == os.environ.get("STOP_AFTER"):
        os.kill(os.getpid(), getattr(signal, os.environ["STOP_WITH"]))


class Stops:
    """A metric that stops the process in the middle of an epoch, when dev is scored."""

    calls = 0

    def __call__(self, true, probabilities, classes):
        Stops.calls += 1
        if str(Stops.calls) == os.environ.get("STOP_IN"):
            for _ in range(int(os.environ.get("STOP_TIMES", 1))):
                os.kill(os.getpid(), getattr(signal, os.environ["STOP_WITH"]))
        return 0.5


@hookimpl
def provide_metrics():
    return {"stops": Stops()}
'''
MORE = 'save_seconds = 0\nepochs = 5\nschedule = "plateau"\nplateau_patience = 0\nwarmup = 1.5\nweight_decay = 0.1'


@pytest.fixture
def recipe(tiny_recipe, plugin_file):
    """A recipe whose plugin stops the run where the environment says; with dropout, so that random numbers matter."""
    plugin_file(STOPS, "stops")
    path = tiny_recipe(MORE.replace("epochs = 5\n", ""), top='plugins = ["./stops.py"]\n')
    path.write_text(
        path.read_text().replace("epochs = 1", "epochs = 5").replace("width = 8\n\n", "width = 8\ndropout = 0.3\n\n")
    )
    return path


def left(folder):
    """All that must be the same, bit for bit."""
    metrics = json.loads((folder / "metrics.json").read_text())
    for changing in ("seconds", "folder", "peak_memory"):
        del metrics[changing]
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    for line in history:
        del line["seconds"]
    files = {name: (folder / name).read_bytes() for name in ("model.safetensors", "predictions.csv", "recipe.toml")}
    return metrics, history, files


@pytest.fixture
def whole(cli, recipe, once, tmp_path):
    """What a run leaves that nothing stopped."""

    def run():
        ended = cli("run", recipe, "--out", "whole")
        assert ended.code == 0, ended.err
        return left(tmp_path / "whole/tiny/base/seed-0")

    return once(run)


@pytest.mark.slow
def test_killed_and_resumed_is_the_same_as_never_stopped(cli, recipe, whole, tmp_path):
    folder = tmp_path / "runs/tiny/base/seed-0"
    environment = {**os.environ, "STOP_AFTER": "2", "STOP_WITH": "SIGKILL", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "ercfw", "run", str(recipe)]
    killed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert "epoch 1/5" in killed.stderr
    assert len(load_state(folder / "state.safetensors")["history"]) == 2
    assert not (folder / "metrics.json").exists()

    refused = cli("run", recipe)
    assert refused.code == 2
    assert "--resume continues it, --force starts anew" in refused.err

    (folder / ".state.safetensors.1.tmp").write_bytes(b"half a file of the killed run")
    resumed = cli("run", recipe, "--resume")
    assert resumed.code == 0, resumed.err
    assert "resuming after epoch 2" in resumed.err
    assert "epoch 2/5" not in resumed.err
    assert left(folder) == whole
    assert not (folder / "state.safetensors").exists()
    assert not list(folder.glob(".*"))


@pytest.fixture(params=["SIGINT", "SIGTERM"])
def interrupt(monkeypatch, request):
    """The signals of Ctrl-C and of a scheduler."""
    monkeypatch.setenv("STOP_WITH", request.param)
    return monkeypatch


SELDOM = "train.save_seconds=1000"


def test_ctrl_c_ends_in_one_message_and_nothing_is_lost(cli, recipe, interrupt, tmp_path):
    """The signal comes while the fourth epoch is scored; the run stops after the first step of the fifth."""
    interrupt.setenv("STOP_IN", "4")  # Stops.calls begins anew with the plugin
    stopped = cli("run", recipe, SELDOM)
    assert stopped.code == 1
    assert "Traceback" not in stopped.err
    (message,) = [line for line in stopped.err.splitlines() if "stopped" in line]
    assert "--resume continues" in message
    folder = tmp_path / "runs/tiny/base/seed-0"
    state = load_state(folder / "state.safetensors")
    assert len(state["history"]) == 4
    assert state["underway"]["steps"] == 1
    interrupt.delenv("STOP_IN")
    resumed = cli("run", recipe, SELDOM, "--resume")
    assert resumed.code == 0
    assert "resuming after epoch 4, step 1 of the next" in resumed.err
    assert cli("run", recipe, SELDOM, "--out", "whole").code == 0
    assert left(folder) == left(tmp_path / "whole/tiny/base/seed-0")


def test_a_second_ctrl_c_does_not_wait_but_a_second_sigterm_does(cli, recipe, whole, interrupt, tmp_path):
    """Before anything was saved, the run simply begins again."""
    interrupt.setenv("STOP_IN", "1")
    interrupt.setenv("STOP_TIMES", "2")
    assert cli("run", recipe, SELDOM).code == 1
    saved = (tmp_path / "runs/tiny/base/seed-0/state.safetensors").exists()
    assert saved == (os.environ["STOP_WITH"] == "SIGTERM")
    if saved:
        return
    interrupt.delenv("STOP_IN")
    assert cli("run", recipe).code == 0
    assert left(tmp_path / "runs/tiny/base/seed-0") == whole


def test_force_starts_anew(cli, recipe, whole, interrupt, tmp_path):
    interrupt.setenv("STOP_AFTER", "2")
    assert cli("run", recipe).code == 1
    interrupt.delenv("STOP_AFTER")
    forced = cli("run", recipe, "--force")
    assert forced.code == 0
    assert "epoch 1/5" in forced.err
    assert left(tmp_path / "runs/tiny/base/seed-0") == whole


def cut(state):
    state.write_bytes(state.read_bytes()[:-100])


def flip(state):
    content = bytearray(state.read_bytes())
    content[-20] ^= 4
    state.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip, lambda state: state.write_bytes(b"")], ids=["cut", "flipped", "empty"])
def test_a_damaged_state_is_reported_and_the_one_before_is_used(cli, recipe, whole, interrupt, tmp_path, damage):
    interrupt.setenv("STOP_AFTER", "2")
    assert cli("run", recipe).code == 1
    interrupt.delenv("STOP_AFTER")
    folder = tmp_path / "runs/tiny/base/seed-0"
    damage(folder / "state.safetensors")
    resumed = cli("run", recipe, "--resume")
    assert resumed.code == 0, resumed.err
    assert "warning: " in resumed.err
    assert "state.safetensors: cannot be" in resumed.err
    assert "resuming from the previous checkpoint" in resumed.err
    assert "resuming after epoch 2\n" in resumed.err
    assert left(folder) == whole


def test_two_damaged_states_are_one_message(cli, recipe, interrupt, tmp_path):
    interrupt.setenv("STOP_AFTER", "1")
    assert cli("run", recipe).code == 1
    interrupt.delenv("STOP_AFTER")
    for name in ("state", "state.previous"):
        flip(tmp_path / f"runs/tiny/base/seed-0/{name}.safetensors")
    hint = "cannot be trusted: ..hash that it was written with (--force starts anew)"
    ended = cli("run", recipe, "--resume")
    ended.check(2, f"/state.safetensors: {hint}", f"state.previous.safetensors: {hint}")


def test_a_finished_run_is_said_to_be_done_and_left_alone(cli, tiny_recipe, tmp_path):
    recipe, folder = tiny_recipe(), tmp_path / "runs/tiny/base/seed-0"
    first = cli("run", recipe, "--json")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    second = cli("run", recipe, "--json")
    assert second.code == 0
    assert "done before; --force runs it again" in second.err
    assert json.loads(second.out) == json.loads(first.out)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before
    forced = cli("run", recipe, "--force")
    assert "epoch 1/1" in forced.err
    assert (folder / "metrics.json").stat().st_mtime_ns > before[folder / "metrics.json"][1]


def test_another_recipe_of_the_same_name_has_a_folder_of_its_own(cli, tiny_recipe, tmp_path):
    recipe = tiny_recipe()
    assert cli("run", recipe).code == 0
    assert cli("run", recipe, "train.lr=0.5").code == 0
    assert cli("run", recipe, "train.lr=0.5", "--seeds", "3,").code == 0
    assert cli("run", recipe, "--seeds", "3,").code == 0
    found = sorted(str(path.parent.relative_to(tmp_path / "runs/tiny")) for path in tmp_path.rglob("metrics.json"))
    (other,) = {name.split("/")[0] for name in found} - {"base"}
    assert found == [f"{other}/seed-0", f"{other}/seed-3", "base/seed-0", "base/seed-3"]
    key = (tmp_path / "runs/tiny" / other / "seed-0/key.txt").read_text().strip()
    assert other == f"base-{key[:8]}"


def test_a_run_on_other_data_is_not_taken_for_this_one(cli, tiny_recipe, tmp_path):
    """As when a corpus is put where its simulated stand-in was used before, or a file of it is changed."""
    recipe, folder = tiny_recipe(), tmp_path / "runs/tiny/base/seed-0"
    assert cli("run", recipe).code == 0
    environment = json.loads((folder / "environment.json").read_text())
    environment["data"]["source"] = "MELD, 13708 utterances"
    (folder / "environment.json").write_text(json.dumps(environment))
    for words in ((), ("--resume",)):
        ended = cli("run", recipe, *words)
        assert ended.code == 2
        assert "was run on other data: MELD, 13708 utterances; now it is simulated" in ended.err
    assert cli("run", recipe, "--force").code == 0
