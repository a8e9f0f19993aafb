"""SAM and FGM, which compute gradients again: against gradients by hand, and with infinite ones or errors."""

import copy
from dataclasses import replace

import pytest
import torch

from ercfw.data.collate import collate
from ercfw.errors import RunError
from ercfw.training.loop import fit
from ercfw.training.state import Listeners

SGD = ("train.optimizer=sgd", "train.lr=0.5")
WHOLE = (*SGD, "data.batch_size=12")


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def by_hand(begun, plan, move):
    """The gradients of a batch of all conversations at weights that ``move`` changed, with plain autograd."""
    model, batch = copy.deepcopy(begun.model), collate(plan.watched.train)
    own = [p.detach().clone() for p in model.parameters()]

    def gradients(inputs=batch.inputs):
        (loss,) = begun.losses(model(inputs), batch.targets).values()
        return torch.autograd.grad(loss, [*model.parameters()])

    return move(model, own, gradients, batch)


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("accumulate", [1, 4])
def test_sam_steps_with_the_gradient_at_the_weights_of_highest_loss(training, adaptive, accumulate):
    words = (
        "train.optimizer=sgd",
        "train.lr=0.5",
        f"data.batch_size={12 // accumulate}",
        f"train.accumulate={accumulate}",
    )
    begun, plan = training(*words, "callback.sam.rho=0.3", f"callback.sam.adaptive={adaptive}".lower())

    def move(model, own, gradients, _):
        first = gradients()
        scaled = [g * p.abs() if adaptive else g for g, p in zip(first, own, strict=True)]
        norm = sum(float(g.double().square().sum()) for g in scaled) ** 0.5
        with torch.no_grad():
            for p, g in zip(model.parameters(), first, strict=True):
                p += 0.3 * (g * p.square() if adaptive else g) / norm
        return torch.cat([(p - 0.5 * g).flatten() for p, g in zip(own, gradients(), strict=True)])

    expected = by_hand(begun, plan, move)
    fit(begun, plan, Listeners())
    torch.testing.assert_close(flat(begun.model), expected, rtol=0, atol=1e-5)
    plain, plan = training(*words)
    fit(plain, plan, Listeners())
    assert (flat(plain.model) - expected).norm() > 1e-3


@pytest.mark.parametrize("accumulate", [1, 4])
def test_fgm_adds_the_loss_of_moved_vectors(training, accumulate):
    words = (
        "train.optimizer=sgd",
        "train.lr=0.5",
        f"data.batch_size={12 // accumulate}",
        f"train.accumulate={accumulate}",
    )
    fgm = 'callback.fgm={ streams = ["text"], epsilon = 2.0, weight_of_moved = 0.7 }'
    begun, plan = training(*words, fgm)

    def move(model, own, gradients, batch):
        text = batch.inputs.streams["text"]
        x = text.values.clone().requires_grad_()
        moved = torch.zeros_like(x)
        streams = {**batch.inputs.streams, "text": type(text)(x, text.present)}
        (loss,) = begun.losses(model(type(batch.inputs)(streams, batch.inputs.layout, batch.inputs.speakers)),
                               batch.targets).values()  # fmt: skip
        (g,) = torch.autograd.grad(loss, x)
        for row in range(len(g)):
            norm = float(g[row].norm())
            moved[row] = x[row].detach() + (2.0 * g[row] / norm if norm else 0)
        streams["text"] = type(text)(moved, text.present)
        second = gradients(type(batch.inputs)(streams, batch.inputs.layout, batch.inputs.speakers))
        return torch.cat(
            [(p - 0.5 * (a + 0.7 * b)).flatten() for p, a, b in zip(own, gradients(), second, strict=True)]
        )

    expected = by_hand(begun, plan, move)
    fit(begun, plan, Listeners())
    torch.testing.assert_close(flat(begun.model), expected, rtol=0, atol=1e-5)


def test_fgm_moves_a_parameter_by_its_whole_gradient(training):
    begun, plan = training(*WHOLE, 'callback.fgm.parameters=["heads.emotion"]', "callback.fgm.epsilon=0.5")

    def move(model, own, gradients, _):
        first = gradients()
        with torch.no_grad():
            for (name, p), g in zip(model.named_parameters(), first, strict=True):
                if "heads.emotion" in name:
                    p += 0.5 * g / g.norm()
        return torch.cat([(p - 0.5 * (a + b)).flatten() for p, a, b in zip(own, first, gradients(), strict=True)])

    expected = by_hand(begun, plan, move)
    fit(begun, plan, Listeners())
    torch.testing.assert_close(flat(begun.model), expected, rtol=0, atol=1e-5)


def test_an_error_of_the_batch_is_not_blamed_on_the_callback_that_ran_it_again(training, monkeypatch):
    begun, plan = training("callback.sam={}")
    calls = []

    def fail_the_second_time(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise ValueError("bad batch")
        return real(*arguments)

    from ercfw.training import callbacks

    real = callbacks.backward
    monkeypatch.setattr(callbacks, "backward", fail_the_second_time)
    with pytest.raises(RunError, match=r"^epoch 1, batch 1: ValueError: bad batch"):
        fit(begun, plan, Listeners())


def made(name, **options):
    """A training of a few steps with a shipped callback, after the first one."""
    from ercfw.testing.callback_checks import CallbackSubject, SmallTraining
    from ercfw_basics import provide_callbacks

    return SmallTraining(CallbackSubject(provide_callbacks()[name], options))


def test_noise_is_scaled_as_the_gradients_are_under_fp16():
    found = []
    for scale in (1.0, 8.0):
        small = made("gradient-noise", eta=0.5)
        for p in small.view(0, 0).parameters():
            p.grad = torch.zeros_like(p)
        small.callback.before_step(replace(small.view(1, 1), gradient_scale=scale))
        found.append(torch.cat([p.grad.flatten() for p in small.view(0, 0).parameters()]))
    torch.testing.assert_close(found[1], 8 * found[0])


@pytest.mark.parametrize(("name", "options"), [("sam", {}), ("fgm", {"parameters": ("text",)})])
def test_infinite_gradients_leave_the_weights_as_they_are(name, options):
    """As under fp16, where the scaler then skips the step."""
    small = made(name, **options)
    before = small.weights()
    for p in small.view(0, 0).parameters():
        p.grad = torch.full_like(p, float("inf"))
    small.callback.after_backward(small.view(1, 1, small.inputs), lambda: pytest.fail("computed again"))
    assert torch.equal(small.weights(), before)


def test_sam_gives_the_weights_back_if_the_second_pass_fails():
    """Memory may run out in it; the step is then run again in more parts."""
    small = made("sam")
    for p in small.view(0, 0).parameters():
        p.grad = torch.ones_like(p)
    before = small.weights()

    def fail():
        assert not torch.equal(small.weights(), before)
        raise MemoryError

    with pytest.raises(MemoryError):
        small.callback.after_backward(small.view(1, 1), fail)
    assert torch.equal(small.weights(), before)
