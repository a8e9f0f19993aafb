"""The fusions against their formulas, worked row by row, and with any set of modalities."""

from itertools import combinations

import pytest
import torch
from torch import nn

from ercfw import Fused, InputError, Inputs, Stream
from ercfw_basics import provide_fusions
from ercfw_basics.blocks.transformer_layer import sinusoids
from ercfw_basics.cross_modal import CrossModalTransformer
from ercfw_basics.fusions import Concat, GatedSum, Sum

DIMS = {"text": 6, "audio": 5, "visual": 4}
SMALL = {
    "concat": {},
    "sum": {"width": 8},
    "gated-sum": {"width": 8},
    "cross-modal-transformer": {"width": 8, "heads": 2, "ffn": 16, "layers": 2, "dropout": 0.0},
    "vib": {"width": 8},
}
SUBSETS = [names for size in (1, 2, 3) for names in combinations(DIMS, size)]


def values(inputs: Inputs, names=tuple(DIMS)) -> dict[str, torch.Tensor]:
    return {name: inputs.streams[name].values for name in names}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("names", SUBSETS)
def test_any_set_of_modalities(name, names, batch, info) -> None:
    made = provide_fusions()[name]({m: DIMS[m] for m in names}, info, **SMALL[name])
    fused = made(values(batch.inputs, names), batch.inputs)
    joint = fused.joint if isinstance(fused, Fused) else fused
    assert joint.shape == (18, made.out_dim)
    assert joint.isfinite().all()
    if isinstance(fused, Fused) and fused.views is not None:
        assert list(fused.views) == list(names)
        assert made.view_dims == {m: view.shape[1] for m, view in fused.views.items()}
        assert len({view.shape for view in fused.views.values()}) == 1


def test_every_fusion_is_tried_here() -> None:
    assert SMALL.keys() == provide_fusions().keys()


def test_concat(batch, info) -> None:
    given = Concat(DIMS, info)(values(batch.inputs), batch.inputs)
    assert torch.equal(given[:, 6:11], batch.inputs.streams["audio"].values)
    assert given.shape[1] == Concat(DIMS, info).out_dim == 15


def test_sum_is_the_mean_of_what_is_there(batch, info) -> None:
    made = Sum(DIMS, info, width=8)
    given = made(values(batch.inputs), batch.inputs)
    counts = set()
    for row in range(18):
        here = [m for m in DIMS if batch.inputs.streams[m].present[row]]
        counts.add(len(here))
        parts = [made.project[m](batch.inputs.streams[m].values[row]) for m in here]
        expected = sum(parts) / len(parts) if parts else torch.zeros(8)
        torch.testing.assert_close(given[row], expected, atol=1e-6, rtol=1e-6)
    assert counts >= {1, 2, 3}


def test_gated_sum_weighs_what_is_there(batch, info) -> None:
    made = GatedSum(DIMS, info, width=8).double()
    xs = {m: x.double() for m, x in values(batch.inputs).items()}
    given = made(xs, batch.inputs)
    gate = made.gate(xs, batch.inputs)
    for row in range(18):
        here = [m for m in DIMS if batch.inputs.streams[m].present[row]]
        scores = {m: made.score[m](xs[m][row]).exp().item() for m in here}
        shares = {m: scores.get(m, 0.0) / (sum(scores.values()) or 1) for m in DIMS}
        expected = sum(shares[m] * made.project[m](xs[m][row]) for m in DIMS)
        torch.testing.assert_close(gate[row].tolist(), list(shares.values()), atol=1e-12, rtol=1e-12)
        torch.testing.assert_close(given[row], expected, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("fusion", [Sum, GatedSum])
def test_with_all_absent_a_sum_is_zero_and_has_a_gradient(fusion, batch, info) -> None:
    streams = {
        m: Stream(torch.zeros_like(s.values), torch.zeros(18, dtype=torch.bool))
        for m, s in batch.inputs.streams.items()
    }
    inputs = Inputs(streams, batch.inputs.layout, batch.inputs.speakers)
    made = fusion(DIMS, info, width=8)
    given = made(values(inputs), inputs)
    assert given.eq(0).all()
    given.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters())


def reference_stack(stack, x, source, present):
    """One conversation through a stack of layers, ``[U, D]``, by torch's own attention."""
    for layer in stack.layers:
        width, attention = x.shape[1], layer.attention
        theirs = nn.MultiheadAttention(width, attention.heads, batch_first=True).double()
        maps = (attention.query, attention.key, attention.value)
        with torch.no_grad():
            theirs.in_proj_weight.copy_(torch.cat([one.weight for one in maps]))
            theirs.in_proj_bias.copy_(torch.cat([one.bias for one in maps]))
        theirs.out_proj.load_state_dict(attention.out.state_dict())
        if present.any():
            query = layer.attention_norm(x)[None]
            key = layer.attention_norm(source)[None]
            x = x + theirs(query, key, key, key_padding_mask=~present[None])[0][0]
        hidden = layer.ffn[0](layer.ffn_norm(x)).clamp_min(0)
        x = x + layer.ffn[-1](hidden)
    return stack.norm(x)


@pytest.mark.parametrize("names", SUBSETS)
@pytest.mark.parametrize("positions", [False, True])
def test_cross_modal_transformer_layer_by_layer(names, positions, batch, info) -> None:
    options = SMALL["cross-modal-transformer"] | {"positions": positions}
    made = CrossModalTransformer({m: DIMS[m] for m in names}, info, **options).double()
    xs = {m: x.double() for m, x in values(batch.inputs, names).items()}
    fused = made(xs, batch.inputs)
    start = 0
    for size in batch.inputs.layout.sizes:
        rows = slice(start, start + size)
        start += size
        places = sinusoids(torch.arange(size), 8) if positions else 0
        ys = {m: made.project[m](x[rows]) + places for m, x in xs.items()}
        for m in names:
            sources = [other for other in names if other != m] or [m]
            found = [
                reference_stack(made.stacks[m][s], ys[m], ys[s], batch.inputs.streams[s].present[rows]) for s in sources
            ]
            here = batch.inputs.streams[m].present[rows].unsqueeze(1)
            expected = torch.cat(found, 1) * here
            torch.testing.assert_close(fused.views[m][rows], expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(fused.joint, torch.cat(list(fused.views.values()), 1))


def test_the_view_of_an_absent_modality_is_zero(batch, info) -> None:
    made = CrossModalTransformer(DIMS, info, **SMALL["cross-modal-transformer"])
    views = made(values(batch.inputs), batch.inputs).views
    for m, view in views.items():
        assert torch.equal(view.ne(0).any(1), batch.inputs.streams[m].present)


def test_heads_must_divide_the_width_of_a_fusion(info) -> None:
    with pytest.raises(InputError, match="heads: 3 does not divide"):
        CrossModalTransformer(DIMS, info, width=8, heads=3)
