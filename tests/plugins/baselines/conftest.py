"""Made batches for the tests of the baselines."""

import pytest
import torch

from ercfw.testing.fixtures import DIMS, data_info, make_conversations, pack


@pytest.fixture
def made():
    """Conversations, their inputs and the data's statistics, in float64: ``made(sizes=(4, 7), absent=0.3)``."""

    def make(modalities=tuple(DIMS), **options):
        conversations = make_conversations(dict.fromkeys(modalities, "vector"), **options)
        inputs = pack(conversations).inputs.map(lambda x: x.double() if x.is_floating_point() else x)
        return conversations, inputs, data_info(conversations)

    return make


@pytest.fixture
def drawn():
    """Every parameter of a part from a standard normal, so that no zero or identity hides a mistake."""

    def draw(part, scale=0.5):
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in part.parameters():
                parameter.normal_().mul_(scale)
        return part.double().eval()

    return draw
