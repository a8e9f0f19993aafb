import math
from dataclasses import replace

import pytest
import torch
from ercfw_emotion_circle.loss import EmotionCircle
from ercfw_emotion_circle.places import USUAL, Place
from pydantic import ValidationError

from ercfw import HeadOutput, InputError, Outputs, Rows
from ercfw.testing import conformance
from ercfw.testing.fixtures import CLASSES, TARGET, data_info, make_conversations, pack

CONVERSATIONS = make_conversations({"text": "vector"})
SIZE = sum(map(len, CONVERSATIONS))
INFO = data_info(CONVERSATIONS)


def compute_loss(loss: EmotionCircle, labels: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    rows = Rows.of(pack(CONVERSATIONS).inputs)
    return loss(Outputs({TARGET: HeadOutput(logits, logits)}, rows), {TARGET: labels})


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(SIZE, len(CLASSES), generator=torch.Generator().manual_seed(0))


def test_it_is_a_loss() -> None:
    conformance("loss", EmotionCircle)
    conformance("loss", EmotionCircle, {"spread": 1.0, "places": {"joy": Place(angle=20, strength=0.5)}})


def test_against_loops(logits: torch.Tensor) -> None:
    labels = torch.arange(len(logits)) % len(CLASSES)
    total = 0.0
    for row, label in zip(logits.double().tolist(), labels.tolist(), strict=True):
        points = [USUAL[name].point for name in CLASSES]
        near = [math.exp(-(math.dist(point, points[label]) ** 2) / (2 * 0.3**2)) for point in points]
        log_sum = math.log(sum(map(math.exp, row)))
        total -= sum(w / sum(near) * (x - log_sum) for w, x in zip(near, row, strict=True))
    expected = torch.tensor(total / len(logits))
    torch.testing.assert_close(compute_loss(EmotionCircle(TARGET, INFO), labels, logits), expected)


def test_a_small_spread_is_cross_entropy(logits: torch.Tensor) -> None:
    labels = torch.arange(len(logits)) % len(CLASSES)
    small = EmotionCircle(TARGET, INFO, spread=0.01)
    torch.testing.assert_close(compute_loss(small, labels, logits), torch.nn.functional.cross_entropy(logits, labels))


def test_a_near_mistake_costs_less_than_a_far_one() -> None:
    loss = EmotionCircle(TARGET, INFO)
    labels = torch.full((SIZE,), CLASSES.index("fear"))
    confident_in = {
        name: 5 * torch.eye(len(CLASSES))[n].expand(SIZE, -1) for n, name in enumerate(CLASSES)
    }  # [N, C] each
    assert compute_loss(loss, labels, confident_in["anger"]) < compute_loss(loss, labels, confident_in["joy"]) - 1


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"hope": Place()}, "places.hope: is not a class of the data"),
        ({"anger": Place(angle=120)}, "places.fear: has the same place as 'anger'"),
    ],
)
def test_invalid_places(places: dict[str, Place], message: str) -> None:
    with pytest.raises(InputError, match=message):
        EmotionCircle(TARGET, INFO, places=places)


def test_a_class_without_a_place() -> None:
    spec = replace(INFO.targets[TARGET], classes=(*CLASSES[:3], "awe"))
    with pytest.raises(InputError, match="class 'awe' has no place"):
        EmotionCircle(TARGET, replace(INFO, targets={TARGET: spec}))


@pytest.mark.parametrize("wrong", [{"angle": 360}, {"strength": -1}, {"angel": 3}])
def test_invalid_place(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Place(**wrong)
