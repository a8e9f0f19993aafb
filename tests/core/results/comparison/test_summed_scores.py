"""Scores from sums over conversations are those of the metrics themselves, for every kind of target."""

import numpy as np
import pytest

from ercfw.contract.metric import CORRELATION, ERROR
from ercfw.results.comparison.significance import SampledScore, draw_conversations, mean_scores, sample_scores
from ercfw.results.comparison.summed_scores import SUMMED
from ercfw.results.target_predictions import TargetPredictions
from ercfw_basics import provide_metrics

METRICS = provide_metrics()
LENGTHS = (7, 1, 12, 5, 9, 30)
ROWS = sum(LENGTHS)
IDS = tuple((f"c{number}", str(place)) for number, length in enumerate(LENGTHS) for place in range(length))


def made(kind: str, seed: int = 0) -> TargetPredictions:
    draw = np.random.default_rng(seed)
    if kind == "regression":
        true = np.round(np.clip(draw.normal(0, 1.5, (ROWS, 2)), -3, 3), 1).astype(np.float32)
        true[::7] = 0
        values = np.round(true + draw.normal(0, 1, true.shape), 1).astype(np.float32)
        true[::11] = np.nan
        return TargetPredictions.of(IDS, true, values, ("a", "b"), "regression")
    if kind == "multilabel":
        true = (draw.random((ROWS, 3)) < (0.5, 0.2, 0.0)).astype(np.float32)
        values = np.clip(0.4 * true + draw.random(true.shape) * 0.7, 0, 1)
        true[::11] = np.nan
        return TargetPredictions.of(IDS, true, values, ("a", "b", "c"), "multilabel")
    true = draw.integers(3, size=ROWS)
    true[::11] = -100
    return TargetPredictions.of(IDS, true, draw.dirichlet([1.0] * 3, ROWS), ("a", "b", "c"), "classes")


def scored(name: str, answers: TargetPredictions) -> np.ndarray:
    real = answers.labelled
    return np.asarray(METRICS[name](answers.true[real], answers.values[real], answers.classes))


@pytest.mark.parametrize("kind", SUMMED)
def test_sums_give_the_scores_of_the_metrics(kind) -> None:
    answers = made(kind)
    sums = SUMMED[kind].sums(answers).sum(0)
    for name, score in SUMMED[kind].whole.items():
        assert score(sums) == pytest.approx(scored(name, answers).mean(), abs=1e-9), name
    each = scored(SUMMED[kind].each.removesuffix("-each"), answers)
    for place in range(len(answers.classes)):
        assert SUMMED[kind].of_one(place)(sums) == pytest.approx(each[place], abs=1e-9)


@pytest.mark.parametrize("kind", SUMMED)
def test_every_whole_score_is_a_metric_of_its_kind(kind) -> None:
    assert all(kind in METRICS[name].traits.serves for name in SUMMED[kind].whole if hasattr(METRICS[name], "traits"))


@pytest.mark.parametrize("kind", SUMMED)
def test_a_sample_repeats_whole_conversations(kind) -> None:
    answers = made(kind)
    drawn = draw_conversations(len(LENGTHS))[:3]
    rows = {name: [row for row, (c, _) in enumerate(IDS) if c == name] for name, _ in IDS}
    known = [name for name in dict.fromkeys(c for c, _ in IDS) if answers.labelled[rows[name]].any()]
    assert len(known) == drawn.shape[1]
    names = list(SUMMED[kind].whole)
    sampled = sample_scores(SUMMED[kind].sums(answers)[None], list(SUMMED[kind].whole.values()), drawn)
    for number, counts in enumerate(drawn):
        chosen = np.array([row for name, n in zip(known, counts, strict=True) for row in rows[name] * int(n)])
        for name, of_score in zip(names, sampled, strict=True):
            assert of_score.samples[number] == pytest.approx(scored(name, answers.take(chosen)).mean(), abs=1e-9)


def test_the_lowest_error_is_the_best_and_intervals_end_where_scores_do() -> None:
    draw = np.random.default_rng(0)

    def line(mean: float) -> SampledScore:
        return SampledScore(mean + 0.01 * draw.normal(size=5), mean + 0.02 * draw.normal(size=500), 30, ERROR)

    scores = mean_scores([line(0.9), line(0.5), line(1.4)])
    assert scores.best() == {1}
    wide = mean_scores([SampledScore(np.array([0.01, 0.02]), 0.5 * draw.normal(size=500), 30, ERROR)])
    assert wide.interval(0)[0] == 0
    assert wide.interval(0)[1] > 1
    negative = SampledScore(np.array([-0.99, -0.98]), 0.5 * draw.normal(size=500), 30, CORRELATION)
    assert mean_scores([negative]).interval(0)[0] == -1
