"""A second pass with other random numbers: only where a loss requires it, in training, in parts too."""

import numpy as np
import pytest
import torch

from ercfw import Loss
from ercfw.training.distributed import gather_outputs, take_share
from ercfw.training.evaluate import predict
from ercfw.training.gradients import backward, forward, training_forward

DROPOUT = ("encoder.default.dropout=0.5", "data.batch_size=12")
ENTROPY = (0, 1, 0)


class Passes(Loss):
    """Keeps the logits of both passes."""

    requires = ("second_pass",)

    def __init__(self, target, info=None) -> None:
        super().__init__(target, info)
        self.seen = []

    def forward(self, outputs, targets):
        second = None if outputs.second is None else outputs.second.heads["emotion"].logits
        self.seen.append((outputs.heads["emotion"].logits, second, outputs))
        return outputs.heads["emotion"].logits.square().mean()


class OnePass(Passes):
    requires = ()


def calls_of(model):
    calls = []
    model.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    return calls


@pytest.mark.parametrize(("kind", "passes"), [(OnePass, 1), (Passes, 2)])
@pytest.mark.parametrize("parts", [1, 3])
def test_the_model_runs_as_often_as_the_losses_require(training, kind, passes, parts):
    begun, plan = training(*DROPOUT, loss=kind("emotion"))
    calls = calls_of(begun.model)
    share = take_share(plan.watched.train, 0, 1, parts)
    backward(begun.accelerator, begun.model, begun.losses, share, ENTROPY)
    assert len(calls) == passes * parts * (2 if parts > 1 else 1)
    assert (begun.losses.losses["cross-entropy"].seen[0][1] is None) is (passes == 1)


@pytest.mark.parametrize("parts", [1, 3])
def test_the_first_pass_is_the_same_as_without_a_second_one_which_is_another(training, parts):
    seen = []
    for kind in (OnePass, Passes, Passes):
        begun, plan = training(*DROPOUT, loss=kind("emotion"))
        share = take_share(plan.watched.train, 0, 1, parts)
        backward(begun.accelerator, begun.model, begun.losses, share, ENTROPY)
        seen.append(begun.losses.losses["cross-entropy"].seen[0])
    (alone, _, _), (first, second, outputs), (again_first, again_second, _) = seen
    assert torch.equal(alone, first)
    assert torch.equal(first, again_first)
    assert torch.equal(second, again_second)
    assert not torch.equal(first, second)
    assert torch.equal(outputs.second.rows.previous, outputs.rows.previous)


def test_evaluation_has_no_second_pass(training):
    begun, plan = training(*DROPOUT, loss=Passes("emotion"))
    calls = calls_of(begun.model)
    predict(begun.accelerator, begun.model, begun.losses, plan.info, plan.watched.train, 12)
    assert len(calls) == 1
    assert begun.losses.losses["cross-entropy"].seen[0][1] is None


def test_gradients_of_both_passes_are_added_in_parts_as_at_once(training):
    """With dropout: the parts' own random numbers are used for both ways."""

    class Product(Loss):
        requires = ("second_pass",)

        def forward(self, outputs, targets):
            first, second = outputs.heads["emotion"].logits, outputs.second.heads["emotion"].logits
            return (first @ second.T).tanh().mean()

    begun, plan = training(*DROPOUT, loss=Product("emotion", None))
    share = take_share(plan.watched.train, 0, 1, 3)
    backward(begun.accelerator, begun.model, begun.losses, share, ENTROPY)
    in_parts = {name: p.grad.clone() for name, p in begun.model.named_parameters()}
    begun.optimizer.zero_grad()
    given = [
        training_forward(begun.accelerator, begun.model, begun.losses, share, number, ENTROPY) for number in range(3)
    ]
    outputs = gather_outputs(given, share, 0)
    begun.losses.losses["cross-entropy"](outputs, {}).backward()
    for name, parameter in begun.model.named_parameters():
        torch.testing.assert_close(in_parts[name], parameter.grad, rtol=0, atol=1e-6)
        assert parameter.grad.any()


def test_rows_of_parts_keep_their_numbers_in_the_whole_batch(training):
    begun, plan = training("data.batch_size=12")
    conversations = plan.watched.train
    for processes, parts in ((1, 1), (1, 5), (2, 1), (3, 7)):
        whole = take_share(conversations, 0, 1).whole
        place = {id: row for row, id in enumerate(whole.ids)}
        for rank in range(processes):
            for part in take_share(conversations, rank, processes, parts).parts:
                assert part.inputs.layout.row.tolist() == [place[id] for id in part.ids]
    assert np.array_equal(whole.inputs.layout.row, np.arange(len(whole.ids)))
    assert forward(begun.accelerator, begun.model, take_share(conversations, 0, 1), 0).second is None
