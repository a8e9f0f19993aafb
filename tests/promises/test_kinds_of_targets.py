"""Recipes with targets of every kind, from training to reports; and recipes that join what does not fit."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from ercfw import load

RECIPE = """\
schema = 1
title = "Every kind"
[data]
use = "simulated"
conversations = 12
modalities = ["text", "audio"]
widths = { text = 8, audio = 6, visual = 4 }
targets = ["emotion", "affect", "moods", "votes", "sentiment"]
batch_size = 4
[encoder.default]
use = "linear"
width = 8
[fusion]
use = "concat"
[head.emotion]
use = "linear"
[head.affect]
use = "mlp"
hidden = 8
[head.moods]
use = "linear"
[head.votes]
use = "linear"
[head.sentiment]
use = "ordinal"
[loss.cross-entropy]
target = "emotion"
[loss.ccc]
target = "affect"
[loss.bce]
target = "moods"
[loss.soft-cross-entropy]
target = "votes"
[loss.ordinal]
target = "sentiment"
[metric.kappa]
weights = "quadratic"
[metric.without-neutral]
use = "micro-f1"
target = "emotion"
leave_out = ["neutral"]
[train]
epochs = 2
lr = 1e-2
device = "cpu"
select = "affect.mae"
"""
TARGETS = ("emotion", "affect", "moods", "votes", "sentiment")


@pytest.fixture
def finished(cli, tmp_path: Path, once) -> Path:
    """The folder of two seeds of the recipe."""

    def make() -> None:
        (tmp_path / "every.toml").write_text(RECIPE)
        cli("run", "every.toml", "--seeds", "2", "--out", "runs", "--quiet").check(0)

    once(make)
    return tmp_path / "runs" / "every" / "base"


def metrics_of(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def test_each_target_has_the_metrics_of_its_kind(finished) -> None:
    scores = metrics_of(finished / "seed-0")["scores"]["test"]
    assert set(scores) == set(TARGETS)
    assert {"mae", "rmse", "pearson", "ccc", "ccc-each"} <= set(scores["affect"])
    assert not {"weighted-f1", "acc-7"} & set(scores["affect"])  # acc-7 is for numbers from -3 to 3
    assert {"map", "label-f1", "exact-match"} <= set(scores["moods"])
    assert {"weighted-f1", "jensen-shannon"} <= set(scores["votes"])
    assert [name for name in TARGETS if "without-neutral" in scores[name]] == ["emotion"]
    assert [name for name in TARGETS if "kappa" in scores[name]] == ["emotion", "votes", "sentiment"]
    assert set(scores["affect"]["mae-each"]) == {"valence", "activation", "dominance"}
    assert scores["affect"]["mae"] == pytest.approx(np.mean(list(scores["affect"]["mae-each"].values())))


def test_the_lowest_error_chooses_the_epoch(finished) -> None:
    for seed in ("seed-0", "seed-1"):
        history = [json.loads(line) for line in (finished / seed / "history.jsonl").read_text().splitlines()]
        best = min(history, key=lambda line: line["selected"])["epoch"]
        assert metrics_of(finished / seed)["best_epoch"] == best
        assert metrics_of(finished / seed)["scales"]["mae"]["lower_is_better"] is True


def test_scores_are_those_of_the_predictions(finished) -> None:
    with (finished / "seed-0" / "predictions.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    errors = [abs(float(row["affect.valence"]) - float(row["affect.valence.predicted"])) for row in rows]
    scores = metrics_of(finished / "seed-0")["scores"]["test"]
    assert scores["affect"]["mae-each"]["valence"] == pytest.approx(np.mean(errors), abs=1e-6)
    moods = ("pleasant", "unpleasant", "aroused")
    right = [all(row[f"moods.{mood}"] == row[f"moods.{mood}.predicted"] for mood in moods) for row in rows]
    assert scores["moods"]["exact-match"] == pytest.approx(np.mean(right))


def test_a_model_predicts_every_kind(finished) -> None:
    model = load(finished / "seed-0")
    ids = ["a", "b"]
    draw = np.random.default_rng(0)
    for name, width in (("text", 8), ("audio", 6)):
        np.save(f"{name}.npy", draw.normal(size=(2, width)).astype(np.float32))
    Path("new.csv").write_text("conversation,utterance,speaker,text\nx,a,Ann,Hi\nx,b,Bob,Ho\n")
    predicted = model.predict("new.csv", features={"text": "text.npy", "audio": "audio.npy"})
    assert [answer.utterance for answer in predicted.answers] == ids
    first = predicted.answers[0]
    assert set(first.predicted) == set(TARGETS)
    assert set(first.predicted["affect"]) == {"valence", "activation", "dominance"}
    assert set(first.probabilities) == {"emotion", "moods", "votes", "sentiment"}
    assert first.predicted["moods"] == tuple(n for n, p in first.probabilities["moods"].items() if p >= 0.5)
    assert sum(first.probabilities["sentiment"].values()) == pytest.approx(1, abs=1e-4)


def test_the_command_line_predicts_numbers(finished, cli) -> None:
    draw = np.random.default_rng(0)
    for name, width in (("text", 8), ("audio", 6)):
        np.save(f"{name}.npy", draw.normal(size=(1, width)).astype(np.float32))
    Path("new.csv").write_text("conversation,utterance,speaker,text\nx,a,Ann,Hi\n")
    words = ("predict", finished / "seed-0", "new.csv", "--features", "text=text.npy", "--features", "audio=audio.npy")
    shown = cli(*words)
    shown.check(0)
    assert "valence" in shown.out
    written = cli(*words, "--format", "csv")
    written.check(0)
    header = written.out.splitlines()[0].split(",")
    assert {"affect.valence.predicted", "moods.aroused.predicted", "votes.predicted"} <= set(header)


@pytest.mark.pictures
def test_the_report_shows_every_kind(finished, cli) -> None:
    cli("report", finished / "seed-0").check(0)
    page = (finished / "seed-0" / "report.html").read_text()
    assert "True and predicted numbers of affect" in page
    assert "Calibration of moods, test: share of true labels by probability" in page
    assert "mean of train" in page
    text = (finished / "seed-0" / "report.md").read_text()
    assert "| label-f1 per moods |" in text
    assert "except for" in text


def test_reports_and_tables_of_several_seeds(finished, cli) -> None:
    cli("report", finished).check(0)
    page = (finished / "report.html").read_text()
    assert "Lower is better for mae, rmse." in page
    words = ("train.lr=5e-3", "--seeds", "2", "--out", "runs", "--quiet")
    cli("run", "every.toml", "--name", "other", *words).check(0)
    compared = cli("compare", finished, "runs/every/other", "--json")
    compared.check(0)
    tables = {table["target"]: table for table in json.loads(compared.out)["tables"]}
    assert set(tables) == set(TARGETS)
    affect = tables["affect"]
    assert affect["metrics"][0] == "mae"
    assert affect["lines"][1]["difference"] is not None
    cell = affect["lines"][0]["cells"][len(affect["classes"])]
    assert cell["interval"][0] <= cell["mean"] <= cell["interval"][1]
    with_map = [line["cells"][len(tables["moods"]["classes"]) + tables["moods"]["metrics"].index("map")]
                for line in tables["moods"]["lines"]]  # fmt: skip
    assert all(cell["interval"] is not None for cell in with_map)  # a metric that is no function of counts


@pytest.mark.parametrize("weights", ["--equal", "--fitted"])
def test_an_ensemble_averages_every_kind(finished, cli, weights) -> None:
    words = ["ensemble", finished / "seed-0", finished / "seed-1", "--out", "both"]
    cli(*words, *([weights] if weights == "--equal" else [])).check(0)
    scores = metrics_of(Path("both"))["scores"]["test"]
    assert set(scores) == set(TARGETS)
    if weights == "--equal":
        with (
            (finished / "seed-0" / "predictions.csv").open() as one,
            (finished / "seed-1" / "predictions.csv").open() as two,
        ):
            pairs = [
                (a, b) for a, b in zip(csv.DictReader(one), csv.DictReader(two), strict=True) if a["split"] == "test"
            ]
        column = "affect.valence.predicted"
        means = [(float(a[column]) + float(b[column])) / 2 for a, b in pairs]
        errors = [abs(mean - float(a["affect.valence"])) for mean, (a, _) in zip(means, pairs, strict=True)]
        assert scores["affect"]["mae-each"]["valence"] == pytest.approx(np.mean(errors), abs=1e-6)


def test_a_run_reproduces_itself(finished, cli) -> None:
    again = cli("reproduce", finished / "seed-0", "--out", "again")
    again.check(0)
    assert "bit for bit" in again.out


MISFITS = [
    (["head.affect.use=multiemo"], "[head.affect]: does not serve target 'affect', which is numbers (use linear, mlp)"),
    (["loss.bce.target=emotion"], "[loss.bce]: does not serve target 'emotion', which is classes"),
    (["loss.cross-entropy.target=affect"], "which is numbers (use ccc, huber, mae, mse)"),
    (["loss.cross-entropy.target=votes"], "which is shares of annotators per class (use soft-cross-entropy)"),
    (["loss.mse.target=moods"], "[loss.mse]: does not serve target 'moods', which is several labels at once (use bce)"),
    (["train.select=affect.weighted-f1"], "[train] select: 'weighted-f1' does not score target 'affect', which is"),
    (['metric.without-neutral.leave_out=["hate"]'], "[metric.without-neutral] leave_out: there is no class 'hate'"),
    (["metric.without-neutral.target=affect"], "[metric.without-neutral]: scores no target of the data: it is for"),
    (["metric.kappa.target=mood"], "[metric.kappa] target: there is no target 'mood' (did you mean 'moods'"),
    (["metric.kapa.weights=linear"], "[metric.kapa] use: there is no metric named 'kapa'"),
]  # fmt: skip


@pytest.mark.parametrize("verb", ["validate", "run"])
@pytest.mark.parametrize(("words", "message"), MISFITS)
def test_what_does_not_fit_is_refused(cli, tmp_path: Path, verb: str, words: list[str], message: str) -> None:
    (tmp_path / "every.toml").write_text(RECIPE)
    ended = cli(verb, "every.toml", *words)
    assert ended.code == 2
    assert any(message in error for error in ended.errors), ended.errors
    assert not list(tmp_path.glob("runs/*/*/*/model.safetensors"))
