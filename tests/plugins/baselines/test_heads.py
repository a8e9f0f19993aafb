"""The heads of BC-LSTM and IterativeERC, and the attention of DialogueRNN, by loops and by torch's own networks."""

import pytest
import torch

from ercfw import InputError
from ercfw_baselines.bc_lstm import BCLSTMHead
from ercfw_baselines.iterative_erc import IterativeHead
from ercfw_baselines.matching import MatchingHead

from .rows import talks

TARGET = "emotion"


def alone(rnn, x, inputs):
    """A recurrent network over each conversation by itself, without any packing."""
    return torch.cat([rnn(x[rows].unsqueeze(1))[0][:, 0] for rows in talks(inputs)])


@pytest.mark.parametrize("tanh", [False, True])
def test_matching_attention_by_loops(tanh, made, drawn):
    _, inputs, info = made(("text",), sizes=(4, 1, 6), absent=0)
    x = inputs.streams["text"].values
    head = drawn(MatchingHead(6, TARGET, info, tanh=tanh, hidden=5))
    logits = head(x, inputs).logits
    for rows in talks(inputs):
        for i in rows:
            scores = torch.stack([x[j] @ head.query(x[i]) for j in rows])
            shares = (scores.tanh() if tanh else scores).softmax(0)
            read = sum(share * x[j] for share, j in zip(shares, rows, strict=True))
            wanted = head.classify(head.hidden(read).relu())
            torch.testing.assert_close(logits[i], wanted, atol=1e-12, rtol=1e-12)


def test_bc_lstm_level_by_level(made, drawn):
    _, inputs, info = made(sizes=(4, 1, 6), absent=0)
    x = torch.randn(11, 15, dtype=torch.float64)
    head = drawn(BCLSTMHead(15, TARGET, info, dense=4, width=6, hidden=5))
    lower = [(x[:, 5 * m : 5 * m + 5] @ layer.weight.T + layer.bias).tanh() for m, layer in enumerate(head.dense)]
    states = alone(head.upper.rnn, torch.cat(lower, 1), inputs)
    given = head(x, inputs)
    torch.testing.assert_close(given.logits, head.classify(head.hidden(states).relu()))
    assert given.auxiliary.shape == (11, 3, 4)
    for m, (layer, z) in enumerate(zip(head.alone, lower, strict=True)):
        torch.testing.assert_close(given.auxiliary[:, m], z @ layer.weight.T + layer.bias)


def test_bc_lstm_reads_nothing_but_modalities_of_one_width(made):
    _, _, info = made()
    with pytest.raises(InputError, match="the input width 7 cannot be divided among 3 modalities"):
        BCLSTMHead(7, TARGET, info)


@pytest.mark.parametrize("feedback", ["soft", "detached", "argmax"])
def test_iterations_one_after_another(feedback, made, drawn):
    _, inputs, info = made(("text",), sizes=(4, 1, 6), absent=0)
    x = inputs.streams["text"].values
    head = drawn(IterativeHead(6, TARGET, info, iterations=3, width=8, emotion_width=5, feedback=feedback))
    answers = [head.answer_first(alone(head.first.rnn, x, inputs))]
    for _ in range(3):
        last = answers[-1].softmax(1)
        if feedback == "argmax":
            last = torch.stack([torch.eye(4, dtype=x.dtype)[row.argmax()] for row in last])
        heard = last @ head.emotions.weight.T
        answers.append(head.answer(alone(head.again.rnn, torch.cat([x, heard], 1), inputs)))
    given = head(x, inputs)
    torch.testing.assert_close(given.logits, answers[-1])
    torch.testing.assert_close(given.auxiliary, torch.stack(answers[:-1], 1))


def test_gradients_go_back_through_soft_feedback_alone(made, drawn):
    _, inputs, info = made(("text",), sizes=(4,), absent=0)
    x = inputs.streams["text"].values
    reached = {}
    for feedback in ("soft", "detached", "argmax"):
        head = drawn(IterativeHead(6, TARGET, info, iterations=1, width=8, feedback=feedback))
        head(x, inputs).logits.square().sum().backward()
        reached[feedback] = head.answer_first.weight.grad is not None
    assert reached == {"soft": True, "detached": False, "argmax": False}


def test_without_iterations_it_is_a_plain_classifier(made, drawn):
    _, inputs, info = made(("text",), sizes=(4, 3), absent=0)
    x = inputs.streams["text"].values
    head = drawn(IterativeHead(6, TARGET, info, iterations=0, width=8))
    given = head(x, inputs)
    torch.testing.assert_close(given.logits, head.answer_first(alone(head.first.rnn, x, inputs)))
    assert given.auxiliary is None
