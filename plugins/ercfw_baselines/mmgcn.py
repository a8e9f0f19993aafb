"""MMGCN (Hu et al., ACL 2021): a deep graph network over the utterances of all modalities together."""

import math
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ercfw import DataInfo, FusionBlock, Head, HeadOutput, InputError, Inputs, Loss, Outputs, Rate, Size, labelled
from ercfw_basics import SpeakerEmbedding, at_least_float32

Share = Annotated[float, Field(ge=0, le=1)]


class Graph(NamedTuple):
    """The normalised adjacency of M * U nodes per conversation, one node for each utterance and modality.

    Edges join the nodes of one modality, and the nodes of one utterance in different modalities.

    Attributes:
        within: ``[B, M, U, U]``, edge weights between nodes of one modality.
        across: ``[B, M, M, U]``, edge weights between nodes of one utterance; zero from a modality to itself.
    """

    within: Tensor
    across: Tensor

    @classmethod
    def of(cls, nodes: Tensor, here: Tensor, gamma: float) -> "Graph":
        """Build the graph of these nodes.

        An edge between nodes x and y weighs ``1 - arccos(cos(x, y)) / pi``, multiplied by ``gamma`` across modalities,
        and is divided by the square roots of both nodes' degrees.

        Args:
            nodes: ``[B, M, U, D]``, the vectors of the nodes.
            here: ``[B, M, U]`` bool; False marks a node that does not exist and has no edges.
            gamma: factor on the weights across modalities.
        """
        unit = F.normalize(at_least_float32(nodes), dim=-1)  # [B, M, U, D]
        with torch.autocast(nodes.device.type, enabled=False):  # bf16 gives cosines above 1, whose arccos is NaN
            same_modality, same_utterance = unit @ unit.mT, torch.einsum("bmud,bkud->bmku", unit, unit)
        both = here.unsqueeze(-1) & here.unsqueeze(-2)  # [B, M, U, U]
        within = _weight(same_modality) * both  # [B, M, U, U]
        pairs = here.unsqueeze(1) & here.unsqueeze(2)  # [B, M, M, U]
        other = ~torch.eye(nodes.shape[1], dtype=torch.bool, device=nodes.device).unsqueeze(-1)  # [M, M, 1]
        across = gamma * _weight(same_utterance) * (pairs & other)  # [B, M, M, U]
        degree = within.sum(-1) + across.sum(2)  # [B, M, U]
        root = torch.where(here, degree.clamp_min(1e-12).rsqrt(), 0.0)  # [B, M, U]
        return cls(
            within * root.unsqueeze(-1) * root.unsqueeze(-2),
            across * root.unsqueeze(2) * root.unsqueeze(1),
        )

    def spread(self, nodes: Tensor) -> Tensor:
        """Multiply the adjacency by the nodes: ``[B, M, U, D] -> [B, M, U, D]``."""
        return self.within @ nodes + torch.einsum("bmku,bkud->bmud", self.across, nodes)


def _weight(cosine: Tensor) -> Tensor:
    """Return 1 for the same direction, falling to 0 for the opposite one.

    The values stay just inside both ends, because arccos has no finite gradient there.
    """
    return 1 - torch.arccos(0.99999 * cosine) / math.pi


