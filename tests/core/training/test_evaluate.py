"""Predictions and scores against a plain loop and scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from sklearn.metrics import f1_score
from torch import nn

from ercfw.contract.batch import HeadOutput, Outputs, Rows
from ercfw.contract.conversation import Conversation, ConversationStream
from ercfw.contract.data_info import DataInfo, TargetSpec
from ercfw.contract.interfaces import Loss
from ercfw.errors import RunError
from ercfw.model.losses import WeightedLosses
from ercfw.results.scoring import Predictions, score, selected
from ercfw.training.evaluate import predict

CLASSES = ("a", "b", "c")
INFO = DataInfo({"emotion": TargetSpec(CLASSES, (1, 1, 1))}, {}, 1)
LENGTHS = (3, 1, 5, 2, 4)


class Fixed(nn.Module):
    """Logits that are the input."""

    def forward(self, inputs):
        x = inputs.streams["text"].values
        return Outputs({"emotion": HeadOutput(x, x)}, Rows.of(inputs))


class NegativeLogLikelihood(Loss):
    def forward(self, outputs, targets):
        return nn.functional.cross_entropy(outputs.heads["emotion"].logits, targets["emotion"])


@pytest.fixture
def conversations():
    rng = np.random.default_rng(0)
    made = []
    for number, size in enumerate(LENGTHS):
        stream = ConversationStream(rng.standard_normal((size, 3)).astype(np.float32), np.ones(size, bool))
        labels = rng.integers(0, 3, size)
        labels[0] = -100 if number != 1 else labels[0]
        ids = tuple(map(str, range(size)))
        made.append(
            Conversation(f"c{number}", "dev", ids, ("x",) * size, ("",) * size, {"emotion": labels}, {"text": stream})
        )
    return made


def run(conversations, batch_size):
    losses = WeightedLosses({"nll": NegativeLogLikelihood("emotion", INFO)}, {"nll": 0.5})
    return predict(Accelerator(cpu=True), Fixed(), losses, INFO, conversations, batch_size)


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_every_utterance_once_in_order_with_its_own_probabilities(conversations, batch_size):
    found = run(conversations, batch_size)
    assert found.ids == tuple(id for c in conversations for id in c.ids)
    values = np.concatenate([c.streams["text"].values for c in conversations]).astype(np.float64)
    expected = np.exp(values) / np.exp(values).sum(1, keepdims=True)
    np.testing.assert_allclose(found.values["emotion"], expected, atol=1e-6)
    labels = np.concatenate([c.labels["emotion"] for c in conversations])
    real = labels >= 0
    expected_loss = 0.5 * -np.log(expected[np.arange(len(labels)), labels * real])[real].mean()
    assert found.losses["nll"] == pytest.approx(expected_loss, abs=1e-6)


def test_without_any_label_there_are_predictions_and_no_scores(conversations):
    bare = [replace(c, labels={"emotion": np.full(len(c), -100)}) for c in conversations]
    found = run(bare, 2)
    assert found.losses == {"nll": 0.0}
    assert len(found.values["emotion"]) == sum(LENGTHS)
    assert score(found, {"m": lambda *_: 1.0}, INFO) == {}


def made(labels, answers):
    probabilities = np.eye(3, dtype=np.float32)[answers]
    ids = tuple(("c", str(n)) for n in range(len(labels)))
    return Predictions(ids, {"emotion": np.array(labels)}, {"emotion": probabilities}, {})


def f1(average):
    return lambda true, p, classes: f1_score(true, p.argmax(1), average=average, labels=range(3), zero_division=0)


def test_scores_read_labelled_rows_only_and_name_classes():
    predictions = made([0, 1, -100, 2, 1], [0, 1, 2, 1, 1])
    scores = score(predictions, {"weighted-f1": f1("weighted"), "f1": f1(None)}, INFO)["emotion"]
    true, answered = [0, 1, 2, 1], [0, 1, 1, 1]
    assert scores["weighted-f1"] == pytest.approx(f1_score(true, answered, average="weighted"))
    assert scores["f1"] == {"a": 1.0, "b": pytest.approx(0.8), "c": 0.0}
    assert selected({"emotion": scores}, "emotion.weighted-f1") == scores["weighted-f1"]
    assert selected({"emotion": scores}, "emotion.f1") == pytest.approx(1.8 / 3)


def test_what_is_not_a_number_is_reported():
    predictions = made([0, 1], [0, 1])
    predictions.values["emotion"][1, 0] = np.nan
    with pytest.raises(RunError, match="head 'emotion'"):
        score(predictions, {}, INFO)


@pytest.mark.parametrize("metric", [lambda *_: 1 / 0, lambda *_: np.zeros(2), lambda *_: "much", lambda *_: None])
def test_a_metric_that_fails_is_named(metric):
    with pytest.raises(RunError, match="metric 'mine' failed"):
        score(made([0, 1], [0, 1]), {"mine": metric}, INFO)


def test_predicting_leaves_no_gradient_and_the_model_in_training(conversations):
    model = nn.Sequential()
    model.forward = Fixed().forward
    losses = WeightedLosses({"nll": NegativeLogLikelihood("emotion", INFO)}, {"nll": 0.5})
    predict(Accelerator(cpu=True), model, losses, INFO, conversations, 2)
    assert model.training
    assert not torch.is_inference_mode_enabled()
