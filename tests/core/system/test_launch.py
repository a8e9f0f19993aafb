"""Processes that ``--processes`` starts: killed, stopped, refused."""

import signal
from pathlib import Path

import pytest
import torch

from ercfw.training.checkpoint import load_state
from tests import forked

PLUGIN = """
import os, signal
from ercfw import hookimpl

class Kills:
    calls = 0

    def __call__(self, true, probabilities, classes):
        Kills.calls += 1
        if Kills.calls == 2 and os.environ.get("RANK") == os.environ.get("KILL_RANK", "nobody's"):
            os.kill(os.getpid(), getattr(signal, os.environ["KILL_WITH"]))
            if "KILL_PARENT" in os.environ:
                os.kill(os.getppid(), signal.SIGTERM)
        return 0.5

@hookimpl
def provide_metrics():
    return {"kills": Kills()}
"""


@pytest.fixture
def recipe(tiny_recipe, plugin_file):
    plugin_file(PLUGIN + forked.NO_PICTURES)
    path = tiny_recipe("save_seconds = 0", top='plugins = ["./mine.py"]\n')
    path.write_text(path.read_text().replace("epochs = 1", "epochs = 4"))
    return path


def two(recipe, *words, **environment):
    """The exit code of the command in two processes, and what was said; only the processes are started from nothing."""
    return forked.run("run", recipe, "--processes", "2", *words, **environment)


@pytest.mark.slow
def test_a_process_that_is_killed_is_named_and_the_run_goes_on(recipe, tmp_path):
    code, said = two(recipe, KILL_RANK="1", KILL_WITH="SIGKILL")
    assert code == 1
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert errors == ["error: process 1 was ended by SIGKILL; the same command with --resume continues"]
    assert "Traceback" not in said
    resumed = forked.start_world(2, "run", recipe, "--resume", said="said")
    for process in resumed:
        process.join(timeout=60)
    said = Path("said").read_text()
    assert [process.exitcode for process in resumed] == [0, 0], said
    assert "resuming after epoch" in said
    assert len((tmp_path / "runs/tiny/base/seed-0/history.jsonl").read_text().splitlines()) == 4


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_what_is_left_of_torchrun_s_processes_says_one_thing(recipe, killed):
    processes = forked.start_world(2, "run", recipe, said="said", KILL_WITH="SIGKILL", KILL_RANK=str(killed))
    for process in processes:
        process.join(timeout=100)
    assert [process.exitcode for process in processes] == ([-9, 1] if killed == 0 else [1, -9])
    said = Path("said").read_text()
    errors = [line for line in said.splitlines() if line.startswith(("error: ", "stopped", "Traceback", "Exception"))]
    assert errors == (
        ["error: another process has ended (the launcher's report names it; the same command with --resume continues)"]
        if killed
        else []
    )


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_at_the_same_step(recipe, tmp_path):
    code, said = two(recipe, "train.save_seconds=1000", KILL_RANK="1", KILL_WITH="SIGTERM")
    assert code == 1
    assert said.count("stopped") == 1
    assert "Traceback" not in said
    assert "error: " not in said
    state = load_state(tmp_path / "runs/tiny/base/seed-0/state.safetensors")
    assert len(state["history"]) == 2
    assert state["underway"]["steps"] == 1


@pytest.mark.slow
def test_a_mistake_is_reported_once_and_keeps_its_exit_code(recipe):
    code, said = two(recipe, "train.epocs=3")
    assert code == 2
    (line,) = said.splitlines()
    assert "tiny.toml: [train] epocs: there is no such key" in line


def test_more_processes_than_gpus(cli, recipe, monkeypatch):
    """As each of the three meets it; a recipe for the CPU does not mind."""
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    cli("run", recipe, "train.device=auto").check(2, "--processes: 3 are asked for, but there are 2 GPUs")
    assert cli("run", recipe).code == 0


@pytest.mark.slow
def test_slurm_signals_the_launcher_and_its_processes(recipe, tmp_path):
    """So each process hears of it twice: by itself, and through the launcher."""
    code, said = two(recipe, "train.save_seconds=1000", KILL_RANK="1", KILL_WITH="SIGTERM", KILL_PARENT="yes")
    assert code == 1
    assert "Traceback" not in said
    assert (tmp_path / "runs/tiny/base/seed-0/state.safetensors").is_file()


def test_torchrun_has_said_how_many(cli, recipe, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    cli("run", recipe, "--processes", "2").check(2, "--processes: cannot be combined with torchrun")


@pytest.mark.parametrize("number", ["0", "-1", "65", "two"])
def test_a_number_of_processes_is_a_small_one(cli, recipe, number):
    ended = cli("run", recipe, f"--processes={number}")
    assert ended.code == 2
    assert "--processes" in ended.err


def test_one_process_is_no_launch(cli, recipe):
    assert cli("run", recipe, "--processes", "1").code == 0
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
