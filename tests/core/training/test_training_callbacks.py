"""Shipped callbacks against what they are by definition: loops, torch's own averages, gradients by hand."""

import copy

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from ercfw import metric
from ercfw.contract.metric import ERROR, SHARE
from ercfw.errors import InputError
from ercfw.training.checkpoint import load_state
from ercfw.training.loop import fit
from ercfw.training.resume import resume
from ercfw.training.state import Listeners

SGD = ("train.optimizer=sgd", "train.lr=0.5")
WHOLE = (*SGD, "data.batch_size=12")


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def weights_of(state, model):
    return torch.cat([state[name].flatten() for name, _ in model.named_parameters()])


@pytest.fixture
def watched(training):
    """Train with these settings; give the training, the weights after each step, and those that were scored."""

    def run(*words, scores=None, scale=SHARE, **more):
        scored, after, lines = [], [], []

        @metric("classes", scale=scale)
        def mine(*_):
            scored.append(flat(begun.model))
            return scores[len(scored) - 1] if scores else 0.1 * len(scored)

        begun, plan = training(*words, metrics=mine, **more)
        initial = flat(begun.model)
        fit(begun, plan, Listeners(step=lambda: after.append(flat(begun.model)), epoch=lines.append))
        return begun, initial, after, scored, lines

    return run


@pytest.mark.parametrize("warmup", [True, False])
def test_ema_is_the_average_of_a_plain_loop_and_is_what_is_scored_and_kept(watched, warmup):
    words = ("train.epochs=3", *SGD)
    begun, average, after, scored, _ = watched(
        *words, "callback.ema.decay=0.9", f"callback.ema.warmup={warmup}".lower()
    )
    average, expected = average.double(), []
    for step, own in enumerate(after, 1):
        decay = min(0.9, (1 + step) / (10 + step)) if warmup else 0.9
        average = decay * average + (1 - decay) * own.double()
        expected.append(average.clone())
    for epoch, found in enumerate(scored):
        torch.testing.assert_close(found.double(), expected[3 * epoch + 2], rtol=0, atol=1e-6)
        assert not torch.equal(found, after[3 * epoch + 2])
    assert torch.equal(weights_of(begun.best, begun.model), scored[begun.best_epoch - 1])
    _, _, plain, _, _ = watched(*words)
    assert all(torch.equal(one, other) for one, other in zip(after, plain, strict=True)), (
        "the training itself is as ever"
    )


def test_swa_is_torchs_average_of_the_last_epochs(watched):
    begun, _, after, scored, _ = watched("train.epochs=5", *SGD, "callback.swa.from_epoch=3")
    model = copy.deepcopy(begun.model)
    theirs = AveragedModel(model)
    for epoch in range(5):
        torch.nn.utils.vector_to_parameters(after[3 * epoch + 2], model.parameters())
        if epoch < 2:
            assert torch.equal(scored[epoch], after[3 * epoch + 2])
            continue
        theirs.update_parameters(model)
        torch.testing.assert_close(scored[epoch], flat(theirs.module), rtol=0, atol=1e-6)
    assert torch.equal(weights_of(begun.best, begun.model), scored[-1])


def test_swa_refuses_batch_normalisation_and_epochs_that_never_come(training):
    with pytest.raises(InputError, match=r"\[callback.swa\] from_epoch: is 3, but the training has 2 epochs"):
        training("train.epochs=2", "callback.swa.from_epoch=3")
    with pytest.raises(InputError, match=r"batch normalisation \(encoders.text.norm\)"):
        training(
            "callback.swa={}", modules=lambda model: model.encoders["text"].add_module("norm", torch.nn.BatchNorm1d(8))
        )


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("callback.fgm={}", r"\[callback.fgm\] streams: nothing is moved"),
        ('callback.fgm.streams=["txt"]', "there is no modality 'txt' .did you mean 'text'"),
        ('callback.fgm.parameters=["words"]', "no trained parameter has 'words' in its name"),
        ('callback.freeze.parts=["encoder.txt"]', r"\[callback.freeze\] parts: there is no part 'encoder.txt'"),
        ('callback.freeze.parts=["encoder", "head"]', "leave nothing to train"),
        ('callback.modality-dropout.streams=["txt"]', "there is no modality 'txt'"),
        ("callback.early-stopping.score=emotion.mein", r"\[callback.early-stopping\] score: there is no score"),
    ],
)
def test_a_mistake_in_a_table_names_it(training, table, says):
    with pytest.raises(InputError, match=says):
        training(table)


def test_freeze_leaves_parts_alone_until_their_epoch(watched):
    words = ("train.epochs=2", "train.weight_decay=0.1", 'callback.freeze={ parts = ["encoder"], until = 1 }')
    begun, initial, after, _, _ = watched(*words)
    encoders = sum(p.numel() for name, p in begun.model.named_parameters() if name.startswith("encoders"))
    assert torch.equal(after[2][:encoders], initial[:encoders])
    assert not torch.equal(after[2][encoders:], initial[encoders:])
    assert not torch.equal(after[3][:encoders], initial[:encoders])


@pytest.mark.parametrize("order", [("freeze", "sam"), ("sam", "freeze")])
def test_what_is_frozen_stays_so_beside_callbacks_that_compute_gradients_again(watched, order):
    tables = {"freeze": 'callback.freeze.parts=["encoder.text"]', "sam": "callback.sam={}"}
    begun, initial, after, _, _ = watched(*(tables[name] for name in order))
    frozen = sum(p.numel() for name, p in begun.model.named_parameters() if name.startswith("encoders.text"))
    assert torch.equal(after[-1][:frozen], initial[:frozen])
    assert not torch.equal(after[-1][frozen:], initial[frozen:])


