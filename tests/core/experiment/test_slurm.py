"""Jobs that Slurm refuses or cancels: stand-ins answer as its commands do."""

import os
import shutil

import pytest

from ercfw.errors import RunError
from ercfw.experiment.executors import Slurm
from ercfw.experiment.worker_process import Command

pytest.importorskip("submitit")

PARTITION = "sbatch: error: invalid partition specified: gpu2\nsbatch: error: Batch job submission failed: Invalid name"
CONTROLLER = "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"
WORDS = ("run.executor=slurm", "run.options.slurm_partition=gpu2", "--variant", "base", "--seeds", "3")


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """``slurm(sbatch=..., sacct=...)``: the lines of shell that the commands run; srun is there, too."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def commands(**lines):
        for name, line in {"srun": "", **lines}.items():
            path = folder / name
            path.write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/asked\n{line}\n")
            path.chmod(0o755)

    return commands


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (PARTITION, 2, "is refused: invalid partition specified: gpu2; Batch job submission failed: Invalid name"),
        ("sbatch: error: Batch job submission failed: Invalid account", 2, "Invalid account"),
        (CONTROLLER, 1, "the job is refused: Batch job submission failed: Unable to contact slurm controller"),
        ("", 2, "the job is refused: sbatch gives no reason"),
    ],
)
def test_a_refusal_ends_the_command_in_the_words_of_sbatch(cli, tiny_recipe, tmp_path, slurm, words, code, expected):
    slurm(sbatch=f"cat >&2 <<'X'\n{words}\nX\nexit 1")
    ended = cli("ablate", tiny_recipe(), *WORDS)
    ended.check(code, f"[run] executor = 'slurm': ..{expected}")
    assert "sbatch: error" not in ended.err
    assert "failed:" not in ended.out + ended.err.replace("submission failed:", "")
    assert (tmp_path / "asked").read_text().split() == ["sbatch"], "the other runs would be refused, too"


def test_a_search_whose_workers_are_refused_is_one_message(cli, tiny_recipe, slurm):
    pytest.importorskip("optuna")
    slurm(sbatch=f"cat >&2 <<'X'\n{PARTITION}\nX\nexit 1")
    recipe = tiny_recipe("[tune]\ntrials = 4\n[tune.space]\n'train.lr' = { low = 1e-3, high = 1e-1 }\n")
    cli("tune", recipe, "run.workers=2", *WORDS[:2]).check(2, "the job is refused: invalid partition specified: gpu2")


def test_an_answer_that_names_no_job(cli, tiny_recipe, slurm):
    slurm(sbatch="echo hello")
    cli("ablate", tiny_recipe(), *WORDS).check(2, "the job is refused: Could not make sense of sbatch output")


def test_a_machine_without_slurm(cli, tiny_recipe, monkeypatch):
    real = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "sbatch" else real(name))
    said = "[run] executor = 'slurm': srun and sbatch are not on this machine (run on a machine of the cluster"
    cli("ablate", tiny_recipe(), *WORDS).check(2, said)


def test_a_job_that_is_cancelled_fails_alone(tmp_path, slurm, monkeypatch):
    from submitit.core.core import Job

    monkeypatch.setattr(Job, "_results_timeout_s", 0)
    slurm(sbatch="echo Submitted batch job 7", sacct="printf 'JobID|State|NodeList\\n7|CANCELLED by 0|None\\n'")
    engine = Slurm(tmp_path / "jobs", 1, {})
    with pytest.raises(RunError, match=r"^Slurm job 7 ended without a result, as CANCELLED by 0; see .*7_0_log\.err$"):
        engine.run(Command("{}", str(tmp_path), 1))


def test_what_is_refused_after_a_job_was_accepted_fails_alone(tmp_path, slurm, monkeypatch):
    from submitit.core.core import Job

    monkeypatch.setattr(Job, "_results_timeout_s", 0)
    slurm(sbatch="echo Submitted batch job 8", sacct="printf 'JobID|State|NodeList\\n8|TIMEOUT|None\\n'")
    engine = Slurm(tmp_path / "jobs", 1, {})
    with pytest.raises(RunError, match="as TIMEOUT"):
        engine.run(Command("{}", str(tmp_path), 1))
    slurm(sbatch="echo 'sbatch: error: job submit limit' >&2; exit 1")
    for _ in range(2):
        with pytest.raises(RunError, match=r"^the job is refused: job submit limit$"):
            engine.run(Command("{}", str(tmp_path), 1))
    engine.stop()
    with pytest.raises(RunError, match="stopped"):
        engine.run(Command("{}", str(tmp_path), 1))
