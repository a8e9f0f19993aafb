"""MultiAttn, the fusion of MultiEMO (Shi and Huang, ACL 2023), equations 2-13."""

from collections.abc import Collection, Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ercfw import DataInfo, Fused, FusionBlock, InputError, Inputs, Rate, Size
from ercfw_basics import AttentionMask, ConversationAttention, FeedForward

ASKING_ORDER = ("text", "audio", "visual")


class MultiAttn(FusionBlock):
    """Every modality attends to the others, one after another, in a stack of layers of its own.

    With F the features of a modality, a layer runs the first line for each other modality in turn, then the second::

        F <- LayerNorm(F + MultiHead(F, C, C))    C the other modality's context features, the same in every layer
        F <- LayerNorm(F + FFN(F))

    The other modalities come in the order text, audio, visual, then as given. A single modality attends to itself.
    Attention stays within the conversation. The result is the view of each modality and the concatenation of all views
    (equation 13). Where an utterance lacks a modality, no attention reads it and its view is zero.

    Options:
        layers: number of layers of each stack.
        heads: H, the number of heads of each attention; must divide the modalities' width.
        ffn: width of the hidden layer of the feed-forward blocks.
        dropout: rate on the attention weights and on that hidden layer.

    Raises:
        InputError: the modalities differ in width, or the number of heads does not divide it.
    """

    causal = False

    def __init__(
        self,
        dims: dict[str, int],
        info: DataInfo,
        *,
        layers: Size = 2,
        heads: Size = 4,
        ffn: Size = 1024,
        dropout: Rate = 0.0,
    ) -> None:
        super().__init__(dims, info)
        if len(set(dims.values())) > 1:
            widths = ", ".join(f"{name} {dim}" for name, dim in dims.items())
            raise InputError.at("multiattn", f"the modalities differ in width: {widths}", "give all the same width")
        width = next(iter(dims.values()))
        self.out_dim = width * len(dims)
        self.stacks = nn.ModuleDict(
            {
                name: nn.ModuleList(_Layer(_others(name, dims), width, heads, ffn, dropout) for _ in range(layers))
                for name in dims
            }
        )

    def forward(self, xs: dict[str, Tensor], inputs: Inputs) -> Fused:
        """Return joint vectors ``[N, M*D]`` and views ``[N, D]``, in the order of ``xs``, for ``{m: [N, D]}``."""
        masks = _masks(xs, inputs)
        views = {}
        for name, view in xs.items():
            for layer in self._layers(name):
                for other in layer.others:
                    view = layer.attend(other, view, xs[other], masks[other])  # [N, D]
                view = layer.feed_forward(view)  # [N, D]
            views[name] = torch.where(inputs.streams[name].present.unsqueeze(1), view, 0.0)  # [N, D]
        return Fused(torch.cat(list(views.values()), -1), views)  # [N, M*D]

    @torch.no_grad()
    def explain(self, xs: dict[str, Tensor], inputs: Inputs) -> dict[str, Tensor]:
        """Return all attention weights ``[N, H, U]`` by name.

        Those of ``layer-1.text.audio`` are the weights with which text attends to audio in the first layer.
        """
        masks = _masks(xs, inputs)
        weights = {}
        for name, view in xs.items():
            for number, layer in enumerate(self._layers(name), 1):
                for other in layer.others:
                    weights[f"layer-{number}.{name}.{other}"] = layer.weights(other, view, xs[other], masks[other])
                    view = layer.attend(other, view, xs[other], masks[other])  # [N, D]
                view = layer.feed_forward(view)  # [N, D]
        return weights

    def _layers(self, name: str) -> Iterator["_Layer"]:
        return iter(cast("nn.ModuleList", self.stacks[name]))  # type: ignore[arg-type]


class _Layer(nn.Module):
    """One layer of a modality's stack: equations 2-12 for text."""

    def __init__(self, others: Sequence[str], width: int, heads: int, ffn: int, dropout: float) -> None:
        super().__init__()
        self.others = others
        self.attention = nn.ModuleDict(
            {other: ConversationAttention(width, heads, dropout=dropout) for other in others}
        )
        self.norms = nn.ModuleDict({other: nn.LayerNorm(width) for other in others})
        self.ffn = FeedForward(width, ffn, dropout=dropout)
        self.last_norm = nn.LayerNorm(width)

    def attend(self, other: str, x: Tensor, theirs: Tensor, mask: AttentionMask) -> Tensor:
        """Let ``x`` ``[N, D]`` attend to another modality ``theirs`` ``[N, D]``: equations 2-5 or 6-9 -> ``[N, D]``."""
        return self.norms[other](x + self.attention[other](x, theirs, mask))  # type: ignore[no-any-return]  # [N, D]

    def weights(self, other: str, x: Tensor, theirs: Tensor, mask: AttentionMask) -> Tensor:
        """Return the attention weights ``[N, H, U]`` that ``attend`` uses."""
        return cast(ConversationAttention, self.attention[other]).weights(x, theirs, mask)

    def feed_forward(self, x: Tensor) -> Tensor:
        """Apply the feed-forward block: ``[N, D] -> [N, D]``, equations 10-12."""
        return self.last_norm(x + self.ffn(x))  # type: ignore[no-any-return]  # [N, D]


def _masks(xs: dict[str, Tensor], inputs: Inputs) -> dict[str, AttentionMask]:
    return {m: AttentionMask(inputs.layout, inputs.streams[m].present) for m in xs}


def _others(name: str, modalities: Collection[str]) -> tuple[str, ...]:
    """Return the modalities that ``name`` attends to, in order; itself if there is no other."""
    known = [m for m in ASKING_ORDER if m in modalities]
    order = known + [m for m in modalities if m not in ASKING_ORDER]
    return tuple(m for m in order if m != name) or (name,)
