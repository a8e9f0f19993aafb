"""What every part promises of its rows: one's answer depends on nothing outside its conversation."""

from dataclasses import replace

import pytest
import torch

from ercfw import ContextOutput, Fused, Inputs, Stream
from ercfw.data.collate import collate
from ercfw_basics import (
    provide_contexts,
    provide_encoders,
    provide_fusions,
    provide_heads,
)

SMALL = {
    ("context", "none"): {},
    ("context", "gru"): {"width": 8},
    ("context", "gru", "causal"): {"width": 8, "layers": 2, "bidirectional": False},
    ("context", "lstm"): {"width": 8},
    ("context", "lstm", "causal"): {"width": 8, "bidirectional": False},
    ("context", "transformer"): {"width": 8, "heads": 2, "ffn": 16, "layers": 2, "speakers": True},
    ("context", "transformer", "causal"): {"width": 8, "heads": 2, "ffn": 16, "layers": 2, "causal": True},
    ("context", "dialogue-rnn"): {"width": 8, "bidirectional": True},
    ("context", "dialogue-rnn", "causal"): {"width": 8},
    ("context", "mixup"): {},
    ("fusion", "concat"): {},
    ("fusion", "sum"): {"width": 8},
    ("fusion", "gated-sum"): {"width": 8},
    ("fusion", "cross-modal-transformer"): {"width": 8, "heads": 2, "ffn": 16},
    ("fusion", "vib"): {"width": 8},
    ("encoder", "identity"): {"standardise": True},
    ("encoder", "linear"): {"width": 8},
    ("encoder", "mlp"): {"width": 8, "hidden": 9, "standardise": True},
    ("head", "linear"): {},
    ("head", "mlp"): {"hidden": 9},
    ("head", "ordinal"): {},
    ("head", "auxiliary-linear"): {},
}
KINDS = {
    "context": provide_contexts,
    "fusion": provide_fusions,
    "encoder": provide_encoders,
    "head": provide_heads,
}
DIMS = {"text": 6, "audio": 5, "visual": 4}
parts = pytest.mark.parametrize("part", SMALL, ids="-".join)
learning = pytest.mark.parametrize(
    "part", [part for part in SMALL if part[1] not in ("none", "concat", "identity", "mixup")], ids="-".join
)


def build(part, info):
    torch.manual_seed(0)
    made = KINDS[part[0]]()[part[1]]
    first = {
        "context": (6, info),
        "fusion": (DIMS, info),
        "encoder": (info.modalities["text"], info),
        "head": (6, "emotion", info),
    }[part[0]]
    if part[1] == "auxiliary-linear":
        first = (*first, DIMS)
    return made(*first, **SMALL[part]).eval()


def run(part, made, inputs: Inputs) -> torch.Tensor:
    """The rows ``[N, D]`` that a part gives for a batch."""
    text = inputs.streams["text"]
    if part[0] == "fusion":
        fused = made({m: stream.values for m, stream in inputs.streams.items()}, inputs)
        return fused.joint if isinstance(fused, Fused) else fused
    if part[1] == "auxiliary-linear":
        views = {m: stream.values for m, stream in inputs.streams.items()}
        output = made(text.values, inputs, views)
        return torch.cat([output.logits, output.auxiliary.flatten(1)], 1)
    if part[0] == "head":
        return made(text.values, inputs).logits
    given = made(text if part[0] == "encoder" else text.values, inputs)
    return given.x if isinstance(given, ContextOutput) else given


def test_every_part_is_tried_here() -> None:
    assert {(kind, name) for kind, provide in KINDS.items() for name in provide()} == {p[:2] for p in SMALL}


@parts
def test_a_conversation_is_the_same_in_any_company(part, conversations, converse, info, rows_of) -> None:
    made = build(part, info)
    one = conversations[0]
    alone = run(part, made, collate([one]).inputs)
    changed = [converse(size, seed) for seed, size in enumerate((30, 2), start=50)]
    for company in (conversations, conversations[::-1], [changed[0], one, changed[1]]):
        batched = run(part, made, collate(company).inputs)
        torch.testing.assert_close(batched[rows_of(company, one.id)], alone, atol=1e-5, rtol=1e-5)


@learning
def test_every_parameter_gets_a_gradient(part, conversations, converse, info) -> None:
    made = build(part, info).train()
    given = run(part, made, collate([*conversations, converse(12, 7)]).inputs)
    (given * torch.randn_like(given)).sum().backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if not name.endswith("key.bias"):  # a softmax over keys does not change with a number added to all
            assert parameter.grad.ne(0).any(), name


@learning
def test_finite_under_bfloat16_autocast(part, batch, info) -> None:
    made = build(part, info).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        given = run(part, made, batch.inputs)
        given.float().square().sum().backward()
    assert given.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in made.parameters())


@pytest.mark.parametrize("part", [part for part in SMALL if part[0] != "encoder"], ids="-".join)
def test_causal_means_blind_to_what_comes_later(part, converse, info) -> None:
    made = build(part, info)
    one, other = converse(8, 0), converse(8, 1)
    inputs = collate([one]).inputs
    later = {
        m: Stream(torch.cat([s.values[:4], torch.from_numpy(other.streams[m].values[4:])]), s.present)
        for m, s in inputs.streams.items()
    }
    given, changed = run(part, made, inputs), run(part, made, replace(inputs, streams=later))
    seen = not torch.allclose(given[:4], changed[:4], atol=1e-6)
    assert seen is not made.causal
    assert not torch.allclose(given[4:], changed[4:], atol=1e-3)


@parts
def test_with_a_modality_absent_everywhere(part, batch, info) -> None:
    text = batch.inputs.streams["text"]
    gone = Stream(torch.zeros_like(text.values), torch.zeros_like(text.present))
    inputs = replace(batch.inputs, streams={**batch.inputs.streams, "text": gone})
    assert run(part, build(part, info), inputs).isfinite().all()


@pytest.mark.parametrize("name", ["sum", "gated-sum", "cross-modal-transformer"])
def test_what_an_absent_row_holds_never_matters(name, batch, info) -> None:
    part = ("fusion", name)
    made = build(part, info)
    rubbish = {
        m: Stream(s.values.masked_fill(~s.present.unsqueeze(1), 1e3), s.present)
        for m, s in batch.inputs.streams.items()
    }
    given = run(part, made, batch.inputs)
    torch.testing.assert_close(run(part, made, replace(batch.inputs, streams=rubbish)), given)
