"""DialogueRNN against its equations written out utterance by utterance, and what must not change it."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from ercfw import Conversation, ConversationStream, DataInfo, Inputs
from ercfw.data.collate import collate
from ercfw_basics.dialogue_rnn import DialogueRNN

INFO = DataInfo({}, {}, 3)
SPEAKERS = ("abac", "b", "ababcab", "aa", "cbabb")
DIM, WIDTH = 5, 4
GRU = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def talk(name: str, speakers: str, seed: int) -> Conversation:
    values = np.random.default_rng(seed).normal(size=(len(speakers), DIM)).astype(np.float32)
    return Conversation(
        id=name,
        split="train",
        utterances=tuple(map(str, range(len(speakers)))),
        speakers=tuple(speakers),
        texts=("",) * len(speakers),
        labels={},
        streams={"audio": ConversationStream(values, np.ones(len(speakers), dtype=bool))},
    )


TALKS = [talk(str(number), speakers, number) for number, speakers in enumerate(SPEAKERS)]


def made(block: DialogueRNN, talks: list[Conversation]) -> Tensor:
    inputs = collate(talks).inputs
    return block(inputs.streams["audio"].values.to(next(block.parameters()).dtype), inputs)


def gru(cell: torch.nn.GRUCell, x: Tensor, h: Tensor) -> Tensor:
    i_r, i_z, i_n = (cell.weight_ih @ x + cell.bias_ih).chunk(3)
    h_r, h_z, h_n = (cell.weight_hh @ h + cell.bias_hh).chunk(3)
    reset, update = torch.sigmoid(i_r + h_r), torch.sigmoid(i_z + h_z)
    return (1 - update) * torch.tanh(i_n + reset * h_n) + update * h


def one_direction(net, xs: Tensor, speakers: str, attention: str, listener: bool) -> list[Tensor]:
    """Steps 1 to 5 of Majumder et al. for one conversation."""
    zero = xs.new_zeros(WIDTH)
    parties = dict.fromkeys(sorted(set(speakers)), zero)
    world, emotion, past, emotions = zero, zero, [], []
    for x, speaker in zip(xs, speakers, strict=True):
        world_before = list(past)
        world = gru(net.to_global, torch.cat([x, parties[speaker]]), world)
        past.append(world)
        context = zero
        if world_before:
            query = net.attention.weight[0] if attention == "simple" else net.attention.weight @ x
            shares = torch.stack([g @ query for g in world_before]).softmax(0)
            context = sum(share * g for share, g in zip(shares, world_before, strict=True))
        parties[speaker] = gru(net.to_party, torch.cat([x, context]), parties[speaker])
        if listener:
            for other in parties:
                if other != speaker:
                    heard = torch.cat([x, parties[speaker]])
                    parties[other] = gru(net.to_listener, heard, parties[other])
        emotion = gru(net.to_emotion, parties[speaker], emotion)
        emotions.append(emotion)
    return emotions


def dialogue_rnn_loops(block: DialogueRNN, xs: Tensor, talks, *, attention, listener, bidirectional, project):
    rows, start = [], 0
    for conversation in talks:
        speakers = "".join(conversation.speakers)
        x = xs[start : start + len(speakers)]
        start += len(speakers)
        result = one_direction(block.directions[0], x, speakers, attention, listener)
        if bidirectional:
            backward = one_direction(block.directions[1], x.flip(0), speakers[::-1], attention, listener)
            result = [torch.cat(pair) for pair in zip(result, backward[::-1], strict=True)]
        rows.extend(result)
    e = torch.stack(rows)
    if not project:
        return e
    return (e @ block.project[0].weight.T + block.project[0].bias if bidirectional else e).clamp(min=0)


OPTIONS = [
    {"attention": attention, "bidirectional": both, "listener": listener, "project": project}
    for attention, both, listener, project in itertools.product(
        ("simple", "general"), (False, True), (False, True), (False, True)
    )
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(str(v) for v in o.values()))
def test_values_and_gradients_are_those_of_the_equations(options):
    torch.manual_seed(0)
    block = DialogueRNN(DIM, INFO, width=WIDTH, **options).double()
    inputs = collate(TALKS).inputs
    x = inputs.streams["audio"].values.double().requires_grad_()
    mine = block(x, inputs)
    plain = dialogue_rnn_loops(block, x, TALKS, **options)
    assert mine.shape == (len(x), block.out_dim)
    torch.testing.assert_close(mine, plain, rtol=1e-12, atol=1e-13)
    leaves = [x, *block.parameters()]
    weight = torch.randn_like(mine)
    a = torch.autograd.grad((mine * weight).sum(), leaves)
    b = torch.autograd.grad((plain * weight).sum(), leaves)
    for one, other in zip(a, b, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


def test_every_weight_is_learnt_from():
    torch.manual_seed(0)
    block = DialogueRNN(DIM, INFO, width=WIDTH, bidirectional=True, listener=True)
    made(block, TALKS).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in block.parameters())


def test_attention_is_safe_at_scores_beyond_the_range_of_exp():
    torch.manual_seed(0)
    block = DialogueRNN(DIM, INFO, width=WIDTH).double()
    torch.nn.init.constant_(block.directions[0].attention.weight, 5e3)
    inputs = collate(TALKS).inputs
    x = inputs.streams["audio"].values.double()
    options = {"attention": "simple", "bidirectional": False, "listener": False, "project": False}
    mine = block(x, inputs)
    torch.testing.assert_close(mine, dialogue_rnn_loops(block, x, TALKS, **options))
    mine.sum().backward()
    assert all(p.grad.isfinite().all() for p in block.parameters())


@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "project": True}, {"attention": "general"}])
def test_several_modalities_together_are_each_alone(options):
    torch.manual_seed(0)
    inputs = collate(TALKS).inputs
    blocks = [DialogueRNN(DIM, INFO, width=WIDTH, **options).double() for _ in range(3)]
    xs = [torch.randn(len(inputs.speakers), DIM, dtype=torch.float64) for _ in blocks]
    together = DialogueRNN.together(blocks, xs, inputs)
    alone = [block(x, inputs) for block, x in zip(blocks, xs, strict=True)]
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other)
    for block, one, other in zip(blocks, together, alone, strict=True):
        leaves = list(block.parameters())
        a, b = torch.autograd.grad(one.sum(), leaves, retain_graph=True), torch.autograd.grad(other.sum(), leaves)
        for p, q in zip(a, b, strict=True):
            torch.testing.assert_close(p, q)


def test_unlike_blocks_run_one_after_another():
    torch.manual_seed(0)
    inputs = collate(TALKS).inputs
    blocks = [DialogueRNN(DIM, INFO, width=4), DialogueRNN(3, INFO, width=6, bidirectional=True)]
    xs = [torch.randn(len(inputs.speakers), block.kind.dim) for block in blocks]
    together = DialogueRNN.together(blocks, xs, inputs)
    for block, x, one in zip(blocks, xs, together, strict=True):
        torch.testing.assert_close(one, block(x, inputs))


SOME = [
    {},
    {"attention": "general"},
    {"bidirectional": True},
    {"bidirectional": True, "listener": True, "project": True},
]


@pytest.mark.parametrize("options", SOME)
def test_an_utterance_does_not_depend_on_its_batch(options):
    torch.manual_seed(0)
    block = DialogueRNN(DIM, INFO, width=WIDTH, **options)
    batched = made(block, TALKS).split([len(c) for c in TALKS])
    for conversation, rows in zip(TALKS, batched, strict=True):
        torch.testing.assert_close(made(block, [conversation]), rows, rtol=1e-5, atol=1e-5)
    backwards = made(block, TALKS[::-1]).split([len(c) for c in TALKS[::-1]])
    for rows, other in zip(batched, backwards[::-1], strict=True):
        torch.testing.assert_close(rows, other, rtol=1e-5, atol=1e-5)
    changed = made(block, [TALKS[0], *(talk(c.id, "".join(c.speakers), 99) for c in TALKS[1:])])
    torch.testing.assert_close(changed[: len(TALKS[0])], batched[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("listener", [False, True])
def test_only_the_order_in_which_speakers_appear_matters(listener):
    torch.manual_seed(0)
    block = DialogueRNN(DIM, INFO, width=WIDTH, listener=listener)
    torch.testing.assert_close(made(block, [talk("x", "abcab", 1)]), made(block, [talk("x", "cabca", 1)]))
    assert not torch.allclose(made(block, [talk("x", "abcab", 1)]), made(block, [talk("x", "abcbb", 1)]))


def test_forward_only_reads_nothing_that_comes_later():
    torch.manual_seed(0)
    inputs = collate(TALKS).inputs
    for attention in ("simple", "general"):
        block = DialogueRNN(DIM, INFO, width=WIDTH, attention=attention, listener=True)
        assert block.causal
        x = inputs.streams["audio"].values.clone().requires_grad_()
        for row in range(len(x)):
            (gradient,) = torch.autograd.grad(block(x, inputs)[row].sum(), x)
            seen = gradient.any(1)
            own = inputs.layout.conversation == inputs.layout.conversation[row]
            assert torch.equal(seen, own & (inputs.layout.position <= inputs.layout.position[row]))


def test_both_directions_read_the_whole_conversation():
    torch.manual_seed(0)
    inputs = collate(TALKS).inputs
    block = DialogueRNN(DIM, INFO, width=WIDTH, bidirectional=True)
    assert not block.causal
    x = inputs.streams["audio"].values.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(block(x, inputs)[0].sum(), x)
    assert torch.equal(gradient.any(1), inputs.layout.conversation == 0)


@pytest.mark.parametrize("listener", [False, True])
def test_more_speakers_than_training_had_keep_states_of_their_own(listener):
    blocks = []
    for speakers in (1, 9):
        torch.manual_seed(0)
        blocks.append(DialogueRNN(DIM, DataInfo({}, {}, speakers), width=WIDTH, listener=listener))
    few, many = (made(block, [talk("x", "abcdb", 1)]) for block in blocks)
    torch.testing.assert_close(few, many)
    assert not torch.allclose(few, made(blocks[0], [talk("x", "abbbb", 1)]))


def test_dropout_acts_in_training_only_and_on_what_is_carried_on():
    torch.manual_seed(0)
    block = DialogueRNN(DIM, INFO, width=64, dropout=0.5)
    dropped = made(block, TALKS)
    assert 0.3 < (dropped == 0).float().mean() < 0.7
    block.eval()
    torch.testing.assert_close(made(block, TALKS), made(block, TALKS))
    assert not (made(block, TALKS) == 0).any()


def test_bfloat16_is_finite_and_near():
    torch.manual_seed(0)
    inputs: Inputs = collate(TALKS).inputs
    block = DialogueRNN(DIM, INFO, width=WIDTH, bidirectional=True, listener=True, project=True)
    x = inputs.streams["audio"].values
    with torch.autocast("cpu", torch.bfloat16):
        half = block(x.bfloat16(), inputs)
    half.float().sum().backward()
    assert all(p.grad.isfinite().all() for p in block.parameters())
    torch.testing.assert_close(half.float(), block(x, inputs), rtol=0.05, atol=0.05)


def test_weights_begin_within_a_grus_range():
    block = DialogueRNN(DIM, INFO, width=16)
    for name, weight in block.named_parameters():
        if "attention" not in name:
            assert 0.2 < weight.abs().max() <= 0.25


def test_the_names_of_its_weights_are_those_of_earlier_checkpoints():
    block = DialogueRNN(DIM, INFO, width=WIDTH, bidirectional=True, listener=True, project=True)
    cells = [f"to_{cell}.{name}" for cell in ("global", "party", "listener", "emotion") for name in GRU]
    expected = {f"directions.{way}.{name}" for way in (0, 1) for name in (*cells, "attention.weight")}
    assert set(block.state_dict()) == expected | {"project.0.weight", "project.0.bias"}
