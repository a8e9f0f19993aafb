"""The composed model against its parts called by hand, and what it does with absent modalities."""

import numpy as np
import pytest
import torch
from torch import Tensor

from ercfw import Context, Conversation, ConversationStream, Encoder, Fused, FusionBlock, Head, HeadOutput
from ercfw.data.collate import collate
from ercfw.data.train_statistics import make_data_info
from ercfw.model.composed_model import ComposedModel

DIMS = {"text": 3, "audio": 2}


class Plus(Encoder):
    """Adds one, so that an absent row would not stay zero by itself."""

    def __init__(self, spec, info) -> None:
        super().__init__(spec, info)
        self.out_dim = spec.dim

    def forward(self, stream, inputs) -> Tensor:
        return stream.values + 1


class Twice(Context):
    def __init__(self, dim, info) -> None:
        super().__init__(dim, info)
        self.out_dim = dim

    def forward(self, x, inputs) -> Tensor:
        return 2 * x


class Together(Twice):
    calls = 0

    @staticmethod
    def together(blocks, xs, inputs) -> list[Tensor]:
        Together.calls += 1
        return [block(x, inputs) for block, x in zip(blocks, xs, strict=True)]


class Cat(FusionBlock):
    causal = True

    def __init__(self, dims, info) -> None:
        super().__init__(dims, info)
        self.out_dim = sum(dims.values())

    def forward(self, xs, inputs) -> Tensor:
        return torch.cat(list(xs.values()), -1)


class Apart(Cat):
    def forward(self, xs, inputs) -> Fused:
        return Fused(torch.cat(list(xs.values()), -1), {name: -x for name, x in xs.items()})


class Same(Head):
    causal = True

    def forward(self, x, inputs) -> HeadOutput:
        return HeadOutput(x, x)


@pytest.fixture
def conversations():
    rng = np.random.default_rng(0)
    made = []
    for number, size in enumerate((3, 1, 2)):
        present = {"text": np.ones(size, bool), "audio": np.arange(size) % 2 == 0}
        streams = {
            name: ConversationStream(
                (rng.normal(size=(size, dim)) * present[name][:, None]).astype("f4"), present[name]
            )
            for name, dim in DIMS.items()
        }
        names = tuple(str(place) for place in range(size))
        labels = {"emotion": np.zeros(size, np.int64)}
        made.append(Conversation(f"c{number}", "train", names, names, ("",) * size, labels, streams))
    return made


def make(conversations, contexts=(), fusion=Cat, joint=False, modalities=tuple(DIMS)) -> ComposedModel:
    info = make_data_info(conversations, {"emotion": ("a", "b")})
    dims = {name: DIMS[name] for name in modalities}
    width = sum(dims.values())
    return ComposedModel(
        {name: Plus(info.modalities[name], info) for name in modalities},
        {name: kind(DIMS[name], info) for name, kind in dict(contexts).items()},
        fusion(dims, info) if fusion else None,
        Twice(width, info) if joint else None,
        {"emotion": Same(width, "emotion", info)},
    )


def test_encoders_contexts_fusion_joint_context_and_head_in_a_row(conversations):
    inputs = collate(conversations).inputs
    outputs = make(conversations, {"audio": Twice}, joint=True)(inputs)
    text, audio = inputs.streams["text"], inputs.streams["audio"]
    encoded = {"text": text.values + 1, "audio": (audio.values + 1) * audio.present.unsqueeze(-1)}
    expected = 2 * torch.cat([encoded["text"], 2 * encoded["audio"]], -1)
    torch.testing.assert_close(outputs.heads["emotion"].logits, expected)
    torch.testing.assert_close(outputs.views["audio"], 2 * encoded["audio"])
    assert torch.equal(outputs.present["audio"], audio.present)
    assert not outputs.views["audio"][~audio.present].any()


def test_a_fusion_that_keeps_modalities_apart_gives_the_views(conversations):
    outputs = make(conversations, fusion=Apart)(collate(conversations).inputs)
    plain = make(conversations)(collate(conversations).inputs)
    torch.testing.assert_close(outputs.views["text"], -plain.views["text"])
    torch.testing.assert_close(outputs.heads["emotion"].logits, plain.heads["emotion"].logits)


def test_one_modality_needs_no_fusion(conversations):
    inputs = collate(conversations).inputs
    outputs = make(conversations, fusion=None, modalities=("audio",))(inputs)
    torch.testing.assert_close(outputs.heads["emotion"].logits, outputs.views["audio"])
    assert set(outputs.views) == {"audio"}


def test_contexts_of_one_class_run_in_one_call_and_no_other_class_joins_them(conversations):
    inputs = collate(conversations).inputs
    apart = make(conversations, {"text": Twice, "audio": Twice})(inputs)
    Together.calls = 0
    together = make(conversations, {"text": Together, "audio": Together})(inputs)
    assert Together.calls == 1
    torch.testing.assert_close(together.views, apart.views)
    make(conversations, {"text": Twice, "audio": Together})(inputs)
    assert Together.calls == 2


def test_an_utterance_s_answer_does_not_depend_on_its_batch(conversations):
    model = make(conversations, {"text": Twice})
    whole = model(collate(conversations).inputs).heads["emotion"].logits
    alone = torch.cat([model(collate([c]).inputs).heads["emotion"].logits for c in conversations])
    torch.testing.assert_close(whole, alone)


def test_a_model_is_causal_when_all_its_parts_are(conversations):
    assert make(conversations).causal
    assert not make(conversations, {"text": Twice}).causal
    assert not make(conversations, joint=True).causal
