"""A fusion in which the modalities of a conversation attend to each other."""

from typing import cast

import torch
from torch import Tensor, nn

from ercfw import DataInfo, Fused, FusionBlock, Inputs, Rate, Size
from ercfw_basics.blocks.attention_mask import AttentionMask
from ercfw_basics.blocks.products import Linear
from ercfw_basics.blocks.transformer_layer import TransformerLayer, sinusoids


class CrossModalStack(nn.Module):
    """Layers in which one modality attends to another (Tsai et al., 2019, section 3.2)."""

    def __init__(self, width: int, layers: int, heads: int, ffn: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TransformerLayer(width, heads, ffn, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, source: Tensor, mask: AttentionMask) -> Tensor:
        """Attend from ``x`` ``[N, D]`` to ``source`` ``[N, D]`` as ``mask`` allows -> ``[N, D]``."""
        for layer in self.layers:
            x = layer(x, source, mask)  # [N, D]
        x = self.norm(x)
        return x


class CrossModalTransformer(FusionBlock):
    """MulT: every modality attends to every other one across the whole conversation (Tsai et al., 2019).

    Each ordered pair of modalities has its own stack of layers. The queries come from the first modality. The keys and
    values of every layer come from the second modality as it enters the stack. The view of a modality is the
    concatenation of the results of its stacks; the joint vector is the concatenation of all views. A single modality
    attends to itself.

    Rows whose modality is absent are never attended to, and their view is zero. MulT's last step, self-attention over
    each view, is left to a context after the fusion.

    Options:
        width: width of each stack; a view is this width times the number of other modalities.
        layers: number of layers of each stack.
        heads: number of attention heads, a divisor of the width.
        ffn: hidden width of the feed-forward blocks.
        dropout: dropout rate on the attention weights and on what each block adds to its input.
        positions: whether to add sines and cosines of the position in the conversation.

    Raises:
        InputError: if ``heads`` does not divide ``width``.
    """

    def __init__(
        self,
        dims: dict[str, int],
        info: DataInfo,
        *,
        width: Size = 128,
        layers: Size = 2,
        heads: Size = 4,
        ffn: Size = 256,
        dropout: Rate = 0.1,
        positions: bool = True,
    ) -> None:
        super().__init__(dims, info)
        self.width = width
        self.positions = positions
        self.sources = {m: [other for other in dims if other != m] or [m] for m in dims}
        self.view_dims = {m: width * len(sources) for m, sources in self.sources.items()}
        self.out_dim = sum(self.view_dims.values())
        self.project = nn.ModuleDict({m: Linear(dim, width) for m, dim in dims.items()})
        self.stacks = nn.ModuleDict(
            {
                m: nn.ModuleDict({source: CrossModalStack(width, layers, heads, ffn, dropout) for source in sources})
                for m, sources in self.sources.items()
            }
        )

    def forward(self, xs: dict[str, Tensor], inputs: Inputs) -> Fused:
        """Fuse ``{m: [N, D_m]}`` into the joint vector ``[N, out_dim]`` and one view per modality."""
        ys, masks = self._project(xs, inputs)
        views = {m: self._view(m, ys, masks) for m in ys}  # [N, width * sources] each
        return Fused(torch.cat(list(views.values()), -1), views)

    @torch.no_grad()
    def explain(self, xs: dict[str, Tensor], inputs: Inputs) -> dict[str, Tensor]:
        """Return the attention weights ``[N, H, U]`` of each layer of each stack.

        The names are like ``layer-1.text.audio``, in which text attends to audio.
        """
        ys, masks = self._project(xs, inputs)
        weights = {}
        for asks, sources in self.sources.items():
            for asked in sources:
                y = ys[asks]
                for number, layer in enumerate(self._stack(asks, asked).layers, 1):
                    layer = cast(TransformerLayer, layer)
                    weights[f"layer-{number}.{asks}.{asked}"] = layer.weights(y, ys[asked], masks[asked])  # [N, H, U]
                    y = layer(y, ys[asked], masks[asked])  # [N, width]
        return weights

    def _project(self, xs: dict[str, Tensor], inputs: Inputs) -> tuple[dict[str, Tensor], dict[str, AttentionMask]]:
        """Return the projection ``[N, width]`` of each modality, and the mask of those that attend to it."""
        ys = {m: self.project[m](x) for m, x in xs.items()}  # [N, width] each
        if self.positions:
            places = sinusoids(inputs.layout.position, self.width)  # [N, width]
            ys = {m: y + places for m, y in ys.items()}
        return ys, {m: AttentionMask(inputs.layout, inputs.streams[m].present) for m in ys}

    def _stack(self, asks: str, asked: str) -> CrossModalStack:
        return cast(CrossModalStack, cast(nn.ModuleDict, self.stacks[asks])[asked])

    def _view(self, modality: str, ys: dict[str, Tensor], masks: dict[str, AttentionMask]) -> Tensor:
        found = [
            self._stack(modality, source)(ys[modality], ys[source], masks[source]) for source in self.sources[modality]
        ]  # [N, width] each
        return torch.where(masks[modality].present.unsqueeze(-1), torch.cat(found, -1), 0.0)  # [N, width * sources]
