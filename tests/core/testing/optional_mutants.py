"""Parts whose optional methods, ``explain``, ``parameter_groups`` and ``together``, each break one promise."""

import torch
from torch import nn

from ercfw import Context, DataInfo

from .network_mutants import Good


class ExplainsTooMuch(Good):
    def explain(self, xs, inputs):
        return {"twice": 2 * super().explain(xs, inputs)["evenly"]}


class ExplainsBelowZero(Good):
    def explain(self, xs, inputs):
        weights = super().explain(xs, inputs)["evenly"]
        weights[..., 0] = 1 - weights[..., 1:].sum(-1)
        return {"moved": weights + torch.tensor([3.0, -3.0]).repeat(weights.shape[2])[: weights.shape[2]]}


class ExplainsEmptyPlaces(Good):
    def explain(self, xs, inputs):
        weights = super().explain(xs, inputs)["evenly"]
        return {"everywhere": torch.full_like(weights, 1 / weights.shape[2])}


class ExplainsOtherwiseAlone(Good):
    def explain(self, xs, inputs):
        weights = super().explain(xs, inputs)["evenly"]
        return {"first": nn.functional.one_hot(torch.zeros(len(weights), dtype=torch.long), weights.shape[2])
                [:, None].float() if len(inputs.layout.sizes) == 1 else weights}  # fmt: skip


class ExplainsFlat(Good):
    def explain(self, xs, inputs):
        return {"flat": super().explain(xs, inputs)["evenly"].squeeze(1)}


class GroupOfNothing(Good):
    def parameter_groups(self):
        return {"slow": []}


class FrozenGroup(Good):
    def parameter_groups(self):
        bias = self.project["text"].bias
        return {"slow": [bias.requires_grad_(False)]}


class GroupsTwice(Good):
    def parameter_groups(self):
        return {"all": list(self.parameters()), "text": list(self.project["text"].parameters())}


class GroupOfAnother(Good):
    def parameter_groups(self):
        return {"slow": [*self.parameters(), nn.Parameter(torch.ones(2))]}


class GroupOfNames(Good):
    def parameter_groups(self):
        return {"slow": [name for name, _ in self.named_parameters()]}


class GoodTogether(Context):
    """A linear layer; one product serves all blocks of one width."""

    causal = True

    def __init__(self, dim: int, info: DataInfo) -> None:
        super().__init__(dim, info)
        self.out_dim = dim
        self.mix = nn.Linear(dim, dim)

    def forward(self, x, inputs):
        return self.mix(x)

    @staticmethod
    def together(blocks, xs, inputs):
        if len({block.out_dim for block in blocks}) > 1:
            return [block(x, inputs) for block, x in zip(blocks, xs, strict=True)]
        weights = torch.stack([block.mix.weight.T for block in blocks])  # [M, D, D]
        biases = torch.stack([block.mix.bias for block in blocks]).unsqueeze(1)  # [M, 1, D]
        return list(torch.baddbmm(biases, torch.stack(xs), weights))  # [N, D] each

    def explain(self, x, inputs):
        return {}

    def parameter_groups(self):
        return {"mix": list(self.mix.parameters())}


class BoundMethod(GoodTogether):
    def together(self, blocks, xs, inputs):
        return GoodTogether.together(blocks, xs, inputs)


class FirstServesAll(GoodTogether):
    @staticmethod
    def together(blocks, xs, inputs):
        alike = len({block.out_dim for block in blocks}) == 1
        return GoodTogether.together([blocks[0]] * len(blocks) if alike else blocks, xs, inputs)


class TogetherNeedsOneWidth(GoodTogether):
    @staticmethod
    def together(blocks, xs, inputs):
        joined = torch.stack(xs)  # [M, N, D]
        return [block(x, inputs) for block, x in zip(blocks, joined, strict=True)]


class OneForAll(GoodTogether):
    @staticmethod
    def together(blocks, xs, inputs):
        return GoodTogether.together(blocks, xs, inputs)[:1]


class TogetherWider(GoodTogether):
    @staticmethod
    def together(blocks, xs, inputs):
        return [torch.cat([x, x], -1) for x in GoodTogether.together(blocks, xs, inputs)]


class TogetherDetached(GoodTogether):
    @staticmethod
    def together(blocks, xs, inputs):
        return [x.detach() for x in GoodTogether.together(blocks, xs, inputs)]


MUTANTS = {
    "explained": [ExplainsTooMuch, ExplainsBelowZero, ExplainsEmptyPlaces, ExplainsOtherwiseAlone, ExplainsFlat],
    "parameter groups": [GroupOfNothing, FrozenGroup, GroupsTwice, GroupOfAnother, GroupOfNames],
}
"""Of fusions; the checks are those of every kind of network part."""
TOGETHER = [BoundMethod, FirstServesAll, TogetherNeedsOneWidth, OneForAll, TogetherWider, TogetherDetached]
"""Of contexts, which alone are run together."""
