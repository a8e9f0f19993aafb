"""Parts that each break one promise."""

import numpy as np
import torch
from torch import nn

from ercfw import DataInfo, FusionBlock, Inputs


class Good(FusionBlock):
    """The sum of a projection of each modality.

    Options:
        width: of the result.
    """

    causal = True

    def __init__(self, dims: dict[str, int], info: DataInfo, *, width: int = 6) -> None:
        super().__init__(dims, info)
        self.out_dim = width
        self.project = nn.ModuleDict({name: nn.Linear(dim, width) for name, dim in dims.items()})

    def forward(self, xs, inputs: Inputs):
        return sum(self.project[name](x) for name, x in xs.items())

    def explain(self, xs, inputs):
        lengths = inputs.layout.lengths[inputs.layout.conversation].view(-1, 1, 1)  # [N, 1, 1]
        places = torch.arange(inputs.layout.mask.shape[1])  # [U]
        return {"evenly": (places < lengths) / lengths}  # [N, 1, U]

    def parameter_groups(self):
        return {"projections": list(self.project.parameters())}


class Undocumented(Good):
    """Says nothing."""

    def __init__(self, dims, info, *, secret: int = 6) -> None:
        super().__init__(dims, info)


class Untyped(Good):
    """One option: secret."""

    def __init__(self, dims, info, *, secret=6) -> None:
        super().__init__(dims, info)


class Wider(Good):
    def forward(self, xs, inputs):
        return torch.cat([super().forward(xs, inputs)] * 2, -1)


class Whole(Good):
    def forward(self, xs, inputs):
        return super().forward(xs, inputs).mean(0, keepdim=True)


class NotATensor(Good):
    def forward(self, xs, inputs):
        return [super().forward(xs, inputs)]


class NeverFinite(Good):
    def forward(self, xs, inputs):
        return super().forward(xs, inputs) / 0


class ReadsEmptyPlaces(Good):
    def forward(self, xs, inputs):
        x = super().forward(xs, inputs)
        padded = inputs.layout.pad(x)
        return x + inputs.layout.pack(padded.mean(1, keepdim=True).expand_as(padded))


class ReadsThePlaceInTheBatch(Good):
    def forward(self, xs, inputs):
        return super().forward(xs, inputs) + inputs.layout.conversation[:, None]


class ReadsTheBatch(Good):
    def forward(self, xs, inputs):
        x = super().forward(xs, inputs)
        return x - x.mean(0)


class DividesByPresent(Good):
    def forward(self, xs, inputs):
        there = sum(inputs.streams[name].present.float() for name in xs)
        return super().forward(xs, inputs) / there[:, None]


class RootOfAbsent(Good):
    """Finite, but its gradient where all is absent is not."""

    def forward(self, xs, inputs):
        roots = [(self.project[name].weight.sum() * x).abs().sum(-1, keepdim=True).sqrt() for name, x in xs.items()]
        return super().forward(xs, inputs) + sum(roots)


class NeedsSound(Good):
    def forward(self, xs, inputs):
        return super().forward(xs, inputs) + xs["audio"].sum(-1, keepdim=True)


class OverflowsInHalf(Good):
    def forward(self, xs, inputs):
        x = super().forward(xs, inputs)
        return x * float("inf") if x.dtype == torch.bfloat16 else x


class Unused(Good):
    def __init__(self, dims, info) -> None:
        super().__init__(dims, info)
        self.spare = nn.Linear(2, 2)


class NeverWakes(Good):
    """Two layers in a row start at zero, so that neither ever gets a gradient, nor the layer before them."""

    def __init__(self, dims, info) -> None:
        super().__init__(dims, info)
        self.branch = nn.Sequential(*(nn.Linear(6, 6, bias=False) for _ in range(3)))
        nn.init.zeros_(self.branch[1].weight)
        nn.init.zeros_(self.branch[2].weight)

    def forward(self, xs, inputs):
        x = super().forward(xs, inputs)
        return x + self.branch(x)


class ReadsTheNext(Good):
    def forward(self, xs, inputs):
        x = super().forward(xs, inputs)
        last = torch.cat([inputs.layout.conversation[1:] != inputs.layout.conversation[:-1], torch.tensor([True])])
        return x + torch.where(last[:, None], torch.zeros_like(x), x.roll(-1, 0))


class OwnDraws(Good):
    def __init__(self, dims, info) -> None:
        super().__init__(dims, info)
        with torch.no_grad():
            next(self.parameters()).copy_(torch.from_numpy(np.random.default_rng().normal(size=(6, 6))))


class DropsAlways(Good):
    def forward(self, xs, inputs):
        return nn.functional.dropout(super().forward(xs, inputs), 0.5, training=True)


class HidesState(Good):
    def __init__(self, dims, info) -> None:
        super().__init__(dims, info)
        self.shift = torch.randn(6)

    def forward(self, xs, inputs):
        return super().forward(xs, inputs) + self.shift


class LearnsInHiding(Good):
    def __init__(self, dims, info) -> None:
        super().__init__(dims, info)
        self.seen = 0.0

    def forward(self, xs, inputs):
        if self.training:
            self.seen = 1.0
        return super().forward(xs, inputs) + self.seen


class OtherWhenCompiled(Good):
    def forward(self, xs, inputs):
        return super().forward(xs, inputs) + float(torch.compiler.is_compiling())


class ChangesItsInput(Good):
    def forward(self, xs, inputs):
        xs["text"].mul_(2)
        return super().forward(xs, inputs)


class OtherByRank(Good):
    def forward(self, xs, inputs):
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        return super().forward(xs, inputs) * (1 + rank)


class MadeOnTheHost(Good):
    def forward(self, xs, inputs):
        places = torch.arange(len(inputs.speakers)).unsqueeze(-1)
        return super().forward(xs, inputs) + 0 * places


class ProductWithTheHost(Good):
    """Which a meta kernel would let pass."""

    def forward(self, xs, inputs):
        return super().forward(xs, inputs) @ torch.eye(self.out_dim)


class GradientFromTheHost(Good):
    def forward(self, xs, inputs):
        return OnTheHost.apply(super().forward(xs, inputs))


class OnTheHost(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * torch.ones(gradient.shape)


MUTANTS = {
    "options are documented": [Undocumented, Untyped],
    "shapes": [Wider, Whole, NotATensor, NeverFinite],
    "alone and batched": [ReadsEmptyPlaces],
    "any order": [ReadsThePlaceInTheBatch],
    "other conversations": [ReadsTheBatch],
    "missing modalities": [DividesByPresent, RootOfAbsent],
    "one modality": [NeedsSound],
    "bf16": [OverflowsInHalf],
    "gradients": [Unused, NeverWakes],
    "causal": [ReadsTheNext],
    "same seed": [OwnDraws, DropsAlways],
    "saved and loaded": [HidesState, LearnsInHiding],
    "compiled": [OtherWhenCompiled],
    "leaves inputs alone": [ChangesItsInput],
    "any device": [MadeOnTheHost, ProductWithTheHost, GradientFromTheHost],
}