class MMGCN(FusionBlock):
    """A graph with one node for each utterance and modality, and a deep graph network over it.

    Within a conversation, all nodes of one modality are neighbours, and so are all nodes of one utterance. Let X be
    the modalities' vectors (plus the speaker's vector) and A the normalised adjacency (``Graph``). The layers are those
    of GCNII (Chen et al., 2020), for l = 1 .. L::

        H_0 = relu(W drop(X))              P = A drop(H)
        H_l = relu(b_l [P; H_0] W_l + (1 - b_l) ((1 - alpha) P + alpha H_0))          b_l = ln(theta / l + 1)
        y   = [X_m; H_m for each modality m]

    The paper uses 4 layers, speakers on all modalities, and a hidden layer of 100 with a ReLU before the classifier
    (the head ``mlp``). The released code uses 64 layers whatever its command line says, ``gamma = 1``, speakers on text
    only, and a ReLU alone before the classifier (the head ``mmgcn``). Memory grows as B * M * U * U numbers.

    Options:
        width: width of H.
        depth: L, the number of layers.
        alpha: share of H_0 in every layer.
        theta: how strongly the weights W_l of a layer count; they count less in deeper layers.
        gamma: factor on the edges between modalities.
        speakers_on: modalities to whose vectors the speaker's vector is added: ``all``, ``text`` or ``none``.
        dropout: rate on X and on each H.

    Raises:
        InputError: the modalities' vectors differ in width.
    """

    def __init__(
        self,
        dims: dict[str, int],
        info: DataInfo,
        *,
        width: Size = 100,
        depth: Size = 4,
        alpha: Share = 0.1,
        theta: Annotated[float, Field(gt=0)] = 0.5,
        gamma: Share = 1.0,
        speakers_on: Literal["all", "text", "none"] = "all",
        dropout: Rate = 0.4,
    ) -> None:
        super().__init__(dims, info)
        if len(set(dims.values())) > 1:
            hint = "give all encoders and contexts the same width"
            raise InputError.at("use", f"the modalities' vectors differ in width: {list(dims.values())}", hint)
        dim = next(iter(dims.values()))
        self.out_dim = len(dims) * (dim + width)
        spoken = {"all": list(dims), "text": [m for m in dims if m == "text"], "none": []}[speakers_on]
        self.speakers = nn.ModuleDict({m: SpeakerEmbedding(info.speakers, dim) for m in spoken})
        self.first = nn.Linear(dim, width)
        self.layers = nn.ParameterList(
            nn.init.uniform_(torch.empty(2 * width, width), -(width**-0.5), width**-0.5) for _ in range(depth)
        )
        self.shares = [math.log(theta / (place + 1) + 1) for place in range(depth)]
        self.alpha, self.gamma = alpha, gamma
        self.dropout = nn.Dropout(dropout)

    def forward(self, xs: dict[str, Tensor], inputs: Inputs) -> Tensor:
        """Return X and H of all modalities: ``{m: [N, D]} -> [N, M * (D + width)]``."""
        pad = inputs.layout.pad
        spoken = {m: x + self.speakers[m](inputs.speakers) if m in self.speakers else x for m, x in xs.items()}
        here = torch.stack([pad(inputs.streams[m].present) for m in xs], 1)  # [B, M, U]
        nodes = torch.stack([pad(x) for x in spoken.values()], 1) * here.unsqueeze(-1)  # [B, M, U, D]
        graph = Graph.of(nodes, here, self.gamma)
        dropped = self.dropout(nodes)  # [B, M, U, D]
        hidden = self.dropout(self._convolve(graph, self.first(dropped).relu()))  # [B, M, U, width]
        both = torch.cat([dropped, hidden], -1) * here.unsqueeze(-1)  # [B, M, U, D + width]
        return inputs.layout.pack(both.transpose(1, 2).flatten(2))  # [N, M * (D + width)]

    def _convolve(self, graph: Graph, start: Tensor) -> Tensor:
        """Apply all layers: ``[B, M, U, width] -> [B, M, U, width]``."""
        hidden = start
        for own, weight in zip(self.shares, self.layers, strict=True):
            spread = graph.spread(self.dropout(hidden))  # [B, M, U, width]
            learnt = torch.cat([spread, start], -1) @ weight  # [B, M, U, width]
            kept = (1 - self.alpha) * spread + self.alpha * start  # [B, M, U, width]
            hidden = (own * learnt + (1 - own) * kept).relu()
        return hidden


class MMGCNHead(Head):
    """The classifier of MMGCN's released code (Hu et al., ACL 2021): dropout, a ReLU, then a linear map.

    ::

        o_i = W relu(drop(x_i)) + b

    The ReLU reads X and H of all modalities. H is not negative, so the ReLU changes only X. The embedding is the input
    of the map.

    Options:
        dropout: rate on x.
    """

    causal = True

    def __init__(self, dim: int, target: str, info: DataInfo, *, dropout: Rate = 0.4) -> None:
        super().__init__(dim, target, info)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(dim, len(info.targets[target].classes))

    def forward(self, x: Tensor, inputs: Inputs) -> HeadOutput:
        """Return the logits ``[N, C]`` and the embedding ``[N, D]`` of ``x`` ``[N, D]``."""
        embedding = self.dropout(x).relu()  # [N, D]
        return HeadOutput(self.linear(embedding), embedding)


class MMGCNFocal(Loss):
    """The loss that MMGCN's released code calls focal on MELD: ``-(1 - [c = y] log p_c)^gamma log p_c``.

    It is the mean over the labelled rows and all classes. It differs from the focal loss (Lin et al., 2017; ``focal``)
    in two ways: it uses log p in place of p, and it also counts the wrong classes. With seven classes it is therefore
    lowest where the right class has a probability of only about 0.53.

    Options:
        gamma: the exponent.
    """

    def __init__(self, target: str, info: DataInfo, *, gamma: Annotated[float, Field(ge=0)] = 2.5) -> None:
        super().__init__(target, info)
        self.gamma = gamma

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 where no row is labelled."""
        here = labelled(targets, self.target)  # [N]
        log_p = at_least_float32(outputs.heads[self.target].logits).log_softmax(-1)  # [N, C]
        right = F.one_hot(targets[self.target].clamp(min=0), log_p.shape[-1])  # [N, C]
        of_rows = ((1 - right * log_p) ** self.gamma * log_p).mean(-1)  # [N]
        return -of_rows.where(here, 0).sum() / here.sum().clamp(min=1)
