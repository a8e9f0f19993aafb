"""Every picture is one call on a run's folder, and shows what the run left."""

import csv
import json

import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.metrics import confusion_matrix, f1_score

from ercfw import InputError, compare
from ercfw.report import plots
from ercfw.results.finished_run import open_run


@pytest.fixture
def run(runs):
    return runs / "attending" / "seed-0"


def rows(folder, split):
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["split"] == split]


def classes_of(folder):
    return [key.removeprefix("emotion.p.") for key in rows(folder, "test")[0] if ".p." in key]


def test_the_class_distribution(run):
    figure = plots.class_distribution(run)
    titles = [axes.get_title().split(":")[0] for axes in figure.axes]
    assert titles == ["train", "dev", "test"]
    labels = [row["emotion"] for row in rows(run, "test")]
    widths = [bar.get_width() for bar in figure.axes[2].patches]
    assert widths == pytest.approx([100 * labels.count(name) / len(labels) for name in classes_of(run)])
    assert [int(text.get_text()) for text in figure.axes[2].texts] == [labels.count(name) for name in classes_of(run)]


def test_the_confusion_matrix(run):
    axes = plots.confusion(run, "dev").axes[0]
    classes = classes_of(run)
    drawn = np.array([int(text.get_text()) for text in axes.texts]).reshape(len(classes), -1)
    found = rows(run, "dev")
    expected = confusion_matrix([r["emotion"] for r in found], [r["emotion.predicted"] for r in found], labels=classes)
    assert (drawn == expected).all()


def test_class_f1_of_variants_and_seeds(runs):
    figure = plots.class_f1([runs / "base", runs / "w-o-audio"])
    base = figure.axes[0].containers[0]
    seeds = []
    for seed in range(3):
        found = rows(runs / "base" / f"seed-{seed}", "test")
        true, said = [r["emotion"] for r in found], [r["emotion.predicted"] for r in found]
        seeds.append(f1_score(true, said, labels=classes_of(runs / "base" / "seed-0"), average=None, zero_division=0))
    assert base.lines[0].get_xdata() == pytest.approx(100 * np.mean(seeds, 0))
    mean, deviation = np.mean(seeds, 0), np.std(seeds, 0, ddof=1)
    ends = np.array([segment[:, 0] for segment in base.lines[2][0].get_segments()])
    assert ends[:, 0] == pytest.approx(100 * np.maximum(mean - deviation, 0))
    assert ends[:, 1] == pytest.approx(100 * np.minimum(mean + deviation, 1))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["base", "w/o audio"]


def test_the_forest_of_variants(runs):
    figure = plots.forest([runs / "base", runs / "w-o-audio"])
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["base", "w/o audio"]
    table = compare(runs / "base", runs / "w-o-audio").tables[0]
    for container, line in zip(axes.containers, table.lines, strict=True):
        cell = line.cells[len(table.classes)]
        assert container.lines[0].get_xdata() == pytest.approx([100 * cell.mean])
        (segment,) = container.lines[2][0].get_segments()
        assert segment[:, 0] / 100 == pytest.approx(cell.interval)
    assert "SIMULATED" in [text.get_text() for text in figure.texts]
    (majority,) = (text.get_text() for text in figure.legends[0].get_texts())
    assert majority.startswith("majority class ")


def test_the_learning_curves(run):
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    figure = plots.learning_curves(run)
    assert figure.axes[0].lines[0].get_ydata() == pytest.approx([100 * line["selected"] for line in history])
    sums = [sum(line["train_loss"].values()) for line in history]
    assert figure.axes[1].lines[0].get_ydata() == pytest.approx(sums)


def test_embeddings_before_and_after(run):
    kept = load_file(run / "embeddings.safetensors")
    assert set(kept) == {f"{split}.emotion.{moment}" for split in ("dev", "test") for moment in ("untrained", "best")}
    found = rows(run, "test")
    assert all(len(kept[f"test.emotion.{moment}"]) == len(found) for moment in ("untrained", "best"))
    assert not np.allclose(kept["test.emotion.untrained"], kept["test.emotion.best"])
    figure = plots.embeddings(run)
    assert [axes.get_title() for axes in figure.axes] == ["before training", "best epoch"]
    labels = [row["emotion"] for row in found]
    for axes in figure.axes:
        assert [len(c.get_offsets()) for c in axes.collections] == [labels.count(name) for name in classes_of(run)]


