"""The transformer context against torch's own encoder, run on each conversation alone."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ercfw import InputError
from ercfw.data.collate import collate
from ercfw.data.train_statistics import make_data_info
from ercfw_basics.blocks.transformer_layer import TransformerLayer, sinusoids
from ercfw_basics.transformer import TransformerContext


def torchs(layer: TransformerLayer, width: int, heads: int, ffn: int) -> nn.TransformerEncoderLayer:
    """torch's layer with the same weights."""
    made = nn.TransformerEncoderLayer(width, heads, ffn, dropout=0.0, batch_first=True, norm_first=True).double()
    attention = layer.attention
    maps = (attention.query, attention.key, attention.value)
    with torch.no_grad():
        made.self_attn.in_proj_weight.copy_(torch.cat([one.weight for one in maps]))
        made.self_attn.in_proj_bias.copy_(torch.cat([one.bias for one in maps]))
    made.self_attn.out_proj.load_state_dict(attention.out.state_dict())
    made.linear1.load_state_dict(layer.ffn[0].state_dict())
    made.linear2.load_state_dict(layer.ffn[-1].state_dict())
    made.norm1.load_state_dict(layer.attention_norm.state_dict())
    made.norm2.load_state_dict(layer.ffn_norm.state_dict())
    return made


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("positions", [False, True])
@pytest.mark.parametrize("speakers", [False, True])
def test_as_torchs_encoder(causal, positions, speakers, batch, info) -> None:
    made = TransformerContext(
        6, info, width=8, layers=2, heads=2, ffn=16, dropout=0.0,
        positions=positions, speakers=speakers, causal=causal,
    ).double()  # fmt: skip
    assert made.causal is causal
    stream = batch.inputs.streams["text"]
    x = stream.values.double()
    given = made(x, batch.inputs)
    layers = [torchs(layer, 8, 2, 16) for layer in made.layers]
    start = 0
    for size in batch.inputs.layout.sizes:
        rows = slice(start, start + size)
        start += size
        y = made.project(x[rows])
        if positions:
            y = y + sinusoids(torch.arange(size), 8)
        if speakers:
            y = y + made.speaker.table.weight[batch.inputs.speakers[rows]]
        hidden = ~stream.present[rows].expand(size, size)
        if causal:
            hidden = hidden | torch.ones(size, size).triu(1).bool()
        if hidden.all(-1).any():
            continue  # torch gives NaN where an utterance can see none: the next test has such rows
        y = y.unsqueeze(0)
        for layer in layers:
            y = layer(y, src_mask=hidden)
        torch.testing.assert_close(given[rows], made.norm(y[0]), atol=1e-6, rtol=1e-6)


def test_with_nothing_to_attend_to_only_the_feed_forward_acts(batch, info) -> None:
    made = TransformerContext(6, info, width=8, heads=2, ffn=16, dropout=0.0, positions=False)
    y = made.project(torch.zeros(18, 6))
    layer = made.layers[0]
    expected = made.norm(y + layer.ffn(layer.ffn_norm(y)))
    torch.testing.assert_close(made(torch.zeros(18, 6), batch.inputs), expected)


def test_absent_utterances_are_not_attended_to(converse) -> None:
    whole = converse(6, 0)
    info = make_data_info([whole], {"emotion": ("neutral", "joy", "anger", "fear")})
    made = TransformerContext(6, info, width=8, heads=2, dropout=0.0, positions=False)
    x = torch.from_numpy(whole.streams["text"].values)
    without = collate([converse(5, 1)]).inputs
    expected = made(x[1:], without)
    given = made(torch.cat([torch.zeros(1, 6), x[1:]]), collate([whole]).inputs)
    torch.testing.assert_close(given[1:], expected, atol=1e-6, rtol=1e-5)


def test_sinusoids_by_their_formula() -> None:
    for width in (7, 8):
        given = sinusoids(torch.tensor([0, 1, 110, 999]), width).numpy()
        for row, place in enumerate((0, 1, 110, 999)):
            angles = [place / 10_000 ** (2 * pair / width) for pair in range(math.ceil(width / 2))]
            expected = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
            np.testing.assert_allclose(given[row], expected[:width], atol=1e-4)


def test_speakers_beyond_training_share_the_last_slot(converse) -> None:
    train = [converse(8, seed, speakers=2) for seed in range(3)]
    info = make_data_info(train, {"emotion": ("neutral", "joy", "anger", "fear")})
    assert info.speakers == 2
    made = TransformerContext(6, info, width=8, heads=2, dropout=0.0, speakers=True)
    embedded = made.speaker(torch.tensor([0, 1, 2, 3, 9]))
    assert embedded.shape == (5, 8)
    assert not torch.equal(embedded[0], embedded[1])
    assert torch.equal(embedded[2], embedded[3])
    assert torch.equal(embedded[2], embedded[4])
    assert embedded[2].eq(0).all()


def test_who_speaks_matters_only_if_asked(batch, info) -> None:
    x = batch.inputs.streams["text"].values
    other = torch.full_like(batch.inputs.speakers, 1)
    swapped = type(batch.inputs)(batch.inputs.streams, batch.inputs.layout, other)
    for speakers in (False, True):
        made = TransformerContext(6, info, width=8, heads=2, speakers=speakers).eval()
        assert torch.equal(made(x, batch.inputs), made(x, swapped)) is not speakers


def test_heads_must_divide_the_width(info) -> None:
    with pytest.raises(InputError, match="heads: 3 does not divide"):
        TransformerContext(6, info, width=8, heads=3)
