"""Correct parts, as authors write them, that the kit used to fail or could not check."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, kl_div, softplus

from ercfw import DataInfo, Encoder, Extractor, FusionBlock, InputError, Inputs, Loss, Outputs, Target, labelled

from .data_mutants import GoodData


class EmotionShift(Loss):
    """Binary cross-entropy of whether a speaker's emotion changes, from the distance of the embeddings."""

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        labels, head = targets[self.target], outputs.heads[self.target]
        before = outputs.rows.previous_same_speaker  # [N]
        known = labelled(targets, self.target)
        pairs = (before >= 0) & known & known[before]  # [N]
        here, there = head.embedding[pairs], head.embedding[before[pairs]]  # [P, E]
        apart = (here - there).pow(2).mean(-1)  # [P]
        shifted = (labels[pairs] != labels[before[pairs]]).to(apart)  # [P]
        total = binary_cross_entropy_with_logits(apart - 1, shifted, reduction="sum")
        return total / pairs.sum().clamp(min=1)


class OnlyShifts(Loss):
    """Pushes the logits of consecutive utterances apart where the emotion changes; nothing elsewhere."""

    def forward(self, outputs, targets):
        labels, logits = targets[self.target], outputs.heads[self.target].logits
        before, known = outputs.rows.previous, labelled(targets, self.target)
        pairs = (before >= 0) & known & known[before] & (labels != labels[before])  # [N]
        apart = (logits[pairs] - logits[before[pairs]]).pow(2).sum(-1)  # [P]
        return softplus(1 - apart).sum() / pairs.sum().clamp(min=1)


class OnlyRepeats(Loss):
    """Pulls the distributions of a speaker's consecutive utterances together where the emotion stays."""

    def forward(self, outputs, targets):
        labels, logits = targets[self.target], outputs.heads[self.target].logits
        before, known = outputs.rows.previous_same_speaker, labelled(targets, self.target)
        pairs = (before >= 0) & known & known[before] & (labels == labels[before])  # [N]
        here, there = logits.log_softmax(-1)[pairs], logits.log_softmax(-1)[before[pairs]]  # [P, C]
        return kl_div(here, there, reduction="sum", log_target=True) / pairs.sum().clamp(min=1)


class AcrossSpeakers(Loss):
    """Emotional contagion: pulls an utterance to the one before if another speaker said it with the same emotion."""

    def forward(self, outputs, targets):
        labels, x, rows = targets[self.target], outputs.heads[self.target].embedding, outputs.rows
        before, known = rows.previous, labelled(targets, self.target)
        other = rows.speaker != rows.speaker[before]
        pairs = (before >= 0) & known & known[before] & (labels == labels[before]) & other  # [N]
        return (x[pairs] - x[before[pairs]]).pow(2).sum() / pairs.sum().clamp(min=1)


class WeightedBuffer(Loss):
    """Cross-entropy with class weights in a float32 buffer."""

    def __init__(self, target: str, info: DataInfo) -> None:
        super().__init__(target, info)
        counts = torch.tensor(info.targets[target].counts, dtype=torch.float32).clamp(min=1)  # [C]
        self.register_buffer("weights", counts.sum() / counts / len(counts))

    def forward(self, outputs, targets):
        logits, labels = outputs.heads[self.target].logits, targets[self.target]
        total = cross_entropy(logits, labels, self.weights, reduction="sum", ignore_index=-100)
        return total / self.weights[labels[labelled(targets, self.target)]].sum().clamp(min=1e-6)


class Prototypes(Loss):
    """Cross-entropy of similarities to float32 prototypes, by a matrix product."""

    requires = ("embedding",)

    def __init__(self, target: str, info: DataInfo) -> None:
        super().__init__(target, info)
        self.register_buffer("prototypes", torch.randn(len(info.targets[target].classes), 5))  # [C, E]

    def forward(self, outputs, targets):
        here = labelled(targets, self.target)
        similar = outputs.heads[self.target].embedding @ self.prototypes.T  # [N, C]
        return cross_entropy(similar[here], targets[self.target][here], reduction="sum") / here.sum().clamp(min=1)


class MemoryBank(Loss):
    """Pulls embeddings away from the mean of the batch before; the first batch has none."""

    def __init__(self, target: str, info: DataInfo) -> None:
        super().__init__(target, info)
        self.register_buffer("mean", torch.zeros(0))

    def forward(self, outputs, targets):
        here = labelled(targets, self.target)
        x = outputs.heads[self.target].embedding[here]  # [P, E]
        if not len(x):
            return outputs.heads[self.target].embedding.sum() * 0
        value = softplus((x * self.mean).sum(-1)).mean() if len(self.mean) else x.sum() * 0
        if self.training and not len(self.mean):
            self.mean = x.detach().mean(0)
        return value


class LowRank(Encoder):
    """A frozen projection with a low-rank adapter (Hu et al., 2022): B starts at zero, so A has no gradient at first.

    Options:
        rank: the rank of the update.
    """

    def __init__(self, spec, info: DataInfo, *, rank: Annotated[int, Field(ge=1)] = 2) -> None:
        super().__init__(spec, info)
        self.out_dim = 6
        self.base = nn.Linear(spec.dim, 6).requires_grad_(False)
        self.a = nn.Parameter(torch.randn(rank, spec.dim) / rank)
        self.b = nn.Parameter(torch.zeros(6, rank))

    def forward(self, stream, inputs: Inputs):
        return self.base(stream.values) + stream.values @ self.a.T @ self.b.T


