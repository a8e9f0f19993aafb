"""A dataset from outside whose labels are numbers: it trains, and labels of the wrong form are named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

NUMBERS = """\
import numpy as np
from ercfw import Conversation, ConversationStream, Dataset, Provenance, Target, hookimpl


class Numbers(Dataset):
    '''A dataset whose labels are numbers.'''

    targets = {"score": Target(("score",), "regression", ((0.0, 1.0),))}
    modalities = ("text",)
    provenance = Provenance("made up for a test", simulated=True)

    def __init__(self, *, wrong: str = ""):
        self.wrong = wrong

    def split(self, name):
        rng = np.random.default_rng(len(name))
        values = rng.normal(size=(6, 3)).astype(np.float32)
        labels = {"": 1 / (1 + np.exp(-values[:, :1])), "flat": values[:, 0], "gone": values[:, :1] * np.nan,
                  "high": values[:, :1] + 9, "text": np.array([["x"]] * 6)}[self.wrong]
        stream = ConversationStream(values, np.ones(6, bool))
        labels = labels if self.wrong == "text" else labels.astype(np.float32)
        ids = tuple("012345")
        return [Conversation(name, name, ids, ("Ann",) * 6, ("",) * 6, {"score": labels}, {"text": stream})]


@hookimpl
def provide_datasets():
    return {"numbers": Numbers}
"""
NUMBERS_RECIPE = """\
schema = 1
title = "Numbers from outside"
plugins = ["./mine.py"]
[data]
use = "numbers"
modalities = ["text"]
[encoder.text]
use = "identity"
[head.score]
use = "linear"
[loss.mse]
[train]
epochs = 30
lr = 0.1
device = "cpu"
select = "score.mae"
"""


def test_a_dataset_of_numbers_from_outside(cli, plugin_file: Callable[..., Path], tmp_path: Path) -> None:
    plugin_file(NUMBERS)
    (tmp_path / "numbers.toml").write_text(NUMBERS_RECIPE)
    cli("validate", "numbers.toml").check(0)
    cli("run", "numbers.toml", "--out", "runs", "--quiet").check(0)
    scores = json.loads((tmp_path / "runs/numbers/base/seed-0/metrics.json").read_text())["scores"]
    assert scores["dev"]["score"]["mae"] < 0.1  # the number is a function of the vector
    assert "acc-7" not in scores["dev"]["score"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("flat", "labels of 'score' are float32 [6] (float32 [U, C] = [6, 1], for regression)"),
        ("text", "labels of 'score' are <U1 [6, 1]"),
        ("high", "for 'score' (numbers from 0 to 1)"),
        ("gone", "split 'train': has no labelled utterance"),
    ],
)
@pytest.mark.parametrize("verb", ["validate", "run"])
def test_labels_of_the_wrong_form_are_named(cli, plugin_file, tmp_path: Path, wrong, message, verb) -> None:
    plugin_file(NUMBERS)
    (tmp_path / "numbers.toml").write_text(NUMBERS_RECIPE)
    ended = cli(verb, "numbers.toml", f"data.wrong={wrong}")
    if verb == "validate" and wrong == "gone":
        return  # it reads no dev split
    assert ended.code == 2
    assert any(message in error for error in ended.errors), ended.errors
