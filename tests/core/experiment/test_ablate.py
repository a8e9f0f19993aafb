"""``ercfw ablate``: real processes; what fails does not stop the rest, what is done is not done again."""

import csv
import functools
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from ercfw.experiment.request import read_request
from tests import forked

VARIANTS = """
[[variant]]
name = "w/o audio"
set = { data = { modalities = ["text"] } }

[[variant]]
name = "breaks"
set = { train = { lr = 1e38, clip = 1e38 } }
"""
PLUGIN = """
from ercfw import hookimpl

@hookimpl
def provide_metrics():
    return {}
"""
SCORES = ("line", "score", "mean", "deviation", "best", "difference", "low", "high", "p")


@pytest.fixture
def quiet_recipe(tiny_recipe, plugin_file):
    """The tiny recipe, whose runs draw nothing in processes that start from nothing either."""
    plugin_file(PLUGIN + forked.NO_PICTURES)
    return functools.partial(tiny_recipe, top='plugins = ["./mine.py"]\n')


def scores(folder):
    with (folder / "ablation.csv").open(newline="") as file:
        return [{key: row[key] for key in SCORES} for row in csv.DictReader(file)]


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
@pytest.mark.usefixtures("forked_workers")
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
@pytest.mark.usefixtures("forked_workers")
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
def test_a_stopped_ablation_keeps_its_checkpoints_and_leaves_no_process(tiny_recipe, tmp_path):
    recipe = tiny_recipe()
    words = ("ablate", recipe, "train.epochs=2000", "train.save_seconds=0", "--seeds", "2", "run.workers=2")
    process = forked.start(*words, said="said")
    wait_for(lambda: len(list(tmp_path.glob("runs/tiny/base/seed-*/state.safetensors"))) == 2)
    children = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    process.join(timeout=60)
    said = Path("said").read_text()
    assert process.exitcode == 1
    assert "stopped; finished runs and steps are kept; the same command continues" in said
    assert "Traceback" not in said
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert gone
    assert not alive
    assert len(list(tmp_path.glob("runs/tiny/base/seed-*/state.safetensors"))) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("forked_workers")
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
def test_a_run_whose_process_is_killed_fails_alone(quiet_recipe, tmp_path):
    words = ("ablate", quiet_recipe(), "train.epochs=200", "--seeds", "2", "run.workers=2", "--json")
    process = forked.start(*words, said="said")
    wait_for((tmp_path / "runs/tiny/base/seed-1/history.jsonl").exists)
    victim = next(
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "ercfw.experiment.worker" in child.cmdline() and request_of(child).seed == 1
    )
    victim.kill()
    process.join(timeout=200)
    assert process.exitcode == 1
    (printed,) = [line for line in Path("said").read_text().splitlines() if line.startswith("{")]
    report = json.loads(printed)
    assert list(report["failures"]) == ["base, seed 1"]
    assert "was ended by signal 9" in report["failures"]["base, seed 1"]
    assert report["tables"][0]["lines"][0]["seeds"] == 1


@pytest.mark.slow
def test_killed_and_started_again_the_table_is_that_of_no_kill(cli, quiet_recipe, tmp_path, monkeypatch):
    words = ("ablate", quiet_recipe(VARIANTS), "--variant", "base", "--variant", "w/o audio", "--seeds", "3")
    process = forked.start(*words, "run.workers=2", group=True)
    wait_for(lambda: len(done(tmp_path / "runs/tiny")) >= 2)
    os.killpg(process.pid, signal.SIGKILL)  # the runs, too
    process.join()
    kept = {path: path.stat().st_mtime_ns for path in done(tmp_path / "runs/tiny")}
    assert 2 <= len(kept) < 6
    monkeypatch.setattr("ercfw.experiment.executors.run_command", forked.work)  # from here on all are undisturbed
    assert cli(*words, "run.workers=2").code == 0
    assert all(path.stat().st_mtime_ns == then for path, then in kept.items())
    assert len(done(tmp_path / "runs/tiny")) == 6
    assert cli(*words, "run.workers=2", "--out", "calm").code == 0
    assert scores(tmp_path / "runs/tiny") == scores(tmp_path / "calm/tiny")


@pytest.mark.slow
@pytest.mark.usefixtures("forked_workers")
@pytest.mark.parametrize(
    ("executor", "library", "option"),
    [("slurm", "submitit", "run.options.cluster=local"), ("ray", "ray", "run.options.num_cpus=2")],
)
def test_every_executor_makes_the_same_table(cli, quiet_recipe, tmp_path, executor, library, option):
    """Half of the runs are done before, here; the executor's processes do the rest."""
    pytest.importorskip(library)
    recipe = quiet_recipe(VARIANTS)
    base = ("ablate", recipe, "--variant", "base", "--seeds", "2", "run.threads=1")
    words = (*base, "--variant", "w/o audio")
    assert cli(*base, "--out", "there").code == 0
    before = done(tmp_path / "there/tiny")
    code, said = forked.run(*words, "--out", "there", f"run.executor={executor}", option, "run.workers=2")
    assert code == 0, said
    assert len(before) == 2
    assert len(done(tmp_path / "there/tiny")) == 4
    assert cli(*words, "--out", "here").code == 0
    assert scores(tmp_path / "there/tiny") == scores(tmp_path / "here/tiny")


@pytest.mark.slow
def test_options_that_slurm_s_library_refuses(cli, tiny_recipe):
    pytest.importorskip("submitit")
    words = ("ablate", tiny_recipe(), "run.executor=slurm", "run.options.cluster=local", "--seeds", "1")
    cli(*words, "run.options.partitoin=gpu").check(2, "[run] options: submitit refuses them")


@pytest.mark.slow
@pytest.mark.usefixtures("forked_workers")
def test_folds_are_scored_together(cli, tiny_recipe, tmp_path):
    labels = {(4, 1): "rare"}  # a class that only one conversation has
    rows = [f"c{c},{u},A,x,{labels.get((c, u), 'ab'[(c + u) % 2])}" for c in range(9) for u in range(3)]
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
    assert table["classes"] == ["a", "b", "rare"]
    assert "class 'rare' of 'emotion' has no utterance in train" in ended.err
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
