"""MultiAttn and its attention against equations 2-13 written out in loops, and what must not change them."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode

from ercfw import Conversation, ConversationStream, DataInfo, InputError, Inputs
from ercfw.data.collate import collate
from ercfw_basics import AttentionMask, ConversationAttention
from ercfw_multiemo.multiattn import MultiAttn

INFO = DataInfo({}, {}, 2)
SIZES = (4, 1, 6, 2)
WIDTH, HEADS = 8, 2
ASKED = {"text": ("audio", "visual"), "audio": ("text", "visual"), "visual": ("text", "audio")}


def talk(name: str, size: int, modalities, seed: int, absent: float = 0.0) -> Conversation:
    rng = np.random.default_rng(seed)
    streams = {}
    for modality in modalities:
        present = rng.random(size) >= absent
        values = rng.normal(size=(size, WIDTH)).astype(np.float32)
        streams[modality] = ConversationStream(values * present[:, None], present)
    return Conversation(
        id=name,
        split="train",
        utterances=tuple(map(str, range(size))),
        speakers=tuple("ab"[i % 2] for i in range(size)),
        texts=("",) * size,
        labels={},
        streams=streams,
    )


def talks(modalities, absent: float = 0.0) -> list[Conversation]:
    return [talk(str(n), size, modalities, n, absent) for n, size in enumerate(SIZES)]


def contexts(inputs: Inputs, dtype=torch.float32) -> dict[str, Tensor]:
    """As contexts may leave them: not zero where a modality is absent."""
    return {m: stream.values.to(dtype) + 0.5 for m, stream in inputs.streams.items()}


def attention_loops(attention, queries, keys, inputs, present, causal=False):
    """Equations 2-4 (6-8): query by query, head by head; the result and the weights."""
    size = WIDTH // HEADS
    conversation, position = inputs.layout.conversation.tolist(), inputs.layout.position.tolist()
    results, weights = [], torch.zeros(len(queries), HEADS, max(SIZES), dtype=queries.dtype)
    for i, x in enumerate(queries):
        read = [
            j for j in range(len(keys)) if conversation[j] == conversation[i] and present[j] and not (causal and j > i)
        ]
        if not read:
            results.append(torch.zeros_like(x))
            continue
        q = attention.query.weight @ x + attention.query.bias
        ks = [attention.key.weight @ keys[j] + attention.key.bias for j in read]
        vs = [attention.value.weight @ keys[j] + attention.value.bias for j in read]
        heads = []
        for h in range(HEADS):
            part = slice(h * size, (h + 1) * size)
            shares = torch.stack([q[part] @ k[part] for k in ks]).div(math.sqrt(size)).softmax(0)
            heads.append(sum(share * v[part] for share, v in zip(shares, vs, strict=True)))
            for share, j in zip(shares, read, strict=True):
                weights[i, h, position[j]] = share.detach()
        results.append(attention.out.weight @ torch.cat(heads) + attention.out.bias)
    return torch.stack(results), weights


def normed(norm, x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias


def multiattn_loops(block: MultiAttn, xs, inputs, order):
    views = {}
    for name in xs:
        view = xs[name]
        for layer in block.stacks[name]:
            for other in order(name):
                found, _ = attention_loops(
                    layer.attention[other], view, xs[other], inputs, inputs.streams[other].present
                )
                view = normed(layer.norms[other], view + found)
            inner, outer = layer.ffn[0], layer.ffn[3]
            hidden = (view @ inner.weight.T + inner.bias).clamp(min=0)
            view = normed(layer.last_norm, view + hidden @ outer.weight.T + outer.bias)
        views[name] = view * inputs.streams[name].present[:, None]
    return views


CASES = {
    "three": (("text", "audio", "visual"), lambda m: ASKED[m]),
    "three, otherwise ordered": (("visual", "audio", "text"), lambda m: ASKED[m]),
    "two": (("text", "visual"), lambda m: {"text": ("visual",), "visual": ("text",)}[m]),
    "one": (("audio",), lambda m: ("audio",)),
    "others": (
        ("gaze", "text", "eeg"),
        lambda m: {"gaze": ("text", "eeg"), "text": ("gaze", "eeg"), "eeg": ("text", "gaze")}[m],
    ),
}


@pytest.mark.parametrize("absent", [0.0, 0.5])
@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_those_of_the_equations(case, absent):
    torch.manual_seed(0)
    modalities, order = CASES[case]
    inputs = collate(talks(modalities, absent)).inputs
    block = MultiAttn(dict.fromkeys(modalities, WIDTH), INFO, layers=2, heads=HEADS, ffn=12).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    xs = {m: x.requires_grad_() for m, x in contexts(inputs, torch.float64).items()}
    fused = block(xs, inputs)
    views = multiattn_loops(block, xs, inputs, order)
    assert list(fused.views) == list(modalities)
    for m in modalities:
        torch.testing.assert_close(fused.views[m], views[m], rtol=1e-6, atol=1e-6)
    joint = torch.cat([views[m] for m in modalities], -1)
    torch.testing.assert_close(fused.joint, joint, rtol=1e-6, atol=1e-6)
    assert fused.joint.shape[1] == block.out_dim
    leaves = [*xs.values(), *block.parameters()]
    weight = torch.randn_like(joint)
    a = torch.autograd.grad((fused.joint * weight).sum(), leaves)
    b = torch.autograd.grad((joint * weight).sum(), leaves)
    for one, other in zip(a, b, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_and_its_weights_are_those_of_the_equations(causal):
    torch.manual_seed(0)
    inputs = collate(talks(("text", "audio"), 0.5)).inputs
    xs = contexts(inputs, torch.float64)
    attention = ConversationAttention(WIDTH, HEADS).double()
    present = inputs.streams["audio"].present
    plain, weights = attention_loops(attention, xs["text"], xs["audio"], inputs, present, causal)
    mask = AttentionMask(inputs.layout, present, causal)
    mine = attention(xs["text"], xs["audio"], mask)
    torch.testing.assert_close(mine, plain, rtol=1e-6, atol=1e-6)
    theirs = attention.weights(xs["text"], xs["audio"], mask)
    torch.testing.assert_close(theirs, weights, rtol=1e-6, atol=1e-6)


def test_without_a_key_the_result_is_exactly_zero_and_so_is_its_gradient():
    torch.manual_seed(0)
    inputs = collate(talks(("text",))).inputs
    x = contexts(inputs)["text"].requires_grad_()
    attention = ConversationAttention(WIDTH, HEADS)
    found = attention(x, x, AttentionMask(inputs.layout, inputs.layout.conversation != 2))
    alone = inputs.layout.conversation == 2
    assert not found[alone].any()
    assert found[~alone].all()
    (gradient,) = torch.autograd.grad(found.square().sum(), x)
    assert gradient.isfinite().all()
    assert not gradient[alone].any()


def test_what_an_absent_key_holds_is_never_read():
    torch.manual_seed(0)
    modalities = ("text", "audio", "visual")
    inputs = collate(talks(modalities, 0.4)).inputs
    block = MultiAttn(dict.fromkeys(modalities, WIDTH), INFO, heads=HEADS, ffn=12)
    xs = contexts(inputs)
    once = block(xs, inputs)
    away = {m: ~inputs.streams[m].present[:, None] for m in modalities}
    again = block({m: torch.where(away[m], 1e3, x) for m, x in xs.items()}, inputs)
    torch.testing.assert_close(again.joint, once.joint, rtol=1e-5, atol=1e-5)
    for m in modalities:
        assert away[m].any()
        assert not once.views[m][away[m][:, 0]].any()


@pytest.mark.parametrize("modalities", [("text", "audio", "visual"), ("text", "visual"), ("audio",)])
def test_an_utterance_does_not_depend_on_its_batch(modalities):
    torch.manual_seed(0)
    block = MultiAttn(dict.fromkeys(modalities, WIDTH), INFO, heads=HEADS, ffn=12)

    def joint(batch):
        inputs = collate(batch).inputs
        return block(contexts(inputs), inputs).joint

    batch = talks(modalities, 0.3)
    batched = joint(batch).split(list(SIZES))
    for conversation, rows in zip(batch, batched, strict=True):
        torch.testing.assert_close(joint([conversation]), rows, rtol=1e-5, atol=1e-5)
    for rows, other in zip(batched, joint(batch[::-1]).split(list(SIZES[::-1]))[::-1], strict=True):
        torch.testing.assert_close(rows, other, rtol=1e-5, atol=1e-5)
    others = [talk(c.id, len(c), modalities, 50, 0.3) for c in batch[1:]]
    torch.testing.assert_close(joint([batch[0], *others])[: SIZES[0]], batched[0], rtol=1e-5, atol=1e-5)


def test_explain_names_every_attention_and_gives_its_weights():
    torch.manual_seed(0)
    modalities = ("text", "audio", "visual")
    inputs = collate(talks(modalities, 0.3)).inputs
    block = MultiAttn(dict.fromkeys(modalities, WIDTH), INFO, layers=2, heads=HEADS, ffn=12)
    xs = contexts(inputs)
    weights = block.explain(xs, inputs)
    assert set(weights) == {f"layer-{n}.{m}.{o}" for n in (1, 2) for m in modalities for o in ASKED[m]}
    first = block.stacks["text"][0].attention["audio"]
    present = inputs.streams["audio"].present
    _, plain = attention_loops(first, xs["text"], xs["audio"], inputs, present)
    torch.testing.assert_close(weights["layer-1.text.audio"], plain, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(weights["layer-2.text.audio"], weights["layer-1.text.audio"])
    for name, weight in weights.items():
        answered = inputs.layout.pad(inputs.streams[name.rpartition(".")[2]].present).any(1)
        total = answered[inputs.layout.conversation, None].expand(-1, HEADS).float()
        torch.testing.assert_close(weight.sum(-1), total)


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    inputs = collate(talks(("text", "audio"))).inputs
    block = MultiAttn({"text": WIDTH, "audio": WIDTH}, INFO, heads=HEADS, ffn=12, dropout=0.5)
    xs = contexts(inputs)
    assert not torch.equal(block(xs, inputs).joint, block(xs, inputs).joint)
    block.eval()
    assert torch.equal(block(xs, inputs).joint, block(xs, inputs).joint)


def test_bfloat16_is_finite_and_near():
    torch.manual_seed(0)
    modalities = ("text", "audio", "visual")
    inputs = collate(talks(modalities, 0.6)).inputs
    block = MultiAttn(dict.fromkeys(modalities, WIDTH), INFO, heads=HEADS, ffn=12)
    xs = contexts(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        half = block({m: x.bfloat16() for m, x in xs.items()}, inputs).joint
    half.float().square().sum().backward()
    assert all(p.grad.isfinite().all() for p in block.parameters())
    torch.testing.assert_close(half.float(), block(xs, inputs).joint, rtol=0.1, atol=0.1)


def test_unequal_widths_and_heads_that_do_not_divide_are_refused():
    with pytest.raises(InputError, match="text 8, audio 6"):
        MultiAttn({"text": 8, "audio": 6}, INFO)
    with pytest.raises(InputError, match="3 does not divide the width of 8"):
        MultiAttn({"text": 8, "audio": 8}, INFO, heads=3)


def test_nothing_waits_for_the_device():
    """Fake tensors have no values: reading one, or a shape that depends on one, raises."""
    modalities = ("text", "audio", "visual")
    inputs = collate(talks(modalities, 0.3)).inputs
    with FakeTensorMode() as fake:
        block = MultiAttn(dict.fromkeys(modalities, WIDTH), INFO, heads=HEADS, ffn=12)
        faked = inputs.map(fake.from_tensor)
        xs = {m: x.requires_grad_() for m, x in contexts(faked).items()}
        block(xs, faked).joint.sum().backward()
    assert all(x.grad is not None for x in xs.values())
