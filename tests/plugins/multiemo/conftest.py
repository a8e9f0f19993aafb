"""What the tests of ResNet weights share."""

import pytest
import torch
from torch import Tensor

from tests.plugins.multiemo.tiny_resnet import Weights, make_weights


@pytest.fixture(scope="module")
def weights() -> Weights:
    """The weights of a tiny ResNet, by torchvision's names."""
    return make_weights()


@pytest.fixture
def pixels() -> Tensor:
    """Two pictures, from 0 to 255."""
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(4)) * 255  # [2, 3, 64, 64]