class ZeroGate(FusionBlock):
    """A residual branch behind two gates that start at zero (ReZero, Bachlechner et al., 2021)."""

    def __init__(self, dims, info) -> None:
        super().__init__(dims, info)
        self.out_dim = 6
        self.project = nn.ModuleDict({name: nn.Linear(dim, 6) for name, dim in dims.items()})
        self.branch = nn.Linear(6, 6)
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, xs, inputs):
        x = sum(self.project[name](x) for name, x in xs.items())
        return x + self.gate * self.branch(x).tanh()


def polarity_error(true, probabilities, classes):
    """Mean absolute error, where the names of the classes are numbers."""
    numbers = np.array([float(name) for name in classes])
    return float(np.abs(numbers[true] - probabilities @ numbers).mean())


def seven_classes(true, probabilities, classes):
    """Accuracy of a scale from -3 to 3."""
    if [int(name) for name in classes] != [-3, -2, -1, 0, 1, 2, 3]:
        raise InputError.at("acc-7", "the classes are not -3 to 3")
    return float((probabilities.argmax(-1) == true).mean())


def sensitivity(true, probabilities, classes):
    """Share of the positive utterances that are found, for two classes."""
    if len(classes) != 2:
        raise ValueError("two classes are needed")
    there = true == 1
    return float(probabilities[there, 1].round().mean()) if there.any() else 0.0


class Pieces(BaseModel):
    """An option of an author's own type."""

    size: int


class NeedsOptions(FusionBlock):
    """Options without a default, one of each type.

    Options:
        width: the width of the result.
        rate: of dropout.
        form: of the sum.
        bias: whether there is one.
        names: unused.
        pieces: unused.
        note: unused.
        steps: unused.
        maybe: unused.
        scale: unused.
    """

    def __init__(
        self,
        dims,
        info,
        *,
        width: Annotated[int, Field(ge=4, le=64)],
        rate: Annotated[float, Field(ge=0, lt=1)],
        form: Literal["plain", "scaled"],
        bias: bool,
        names: tuple[str, ...],
        pieces: Pieces,
        note: str,
        steps: dict[str, int],
        maybe: int | None,
        scale: Annotated[float, Field(gt=0)],
    ) -> None:
        super().__init__(dims, info)
        self.out_dim = width
        self.project = nn.ModuleDict({name: nn.Linear(dim, width, bias) for name, dim in dims.items()})

    def forward(self, xs, inputs):
        return sum(self.project[name](x) for name, x in xs.items())


class NeedsAFolder(Encoder):
    """Reads the folder of a network.

    Options:
        model: its folder.
    """

    def __init__(self, spec, info, *, model: Path) -> None:
        super().__init__(spec, info)
        if not model.is_dir():
            raise FileNotFoundError(model)
        self.out_dim = 2
        self.project = nn.Linear(spec.dim, 2)

    def forward(self, stream, inputs):
        return self.project(stream.values)


class WordMean(Encoder):
    """Mean of word embeddings: reads tokens."""

    def __init__(self, spec, info) -> None:
        super().__init__(spec, info)
        self.out_dim = 6
        self.embed = nn.Embedding(spec.dim, 6)

    def forward(self, stream, inputs):
        weight = stream.frames.to(self.embed.weight).unsqueeze(-1)  # [N, T, 1]
        return (self.embed(stream.values) * weight).sum(1) / weight.sum(1).clamp(min=1)


class FrameMean(Encoder):
    """Mean over frames."""

    def __init__(self, spec, info) -> None:
        super().__init__(spec, info)
        self.out_dim = 6
        self.project = nn.Linear(spec.dim, 6)

    def forward(self, stream, inputs):
        weight = stream.frames.to(stream.values).unsqueeze(-1)  # [N, T, 1]
        return (self.project(stream.values) * weight).sum(1) / weight.sum(1).clamp(min=1)


class SoundLevel(Extractor):
    """Needs a clip."""

    reads = "audio"
    dim = 1

    @property
    def fingerprint(self):
        return "level"

    def extract(self, conversation):
        return [None if clip is None else np.ones(1, np.float32) for clip in conversation.clips]


class PartlyScored(GoodData):
    """Numbers, of which some are not known."""

    def __init__(self) -> None:
        super().__init__()
        self.targets = {"valence": Target(("valence",), "regression", ((-1.0, 1.0),))}

    def split(self, name):
        return [replace(c, labels={"valence": valences_of(len(c))}) for c in super().split(name)]


def valences_of(utterances):
    """Every second one is not known."""
    return np.where(np.arange(utterances) % 2, 0.5, np.nan).astype(np.float32)[:, None]  # [U, 1]


def right_after_a_shift(true, probabilities, classes, rows):
    """Share of right predictions after the emotion of the conversation has changed; reads the order."""
    shifts = (rows.conversation[1:] == rows.conversation[:-1]) & (true[1:] != true[:-1])  # [N - 1]
    right = (probabilities.argmax(-1) == true)[1:][shifts]
    return float(right.mean()) if len(right) else 0.0
