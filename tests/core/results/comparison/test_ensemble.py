"""``ercfw ensemble``: weights beside scipy's optimum, scores beside the average by hand."""

import csv
import json

import numpy as np
import pytest
from scipy.optimize import minimize

from ercfw.results.comparison.ensemble_weights import fit_weights
from ercfw_basics.metrics.classes import weighted_f1


def test_the_weights_are_the_likeliest():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 80)
    said = rng.dirichlet(np.ones(3), (4, 80))  # [M, N, C]
    said[0, np.arange(80), labels] += 0.5
    said[2, np.arange(80), labels] += 0.4
    said /= said.sum(-1, keepdims=True)
    of_label = said[:, np.arange(80), labels]  # [M, N]
    best = minimize(
        lambda w: -np.log(w @ of_label).mean(),
        np.full(4, 0.25),
        bounds=[(0, 1)] * 4,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        tol=1e-10,
    )
    found = fit_weights("classes", said, labels)
    assert found == pytest.approx(best.x, abs=2e-3)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()


def test_a_label_that_nobody_believes_in_breaks_nothing():
    said = np.zeros((2, 3, 2))
    said[:, :, 0] = 1
    assert fit_weights("classes", said, np.array([0, 1, 1])) == pytest.approx([0.5, 0.5])


def rows(path):
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["split"] == "test" and row["emotion"]]


def test_equal_weights_average_the_probabilities(cli, runs, tmp_path):
    ended = cli("ensemble", runs / "base", runs / "w-o-audio" / "seed-0", "--equal", "--json")
    assert ended.code == 0, ended.err
    metrics = json.loads(ended.out)
    members = [rows(runs / "base" / f"seed-{seed}" / "predictions.csv") for seed in range(3)]
    members.append(rows(runs / "w-o-audio" / "seed-0" / "predictions.csv"))
    columns = [key for key in members[0][0] if key.startswith("emotion.p.")]
    mean = np.mean([[[float(row[key]) for key in columns] for row in member] for member in members], axis=0)
    names = [key.removeprefix("emotion.p.") for key in columns]
    true = np.array([names.index(row["emotion"]) for row in members[0]])
    assert metrics["scores"]["test"]["emotion"]["weighted-f1"] == pytest.approx(weighted_f1(true, mean, names))
    assert metrics["stamps"] == ["SIMULATED"]
    assert list(metrics["weights"]["emotion"].values()) == [0.25] * 4
    written = rows(tmp_path / "runs/ensemble/predictions.csv")
    assert [row["emotion.predicted"] for row in written] == [names[place] for place in mean.argmax(-1)]
    assert {row["stamp"] for row in written} == {"SIMULATED"}
    assert written[0]["text"] == members[0][0]["text"]
    assert cli("compare", "runs/ensemble", runs / "base").code == 0


def test_fitted_weights_are_said_to_spoil_dev(cli, runs):
    ended = cli("ensemble", runs / "base")
    assert ended.code == 0, ended.err
    assert "the score of dev is too good" in ended.out
    assert "SIMULATED" in ended.out


def test_what_cannot_be_one(cli, runs):
    cli("ensemble", runs / "base" / "seed-0").check(2, "is a single run")
    assert cli("ensemble", runs / "base" / "seed-0", runs / "others").code == 2
    assert cli("ensemble", runs / "base", "--out", "there").code == 0
    cli("ensemble", runs / "base", "--out", "there").check(2, "--out there: already contains a run..--force")
    assert cli("ensemble", runs / "base", "--out", "there", "--force").code == 0


def test_runs_chosen_on_test_have_no_dev_to_fit_on(cli, runs, tmp_path):
    import shutil

    shutil.copytree(runs / "release" / "seed-0", tmp_path / "release" / "seed-0")
    shutil.copytree(runs / "release" / "seed-0", tmp_path / "release" / "seed-1")
    cli("ensemble", "release").check(2, "has no labels of 'emotion' in dev to fit weights on..--equal")
    ended = cli("ensemble", "release", "--equal")
    assert ended.code == 0, ended.err
    assert "CHOSEN ON TEST" in ended.out
