"""DialogueGCN (Ghosal et al., EMNLP 2019): a graph of who speaks to whom, before or after."""

from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ercfw import Context, DataInfo, Inputs, Size
from ercfw_basics import at_least_float32

Span = Annotated[int, Field(ge=0)]


class Window(NamedTuple):
    """The edges of a graph in which each utterance reads its neighbours: N utterances, W places around each.

    Attributes:
        rows: ``[N, W]`` int64, the row of each neighbour; the utterance's own where there is none.
        real: ``[N, W]`` bool.
        relation: ``[N, W]`` int64, ``2 (S s_i + s_j) + (1 if j is later)`` of S slots of speakers.
    """

    rows: Tensor
    real: Tensor
    relation: Tensor

    @classmethod
    def of(cls, inputs: Inputs, past: int, future: int, slots: int) -> "Window":
        """The window from ``past`` utterances before each one to ``future`` after it, itself included."""
        layout = inputs.layout
        offset = torch.arange(-past, future + 1, device=layout.position.device)  # [W]
        position = layout.position.unsqueeze(1) + offset  # [N, W]
        real = (position >= 0) & (position < layout.lengths[layout.conversation].unsqueeze(1))  # [N, W]
        own = torch.arange(len(position), device=offset.device).unsqueeze(1)  # [N, 1]
        rows = torch.where(real, own + offset, own)  # [N, W]; rows of a conversation stand side by side
        speakers = inputs.speakers.clamp(max=slots - 1)  # [N]
        relation = 2 * (slots * speakers.unsqueeze(1) + speakers[rows]) + (offset > 0)  # [N, W]
        return cls(rows, real, relation)


class DialogueGCN(Context):
    """Two graph convolutions over the utterances around each one; their result stands behind what they read.

    With g the states of a recurrent context (``[context.text]``), an edge to each j in the window around i, and
    r_ij for the two speakers and whether j comes later::

        a_ij = softmax_j(g_i . W g_j)                                        edge weights; sum to 1 over the window
        h_i  = relu(sum_j a_ij / c_ij W_r g_j + W_0 g_i)                     W_r = sum_b m_rb V_b, of ``bases``
        k_i  = relu(U_0 h_i + U sum_j h_j)
        y_i  = [g_i; k_i]

    where c_ij is the number of i's edges of relation r_ij. Attention over all y and the classifier are the head
    ``matching-attention``. The paper's equations as they were handed down; the released code
    differs in the edge weights, which a position's own vector asks for (``positional``), and has no ReLU.

    An edge beyond the conversation's end does not exist. Speakers beyond the most that a training conversation has
    share one slot. Memory is N * W * D numbers.

    Options:
        width: of h and k each; ``out_dim`` is D + width.
        past: utterances before each one that it reads.
        future: utterances after it.
        bases: of the relations' weights.
        edge_attention: ``bilinear``, as above; ``positional``: ``w_i . g_j`` with a trained vector for each place in
            the conversation; ``none``: all edges alike.
        most_positions: of ``positional``; later utterances share the last vector.
        relu: the nonlinearity of both convolutions.
    """

    def __init__(
        self,
        dim: int,
        info: DataInfo,
        *,
        width: Size = 100,
        past: Span = 10,
        future: Span = 10,
        bases: Size = 30,
        edge_attention: Literal["bilinear", "positional", "none"] = "bilinear",
        most_positions: Size = 110,
        relu: bool = True,
    ) -> None:
        super().__init__(dim, info)
        self.out_dim = dim + width
        self.causal = False
        self.span = (past, future)
        self.slots = info.speakers + 1
        relations = 2 * self.slots**2
        self.bases = nn.Parameter(torch.empty(bases, dim, width))  # V
        self.of_relation = nn.Parameter(torch.empty(relations, bases))  # m
        nn.init.xavier_uniform_(self.bases)
        nn.init.xavier_uniform_(self.of_relation)
        self.itself = nn.Linear(dim, width)
        self.second, self.second_itself = nn.Linear(width, width, bias=False), nn.Linear(width, width)
        self.edge_attention, self.last = edge_attention, most_positions - 1
        if edge_attention == "bilinear":
            self.asks: nn.Module = nn.Linear(dim, dim, bias=False)
        elif edge_attention == "positional":
            self.asks = nn.Embedding(most_positions, dim)
        self.nonlinear: nn.Module = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor, inputs: Inputs) -> Tensor:
        """``[N, D] -> [N, D + width]``."""
        window = Window.of(inputs, *self.span, self.slots)
        near = F.embedding(window.rows, x)  # [N, W, D]; whose backward is faster than that of an index
        weights = self.edge_weights(x, near, inputs, window) / _alike(window)  # [N, W]
        by_basis = weights.unsqueeze(-1) * self.of_relation[window.relation]  # [N, W, bases]
        gathered = by_basis.mT.to(near.dtype) @ near  # [N, bases, D]
        first = self.nonlinear(torch.einsum("nbd,bdh->nh", gathered, self.bases) + self.itself(x))  # [N, width]
        around = (F.embedding(window.rows, first) * window.real.unsqueeze(-1)).sum(1)  # [N, width]
        return torch.cat([x, self.nonlinear(self.second(around) + self.second_itself(first))], -1)

    def edge_weights(self, x: Tensor, near: Tensor, inputs: Inputs, window: Window) -> Tensor:
        """How much each utterance reads of each neighbour, ``[N, W]``; 0 where there is none."""
        if self.edge_attention == "none":
            real = window.real.to(x.dtype)  # [N, W]
            return real / real.sum(-1, keepdim=True)
        place = inputs.layout.position.clamp(max=self.last)  # [N]
        query = self.asks(x if self.edge_attention == "bilinear" else place)  # [N, D]
        scores = at_least_float32((near @ query.unsqueeze(-1)).squeeze(-1))  # [N, W]
        floor = torch.finfo(scores.dtype).min
        shares: Tensor = scores.masked_fill(~window.real, floor).softmax(-1)  # [N, W]
        return shares.masked_fill(~window.real, 0.0)


def _alike(window: Window) -> Tensor:
    """Of each edge how many edges of the same utterance have its relation, ``[N, W]``."""
    same = window.relation.unsqueeze(1) == window.relation.unsqueeze(2)  # [N, W, W]
    return (same & window.real.unsqueeze(1)).sum(-1).clamp_min(1)  # [N, W]
