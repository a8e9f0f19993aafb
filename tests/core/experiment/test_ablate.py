"""``ercfw ablate``: real processes; what fails does not stop the rest, what is done is not done again."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from ercfw.experiment.request import read_request

VARIANTS = """
[[variant]]
name = "w/o audio"
set = { data = { modalities = ["text"] } }

[[variant]]
name = "breaks"
set = { train = { lr = 1e38, clip = 1e38 } }
"""
SCORES = ("line", "score", "mean", "deviation", "best", "difference", "low", "high", "p")


def scores(folder):
    with (folder / "ablation.csv").open(newline="") as file:
        return [{key: row[key] for key in SCORES} for row in csv.DictReader(file)]


def start(*words):
    command = [sys.executable, "-m", "ercfw", "ablate", *map(str, words)]
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def wait_for(condition, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "nothing happened"
        time.sleep(0.05)


def request_of(worker):
    return read_request(Path(worker.cmdline()[-2]).read_text())


def done(folder):
    return sorted(folder.glob("*/seed-*/metrics.json"))


@pytest.mark.slow
def test_a_failure_is_reported_and_the_other_runs_continue(cli, tiny_recipe, tmp_path):
    words = ("ablate", tiny_recipe(VARIANTS), "--variant", "breaks", "--variant", "base", "--seeds", "1")
    ended = cli(*words, "--json")
    assert ended.code == 1
    printed = json.loads(ended.out)
    assert set(printed["failures"]) == {"breaks, seed 0"}
    assert all("is nan" in why or "is inf" in why for why in printed["failures"].values()), printed["failures"]
    (table,) = printed["tables"]
    assert [line["name"] for line in table["lines"]] == ["base"]
    assert "Failed, and not in the table: breaks, seed 0." in table["notes"]
    assert (tmp_path / "runs/tiny/breaks/seed-0/failed.log").read_text()
    assert "breaks, seed 0: failed" in ended.err
    before = {path: path.stat().st_mtime_ns for path in done(tmp_path / "runs/tiny")}
    assert len(before) == 1
    again = cli(*words, "--variant", "w/o audio")
    assert "1 of 3 runs were done before" in again.err
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())


@pytest.mark.slow
def test_two_seeds_are_what_two_commands_leave(cli, tiny_recipe, tmp_path):
    recipe = tiny_recipe()
    assert cli("ablate", recipe, "--seeds", "2").code == 0
    for seed in (0, 1):
        assert cli("run", recipe, f"--seeds={seed},", "--out", "alone").code == 0
    ours, theirs = (
        [json.loads(path.read_text())["scores"] for path in done(tmp_path / name / "tiny")]
        for name in ("runs", "alone")
    )
    assert ours == theirs
    assert len(ours) == 2


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("run.executor=moon", "[run] executor"),
        ("run.workers=0", "[run] workers"),
        ("run.wokers=2", "[run] wokers: there is no such key"),
        ("run.threads=-1", "[run] threads"),
    ],
)
def test_settings_that_cannot_be(cli, tiny_recipe, setting, message):
    cli("ablate", tiny_recipe(), setting).check(2, message)


@pytest.mark.parametrize(("executor", "library", "extra"), [("slurm", "submitit", "cluster"), ("ray", "ray", "ray")])
def test_a_missing_library_is_named_with_its_extra(cli, tiny_recipe, monkeypatch, executor, library, extra):
    monkeypatch.setitem(sys.modules, library, None)
    ended = cli("ablate", tiny_recipe(), f"run.executor={executor}", "--seeds", "1")
    ended.check(2, f"[run] executor = '{executor}': needs {library}..pip install 'ercfw[{extra}]'")


@pytest.mark.slow
def test_what_is_stopped_continues(tiny_recipe, tmp_path):
    recipe = tiny_recipe()
    process = start(recipe, "train.epochs=2000", "train.save_seconds=0", "--seeds", "2", "run.workers=2")
    wait_for(lambda: len(list(tmp_path.glob("runs/tiny/base/seed-*/state.safetensors"))) == 2)
    children = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "stopped; finished runs and steps are kept; the same command continues" in stderr
    assert "Traceback" not in stderr
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert gone
    assert not alive
    assert len(list(tmp_path.glob("runs/tiny/base/seed-*/state.safetensors"))) == 2


@pytest.mark.slow
def test_a_corpus_whose_test_labels_nobody_has_is_compared_on_dev(cli, tiny_recipe, tmp_path):
    splits = ("train", "train", "dev", "test")
    rows = [f"{s},c{c},{u},x,{'ab'[u % 2] if s != 'test' else ''}" for c, s in enumerate(splits) for u in range(4)]
    (tmp_path / "utterances.csv").write_text("\n".join(["split,conversation,utterance,text,label", *rows]) + "\n")
    np.save(tmp_path / "text.npy", np.random.default_rng(0).normal(size=(16, 4)).astype("f4"))
    own = ("data.use=table", f"data.root={tmp_path}", 'data.modalities=["text"]', "features.text.fitted_on=nothing")
    ended = cli("ablate", tiny_recipe(), *own, "--seeds", "1", "--json")
    assert ended.code == 0, ended.err
    (table,) = json.loads(ended.out)["tables"]
    assert table["split"] == "dev"


@pytest.mark.slow
def test_a_run_whose_process_is_killed_fails_alone(tiny_recipe, tmp_path):
    process = start(tiny_recipe(), "train.epochs=200", "--seeds", "2", "run.workers=2", "--json")
    wait_for(lambda: len(list(tmp_path.glob("runs/tiny/base/seed-*/history.jsonl"))) == 2)
    victim = next(
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "ercfw.experiment.worker" in child.cmdline() and request_of(child).seed == 1
    )
    victim.kill()
    printed, _ = process.communicate(timeout=200)
    report = json.loads(printed)
    assert process.returncode == 1
    assert list(report["failures"]) == ["base, seed 1"]
    assert "was ended by signal 9" in report["failures"]["base, seed 1"]
    assert report["tables"][0]["lines"][0]["seeds"] == 1


@pytest.fixture
def table_of_runs(cli, tiny_recipe, tmp_path):
    """``table_of_runs(*words)``: the scores of the table when ``ercfw run`` has made all runs in one process."""

    def make(*words):
        assert cli("run", *words, "--out", "alone").code == 0
        ended = cli("ablate", *words, "--out", "alone")
        assert ended.code == 0, ended.err
        assert "runs were done before" in ended.err
        return scores(tmp_path / "alone/tiny")

    return make


@pytest.mark.slow
def test_killed_and_started_again_the_table_is_that_of_no_kill(tiny_recipe, table_of_runs, tmp_path):
    words = (tiny_recipe(VARIANTS), "--variant", "base", "--variant", "w/o audio", "--seeds", "2", "run.workers=2")
    undisturbed = table_of_runs(*words)
    process = start(*words)
    wait_for(lambda: len(done(tmp_path / "runs/tiny")) >= 1)
    os.killpg(process.pid, signal.SIGKILL)  # the runs, too
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in done(tmp_path / "runs/tiny")}
    assert 1 <= len(kept) < 4
    assert start(*words).wait(timeout=300) == 0
    assert all(path.stat().st_mtime_ns == then for path, then in kept.items())
    assert len(done(tmp_path / "runs/tiny")) == 4
    assert scores(tmp_path / "runs/tiny") == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("executor", "library", "option"),
    [("slurm", "submitit", "run.options.cluster=local"), ("ray", "ray", "run.options.num_cpus=2")],
)
def test_every_executor_makes_the_same_table(tiny_recipe, table_of_runs, tmp_path, executor, library, option):
    pytest.importorskip(library)
    words = (tiny_recipe(VARIANTS), "--variant", "base", "--variant", "w/o audio", "--seeds", "1", "run.threads=1")
    here = table_of_runs(*words)
    process = start(*words, "--out", "there", f"run.executor={executor}", option, "run.workers=2")
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert scores(tmp_path / "there/tiny") == here


@pytest.mark.slow
def test_options_that_slurm_s_library_refuses(cli, tiny_recipe):
    pytest.importorskip("submitit")
    words = ("ablate", tiny_recipe(), "run.executor=slurm", "run.options.cluster=local", "--seeds", "1")
    cli(*words, "run.options.partitoin=gpu").check(2, "[run] options: submitit refuses them")


@pytest.mark.slow
def test_folds_are_scored_together(cli, tiny_recipe, tmp_path):
    rows = [f"c{c},{u},A,x,{'ab'[(c + u) % 2]}" for c in range(9) for u in range(3)]
    (tmp_path / "utterances.csv").write_text("\n".join(["conversation,utterance,speaker,text,label", *rows]) + "\n")
    np.save(tmp_path / "text.npy", np.random.default_rng(0).normal(size=(27, 4)).astype("f4"))
    recipe = tmp_path / "folds.toml"
    tiny = tiny_recipe().read_text()
    start = tiny.index("[data]")
    end = tiny.index("[encoder.default]")
    data = (
        f'[data]\nuse = "table"\nroot = "{tmp_path}"\nmodalities = ["text"]\n[features.text]\nfitted_on = "nothing"\n'
    )
    recipe.write_text(tiny[:start] + data + tiny[end:])
    ended = cli("ablate", recipe, "--folds", "3", "--seeds", "1", "--json", "run.workers=2")
    assert ended.code == 0, ended.err
    (table,) = json.loads(ended.out)["tables"]
    answers = {}
    for fold in range(3):
        with (tmp_path / f"runs/fold-{fold}-of-3/folds/base/seed-0/predictions.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                if row["split"] == "test":
                    assert (row["conversation"], row["utterance"]) not in answers
                    answers[row["conversation"], row["utterance"]] = row
    assert len(answers) == 27
    right = sum(row["emotion"] == row["emotion.predicted"] for row in answers.values())
    place = len(table["classes"]) + table["metrics"].index("accuracy")
    assert table["lines"][0]["cells"][place]["mean"] == pytest.approx(right / 27)
    cli("ablate", tiny_recipe(), "--folds", "3").check(2, "[data] fold: there is no", "[data] folds: there is no")