def test_noise_has_the_variance_of_the_paper(watched):
    """With a learning rate of 1, the noise is the difference of two steps from the same weights."""
    words = ("train.optimizer=sgd", "train.lr=1.0", "train.epochs=1")
    _, _, plain, _, _ = watched(*words)
    _, _, noisy, _, _ = watched(*words, "callback.gradient-noise.eta=0.5")
    noise = noisy[0] - plain[0]
    assert float(noise.var()) == pytest.approx(0.5, rel=0.2)
    assert abs(float(noise.mean())) < 0.1
    _, _, again, _, _ = watched(*words, "callback.gradient-noise.eta=0.5")
    assert torch.equal(again[-1], noisy[-1])


def test_early_stopping_is_patience(watched):
    scores = [0.1, 0.2, 0.15, 0.2, 0.9]
    _, _, _, _, stopped = watched("train.epochs=5", "callback.early-stopping.patience=2", scores=scores)
    _, _, _, _, patient = watched("train.epochs=5", "train.patience=2", scores=scores)
    assert [line["epoch"] for line in stopped] == [line["epoch"] for line in patient] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("options", "epochs"),
    [("min_delta=0.05", 4), ("min_delta=0.15", 3), ("score=emotion.mine", 6), ("better=lower", 3)],
)
def test_early_stopping_counts_what_it_is_told_to(watched, options, epochs):
    words = ("train.epochs=6", "callback.early-stopping.patience=2", f"callback.early-stopping.{options}")
    _, _, _, _, lines = watched(*words, scores=[0.10, 0.20, 0.22, 0.24, 0.23, 0.22])
    assert len(lines) == epochs


@pytest.mark.parametrize("options", ["patience=2", "score=emotion.mine"])
def test_early_stopping_knows_from_the_metric_that_lower_is_better(watched, options):
    falling, rising = [0.9, 0.7, 0.5, 0.4, 0.3, 0.2], [0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    words = ("train.epochs=6", f"callback.early-stopping.{options}", "callback.early-stopping.patience=2")
    assert len(watched(*words, scores=falling, scale=ERROR)[4]) == 6
    assert len(watched(*words, scores=rising, scale=ERROR)[4]) == 3
    assert len(watched(*words, "callback.early-stopping.better=higher", scores=rising, scale=ERROR)[4]) == 6
    patient = watched("train.epochs=6", "train.patience=2", scores=rising, scale=ERROR)[4]
    assert len(patient) == 3


def test_a_score_that_the_target_does_not_have_is_no_score(training):
    """The metric serves numbers, and the target consists of classes."""
    with pytest.raises(InputError, match=r"early-stopping\] score: there is no score 'emotion.mine' \(.*loss"):
        training("callback.early-stopping.score=emotion.mine", metrics=metric("regression")(lambda *_: 0.5))


def test_early_stopping_by_the_loss_stops_when_it_rises(watched):
    words = ("train.epochs=8", "train.optimizer=sgd", "train.lr=60.0", "callback.early-stopping.score=loss",
             "callback.early-stopping.patience=1")  # fmt: skip
    _, _, _, _, lines = watched(*words)
    losses = [sum(line["watched_loss"].values()) for line in lines]
    rises = [epoch for epoch in range(1, len(losses)) if losses[epoch] >= min(losses[:epoch])]
    assert (rises[0] if rises else 7) == len(lines) - 1


def test_a_training_that_a_callback_ended_stays_ended(training):
    begun, plan = training("train.epochs=5", "callback.early-stopping.patience=1", metrics=lambda *_: 0.5)
    fit(begun, plan, Listeners())
    assert len(begun.history) == 2
    assert load_state(plan.state)["ended"] is True
    again, plan = training("train.epochs=5", "callback.early-stopping.patience=1", metrics=lambda *_: 0.5)
    resume(again, plan.state, Listeners())
    fit(again, plan, Listeners())
    assert len(again.history) == 2


def test_dropped_modalities_never_leave_an_utterance_empty(training):
    """As many are dropped as the rate says, in training only, and in the same utterances for any division."""
    seen = {}
    for accumulate in (1, 4):
        words = (f"data.batch_size={12 // accumulate}", f"train.accumulate={accumulate}")
        begun, plan = training(*words, "callback.modality-dropout.rate=0.4")
        inner = begun.model.forward

        def spy(inputs, inner=inner, seen=seen, accumulate=accumulate, model=begun.model):
            kept = torch.stack([inputs.streams[name].present for name in ("text", "audio")], 1)
            values = inputs.streams["text"].values
            if model.training and torch.is_grad_enabled():
                seen.setdefault(accumulate, []).extend(map(tuple, torch.cat([values, kept], 1).tolist()))
            else:
                assert kept.all() or model.training
            return inner(inputs)

        begun.model.forward = spy
        fit(begun, plan, Listeners())
    assert sorted(seen[1]) == sorted(seen[4])
    kept = torch.tensor(seen[1])[:, -2:]
    assert kept.any(1).all()
    expected = 2 * (0.4 * 0.6) + 0.4 * 0.4  # one of two, or both, of which one comes back
    assert float((kept.sum(1) < 2).float().mean()) == pytest.approx(expected, abs=0.12)
    rows = torch.tensor(seen[1])
    assert (rows[rows[:, -2] == 0][:, :-2] == 0).all()
