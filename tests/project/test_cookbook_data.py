"""The dataset and the metric of the cookbook compute what the page says."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import ercfw
from ercfw import ScoredRows
from tests.project.conftest import rows_of

WORDS = {"awful": -2.0, "dull": -1.0, "so": 0.0, "nice": 1.0, "great": 1.5}


def test_scores_are_learned(cookbook):
    draw = np.random.default_rng(0)
    lines = ["conversation,utterance,split,speaker,text,sentiment"]
    for number in range(60):
        split = "test" if number % 6 == 0 else "dev" if number % 6 == 1 else "train"
        for utterance in range(5):
            words = draw.choice([*WORDS], size=2).tolist()
            score = "" if split == "train" and utterance == 4 else np.clip(sum(WORDS[w] for w in words), -3, 3)
            lines.append(f"c{number},{utterance},{split},Ann,{' '.join(words)},{score}")
    Path("scores.csv").write_text("\n".join(lines) + "\n")
    (finished,) = ercfw.run("scores.toml", "train.device=cpu", trust=True)
    errors = [float(r["sentiment"]) - float(r["sentiment.predicted"]) for r in rows_of(finished, "test")]
    spread = np.std([float(r["sentiment"]) for r in rows_of(finished, "test")])
    assert finished.metrics.scores["test"]["sentiment"]["mae"] == pytest.approx(np.abs(errors).mean(), abs=1e-5)
    assert np.abs(errors).mean() < 0.3 < spread


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("train,Ann,so,good", "scores.csv, line 2: sentiment: is not a number (a number from -3 to 3)"),
        ("train,Ann,so,4", "conversation a: labels of 'sentiment' have 4 for 'sentiment' (numbers from -3 to 3)"),
        ("trian,Ann,so,1", "scores.csv, line 2: split: is not a split (train, dev, test)"),
    ],
)
def test_a_wrong_row_is_refused(cookbook, cli, row, told):
    Path("scores.csv").write_text(f"conversation,utterance,split,speaker,text,sentiment\na,1,{row}\n")
    cli("run", "scores.toml", "--trust").check(2, told)


def test_the_metric_counts_what_a_hand_counts(plugin):
    metric = plugin("at_shifts").accuracy_at_shifts
    conversation, speaker = [0, 0, 0, 0, 0, 1, 1], [0, 1, 0, 1, 0, 0, 0]
    true, answers = np.array([0, 1, 1, 1, 0, 1, 0]), [0, 1, 1, 0, 1, 1, 0]
    values = np.eye(2, dtype=np.float32)[answers]

    def score(order, speaker):
        rows = ScoredRows(*(np.array(each) for each in (conversation, [0, 1, 2, 3, 4, 0, 1], speaker)))
        return metric(true[order], values[order], ("no", "yes"), rows)

    # Speaker 0 shifts in rows 2 and 4, and in row 6 of the second conversation: right, wrong, right.
    assert score(range(7), speaker) == pytest.approx(2 / 3)
    assert score([0, 1, 4, 3, 2, 5, 6], speaker) == 1.0  # shifts in rows 2 (of 4 and 2) and 6 only
    assert score(range(7), [0, 0, 0, 0, 0, 0, 0]) == pytest.approx(2 / 3)  # rows 1, 4 and 6
    assert score([0] * 7, speaker) == 0.0


def test_the_metric_of_a_run_is_that_of_its_predictions(cookbook):
    finished = ercfw.run("at_shifts.toml", "data.conversations=12", "train.epochs=1", "train.device=cpu", trust=True)[0]
    own = {}
    for row in rows_of(finished, "test"):
        own.setdefault((row["conversation"], row["speaker"]), []).append(row)
    shifted = [now for rows in own.values() for was, now in pairwise(rows) if was["emotion"] != now["emotion"]]
    right = [row["emotion"] == row["emotion.predicted"] for row in shifted]
    assert finished.metrics.scores["test"]["emotion"]["accuracy-at-shifts"] == pytest.approx(np.mean(right))
    assert 0 < np.mean(right) < 1