def test_the_calibration(run):
    found = rows(run, "test")
    sure = np.array([max(float(row[f"emotion.p.{name}"]) for name in classes_of(run)) for row in found])
    right = np.array([row["emotion"] == row["emotion.predicted"] for row in found])
    bins = [(np.ceil(15 * sure) == n + 1) for n in range(15)]
    ece = sum(abs(sure[b].mean() - right[b].mean()) * b.sum() for b in bins if b.any()) / len(found)
    figure = plots.calibration(run)
    assert figure.axes[0].get_title() == f"ECE {100 * ece:.1f} points"
    assert [bar.get_height() for bar in figure.axes[1].patches] == [int(b.sum()) for b in bins]


def test_attention_of_an_utterance(run):
    row = rows(run, "test")[1]
    figure = plots.attention(run, row["conversation"], row["utterance"])
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title().splitlines()[1:] for axes in panels] == [
        [f"layer {n}", f"{pair}"] for n in (1, 2) for pair in ("text → audio", "audio → text")
    ]
    said = [f"{r['speaker']}: {r['text']}" for r in rows(run, "test") if r["conversation"] == row["conversation"]]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == said
    for axes in panels:
        drawn = np.asarray(axes.images[0].get_array())
        assert drawn.shape == (len(said), 2)
        assert drawn.sum(0) == pytest.approx(np.ones(2), abs=1e-5)


def test_the_case_card_of_a_run_has_each_modality_alone(run):
    row = rows(run, "test")[0]
    figure = plots.case_card(run, row["conversation"], row["utterance"])
    assert [axes.get_title().splitlines()[0] for axes in figure.axes] == ["text alone", "audio alone", "all modalities"]
    whole = [bar.get_width() for bar in figure.axes[2].patches]
    assert whole == pytest.approx([100 * float(row[f"emotion.p.{name}"]) for name in classes_of(run)], abs=1e-3)
    assert not np.allclose(whole, [bar.get_width() for bar in figure.axes[0].patches])
    assert f"true (starred): {row['emotion']}" in " ".join(figure.get_suptitle().split())


def test_the_case_card_of_variants_has_the_mean_of_their_seeds(runs):
    of_seeds = [rows(runs / "base" / f"seed-{seed}", "test")[0] for seed in range(3)]
    figure = plots.case_card([runs / "base", runs / "w-o-audio"], of_seeds[0]["conversation"], of_seeds[0]["utterance"])
    assert [axes.get_title().splitlines()[0] for axes in figure.axes] == ["base", "w/o audio"]
    means = [
        np.mean([100 * float(r[f"emotion.p.{name}"]) for r in of_seeds]) for name in classes_of(runs / "base/seed-0")
    ]
    assert [bar.get_width() for bar in figure.axes[0].patches] == pytest.approx(means)


def test_stamps_stand_on_every_picture(run):
    opened = open_run(run)
    for figure in (plots.confusion(str(run)), plots.learning_curves(opened), plots.class_f1(opened)):
        assert [text.get_text() for text in figure.texts][1:] == ["SIMULATED"], "across the picture, under its title"


@pytest.mark.parametrize(
    ("call", "reported"),
    [
        (lambda run: plots.confusion(run, "train"), "has no labelled predictions of 'emotion' in train"),
        (lambda run: plots.confusion(run, target="mood"), "has no predictions of target 'mood'"),
        (lambda run: plots.attention(run, "test/none", "0"), "has no conversation 'test/none'"),
        (lambda run: plots.case_card(run, "test/0", "999"), "conversation 'test/0' has no utterance '999'"),
        (
            lambda run: plots.attention(run.parents[1] / "base/seed-0", "test/0", "0"),
            "no part of its model reports attention",
        ),
        (lambda run: plots.confusion(run.parent), "metrics.json: cannot be read"),
    ],
)
def test_what_is_not_there_is_reported(run, call, reported):
    with pytest.raises(InputError, match=reported):
        call(run)


def test_a_run_of_other_data_is_not_explained(run, tmp_path):
    import shutil

    shutil.copytree(run, tmp_path / "run")
    about = json.loads((tmp_path / "run/environment.json").read_text())
    about["data"]["source"] = "MELD"
    (tmp_path / "run/environment.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match="was run on other data: MELD; now it is simulated"):
        plots.attention(tmp_path / "run", "test/0", "0")
