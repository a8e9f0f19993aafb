"""The variational bottleneck: its divergence beside torch's and the closed form, its draws, and its evaluation."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from ercfw_basics.vib import VariationalBottleneck


@pytest.fixture
def fusion(batch, info):
    torch.manual_seed(0)
    return VariationalBottleneck({name: s.values.shape[1] for name, s in batch.inputs.streams.items()}, info, width=5)


@pytest.fixture
def xs(batch):
    return {name: stream.values for name, stream in batch.inputs.streams.items()}


def moments(fusion, xs):
    return fusion.project(torch.cat(list(xs.values()), -1)).chunk(2, -1)


def test_the_divergence_is_that_of_torch_and_of_the_closed_form(fusion, xs, batch):
    mean, log_variance = moments(fusion, xs)
    kl = fusion(xs, batch.inputs).extras["kl"]
    deviation = (log_variance / 2).exp()
    theirs = kl_divergence(Normal(mean, deviation), Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(kl, theirs)
    for row, value in enumerate(kl.tolist()):
        pairs = zip(mean[row].tolist(), deviation[row].tolist(), strict=True)
        assert value == pytest.approx(sum(m * m + s * s - math.log(s * s) - 1 for m, s in pairs) / 2, rel=1e-5)


def test_evaluation_gives_the_mean(fusion, xs, batch):
    fusion.eval()
    assert torch.equal(fusion(xs, batch.inputs).joint, moments(fusion, xs)[0])
    assert fusion(xs, batch.inputs).views is None


def test_training_draws_around_the_mean_with_the_deviation(fusion, xs, batch):
    many = {name: x.repeat(500, 1) for name, x in xs.items()}  # the fusion reads no layout
    mean, log_variance = moments(fusion, many)
    noise = (fusion(many, batch.inputs).joint - mean) / (log_variance / 2).exp()  # [500 N, D]
    rows = noise.detach().view(500, -1)
    assert rows.mean().abs() < 0.02
    assert rows.std(0).sub(1).abs().max() < 0.15
    correlated = torch.corrcoef(rows.T) - torch.eye(rows.shape[1])
    assert correlated.abs().max() < 0.25
