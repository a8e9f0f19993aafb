"""Made data whose right answers are known: numbers, labels and shares of annotators that a model can learn exactly."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

GROUPS = """\
import numpy as np
from ercfw import Conversation, ConversationStream, Dataset, Provenance, Target, hookimpl

SHARES = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3], [0.0, 1.0, 0.0]], np.float32)
LABELS = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.float32)
NUMBERS = np.array([[-2.5, 1], [0, 2], [1.25, 3], [3, 4]], np.float32)


class Groups(Dataset):
    '''Utterances of four groups, which their vectors name; each group has its own answers.'''

    targets = {
        "votes": Target(("joy", "anger", "fear"), soft=True),
        "moods": Target(("warm", "loud"), "multilabel"),
        "affect": Target(("valence", "arousal"), "regression", ((-3.0, 3.0), (1.0, 5.0))),
    }
    modalities = ("text",)
    provenance = Provenance("made up for a test", simulated=True)

    def split(self, name):
        return [self.make(name, number) for number in range(8)]

    def make(self, split, number):
        group = np.random.default_rng([len(split), number]).permutation(4)  # [U]
        stream = ConversationStream(np.eye(4, dtype=np.float32)[group], np.ones(4, bool))
        labels = {"votes": SHARES[group], "moods": LABELS[group], "affect": NUMBERS[group]}
        texts = tuple(str(each) for each in group)
        return Conversation(f"{split}/{number}", split, tuple("0123"), ("Ann",) * 4, texts, labels, {"text": stream})


@hookimpl
def provide_datasets():
    return {"groups": Groups}
"""
RECIPE = """\
schema = 1
title = "Known answers"
plugins = ["./mine.py"]
[data]
use = "groups"
modalities = ["text"]
[encoder.text]
use = "identity"
[head.votes]
use = "linear"
[head.moods]
use = "linear"
[head.affect]
use = "linear"
[loss.soft-cross-entropy]
target = "votes"
[loss.bce]
target = "moods"
[loss.mse]
target = "affect"
[train]
epochs = 80
lr = 0.15
device = "cpu"
select = "votes.jensen-shannon"
"""
SHARES = {"0": (0.7, 0.2, 0.1), "1": (0.1, 0.1, 0.8), "2": (0.3, 0.4, 0.3), "3": (0.0, 1.0, 0.0)}
LABELS = {"0": ("1", "0"), "1": ("0", "1"), "2": ("1", "1"), "3": ("0", "0")}
NUMBERS = {"0": (-2.5, 1), "1": (0, 2), "2": (1.25, 3), "3": (3, 4)}


@pytest.fixture
def predicted(cli, plugin_file: Callable[..., Path], tmp_path: Path, once) -> list[dict[str, str]]:
    """The rows of the test split of the run's predictions; the text names the group."""

    def make() -> None:
        plugin_file(GROUPS)
        (tmp_path / "known.toml").write_text(RECIPE)
        cli("run", "known.toml", "--out", "runs", "--quiet").check(0)

    once(make)
    with (tmp_path / "runs/known/base/seed-0/predictions.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["split"] == "test"]


def test_probabilities_become_the_shares_of_annotators(predicted) -> None:
    for row in predicted:
        given = [float(row[f"votes.p.{name}"]) for name in ("joy", "anger", "fear")]
        np.testing.assert_allclose(given, SHARES[row["text"]], atol=0.03)


def test_several_labels_are_all_right(predicted) -> None:
    for row in predicted:
        assert (row["moods.warm.predicted"], row["moods.loud.predicted"]) == LABELS[row["text"]]


def test_numbers_are_right_in_their_own_unit(predicted) -> None:
    for row in predicted:
        given = [float(row[f"affect.{name}.predicted"]) for name in ("valence", "arousal")]
        np.testing.assert_allclose(given, NUMBERS[row["text"]], atol=0.1)


def test_scores_of_right_answers(predicted, tmp_path: Path) -> None:
    scores = json.loads((tmp_path / "runs/known/base/seed-0/metrics.json").read_text())["scores"]["test"]
    assert scores["moods"]["exact-match"] == scores["moods"]["map"] == 1.0
    assert scores["affect"]["ccc"] > 0.999
    assert scores["votes"]["jensen-shannon"] < 1e-3
    shares = np.array(list(SHARES.values()))
    entropy = -np.sum(shares * np.log(np.where(shares > 0, shares, 1)), 1).mean()
    assert scores["votes"]["soft-cross-entropy"] == pytest.approx(entropy, abs=0.02)  # no model can have a lower one


@pytest.mark.slow
def test_a_search_minimises_an_error(cli, plugin_file, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    plugin_file(GROUPS)
    space = '[tune]\ntrials = 4\n[tune.space]\n"train.lr" = { choices = [1e-4, 1e-3, 1e-2, 0.1] }\n'
    recipe = RECIPE.replace("epochs = 80", "epochs = 10").replace("votes.jensen-shannon", "affect.mae")
    (tmp_path / "known.toml").write_text(recipe + space)
    ended = cli("tune", "known.toml", "--out", "runs", "--json")
    ended.check(0)
    trials = [json.loads(path.read_text()) for path in (tmp_path / "runs").rglob("trial-*/metrics.json")]
    scores = [trial["scores"]["dev"]["affect"]["mae"] for trial in trials]
    assert len(scores) == 4
    assert json.loads(ended.out)["dev"] == min(scores) < max(scores)
