"""Pictures open, are not empty, and show the numbers they are given."""

import numpy as np
import pytest
from PIL import Image

from ercfw.evaluate import Predictions
from ercfw.info import DataInfo, TargetSpec
from ercfw.report.pictures import confusion, draw_run, learning_curve


def history(epochs):
    def line(n):
        selected = 0.3 + 0.01 * (n % 4)
        return {"epoch": n, "train_loss": {"a": 1 / n, "b": 0.5}, "watched_loss": {"a": 1.2 / n}, "selected": selected}

    return [line(n) for n in range(1, epochs + 1)]


def metrics(best_epoch=1, stamps=("SIMULATED",), title="A title"):
    return {
        "title": title, "variant": "base", "seed": 0, "protocol": "dev", "stamps": list(stamps), "chosen_on": "dev",
        "select": "emotion.weighted-f1", "best_epoch": best_epoch,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("classes", "epochs"),
    [
        (("neutral", "joy"), 1),
        (tuple(f"a very long name of class {n}" for n in range(7)), 30),
        (tuple(f"c{n}" for n in range(40)), 3),
    ],
    ids=["one epoch", "long names", "forty classes"],
)
def test_pictures_open_and_are_not_empty(tmp_path, classes, epochs):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(classes), 200)
    probabilities = rng.dirichlet(np.ones(len(classes)), 200).astype(np.float32)
    ids = tuple(("c", str(n)) for n in range(200))
    predictions = {"dev": Predictions(ids, {"emotion": labels}, {"emotion": probabilities}, {})}
    info = DataInfo({"emotion": TargetSpec(classes, (1,) * len(classes))}, {}, 1)
    long = "A title that goes on for longer than a picture is wide, so that it has to be broken into lines, twice"
    names = draw_run(tmp_path, history(epochs), predictions, info, metrics(title=long))
    assert names == ["learning_curve.png", "confusion_dev_emotion.png"]
    for name in names:
        with Image.open(tmp_path / name) as picture:
            assert "SIMULATED" in picture.text["Title"]
            pixels = np.asarray(picture.convert("RGB")).astype(int)
        assert min(pixels.shape[:2]) > 300
        assert 0.01 < (pixels.min(-1) < 250).mean() < 0.9
        edges = np.concatenate([pixels[[0, -1]].reshape(-1, 3), pixels[:, [0, -1]].reshape(-1, 3)])
        assert (edges > 250).all(), "nothing is cut off at the edge"


def test_unlabelled_splits_have_no_confusion(tmp_path):
    predictions = {
        "test": Predictions((("c", "0"),), {"emotion": np.array([-100])}, {"emotion": np.ones((1, 1), np.float32)}, {})
    }
    info = DataInfo({"emotion": TargetSpec(("a",), (1,))}, {}, 1)
    assert draw_run(tmp_path, history(2), predictions, info, metrics()) == ["learning_curve.png"]


def test_the_curve_shows_each_epoch_and_the_best_one():
    figure = learning_curve(history(6), 3, "emotion.weighted-f1", "dev")
    left, right = figure.axes
    train, watched = left.lines
    assert train.get_ydata() == pytest.approx([1 / n + 0.5 for n in range(1, 7)])
    assert watched.get_ydata() == pytest.approx([1.2 / n for n in range(1, 7)])
    assert right.lines[0].get_ydata() == pytest.approx([31, 32, 33, 30, 31, 32])
    assert right.lines[1].get_xydata().tolist() == [[3, pytest.approx(33)]]
    assert right.texts[0].get_text() == "33.0"
    assert right.get_ylabel() == "emotion.weighted-f1 on dev"


def test_the_confusion_is_shaded_by_the_share_of_the_true_class():
    figure = confusion(np.array([[3, 1], [0, 0]]), ("a", "b"))
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["3", "1", "0", "0"]
    assert axes.images[0].get_array().tolist() == [[0.75, 0.25], [0, 0]]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("true", "predicted")
