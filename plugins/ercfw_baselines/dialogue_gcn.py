"""DialogueGCN (Ghosal et al., EMNLP 2019): a graph over utterances whose edges know both speakers and the order."""

from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ercfw import Context, DataInfo, Inputs, Size
from ercfw_basics import at_least_float32

Span = Annotated[int, Field(ge=0)]


class Window(NamedTuple):
    """The edges of a graph in which each of N utterances reads the neighbours at the W places around it.

    Attributes:
        rows: ``[N, W]`` int64, the row of each neighbour; the row of the utterance itself where there is no neighbour.
        real: ``[N, W]`` bool, True where there is a neighbour.
        relation: ``[N, W]`` int64, ``2 (S s_i + s_j) + (1 if j is later)`` for speakers s_i, s_j and S speaker slots.
    """

    rows: Tensor
    real: Tensor
    relation: Tensor

    @classmethod
    def of(cls, inputs: Inputs, past: int, future: int, slots: int) -> "Window":
        """Return the window from ``past`` utterances before each one to ``future`` after it, itself included.

        Speakers are numbered from 0; those from ``slots - 1`` on share the last slot.
        """
        layout = inputs.layout
        offset = torch.arange(-past, future + 1, device=layout.position.device)  # [W]
        position = layout.position.unsqueeze(1) + offset  # [N, W]
        real = (position >= 0) & (position < layout.lengths[layout.conversation].unsqueeze(1))  # [N, W]
        own = torch.arange(len(position), device=offset.device).unsqueeze(1)  # [N, 1]
        rows = torch.where(real, own + offset, own)  # [N, W]; the rows of a conversation are contiguous
        speakers = inputs.speakers.clamp(max=slots - 1)  # [N]
        relation = 2 * (slots * speakers.unsqueeze(1) + speakers[rows]) + (offset > 0)  # [N, W]
        return cls(rows, real, relation)


class DialogueGCN(Context):
    """Two graph convolutions over the neighbours of each utterance; their result is appended to the input.

    Let g be the states of a recurrent context (``[context.text]``). Each utterance i has an edge to every j in the
    window around it, itself included. The relation r = r_ij names both speakers and whether j comes later than i::

        a_ij = softmax_j(g_i . W g_j)                                        edge weights; sum to 1 over the window
        h_i  = relu(sum_j a_ij / c_ij W_r g_j + a_ii W_0 g_i + b)            W_r = sum_b m_rb V_b, b = 1 .. ``bases``
        k_i  = relu(U_0 h_i + U sum_j h_j)
        y_i  = [g_i; k_i]

    where c_ij is the number of edges of i that have the relation r_ij. The head ``matching-attention`` adds the
    attention over all y and the classifier. The equations are the paper's, taken from secondary sources; the biases are
    ours. The released code computes other edge weights and sums (``dialogue-gcn-released``).

    No edge leaves the conversation. Speakers in excess of the largest number in a training conversation share one
    slot. Memory grows as N * W * D numbers, for a window of W places.

    Options:
        width: width of h and of k; ``out_dim`` is D + width.
        past: number of utterances that each utterance reads before itself.
        future: number of utterances that each utterance reads after itself.
        bases: number of matrices V_b from which the weights of all relations are made.
        edge_attention: ``bilinear`` scores edges as above; ``none`` gives all edges of an utterance the same weight.
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
        edge_attention: Literal["bilinear", "none"] = "bilinear",
    ) -> None:
        super().__init__(dim, info)
        self.out_dim = dim + width
        self.causal = False
        self.span = (past, future)
        self.slots = info.speakers + 1
        self.bases = nn.Parameter(nn.init.xavier_uniform_(torch.empty(bases, dim, width)))  # V
        self.of_relation = nn.Parameter(nn.init.xavier_uniform_(torch.empty(2 * self.slots**2, bases)))  # m
        self.itself, self.bias = nn.Linear(dim, width, bias=False), nn.Parameter(torch.zeros(width))
        self.second, self.second_itself = nn.Linear(width, width, bias=False), nn.Linear(width, width)
        self.asks = nn.Linear(dim, dim, bias=False) if edge_attention == "bilinear" else None

    def forward(self, x: Tensor, inputs: Inputs) -> Tensor:
        """Return the input and its graph convolutions: ``[N, D] -> [N, D + width]``."""
        window = Window.of(inputs, *self.span, self.slots)
        near = F.embedding(window.rows, x)  # [N, W, D]; its backward is faster than that of indexing
        shares = self.edge_weights(x, near, window)  # [N, W]
        own = shares[:, self.span[0]].unsqueeze(-1)  # [N, 1]; the utterance itself follows the ``past`` before it
        gathered = of_neighbours(near, shares / _alike(window), self.of_relation[window.relation])  # [N, bases, D]
        of_others = torch.einsum("nbd,bdh->nh", gathered, self.bases)  # [N, width]
        first = (of_others + own.to(x.dtype) * self.itself(x) + self.bias).relu()  # [N, width]
        around = (F.embedding(window.rows, first) * window.real.unsqueeze(-1)).sum(1)  # [N, width]
        return torch.cat([x, (self.second(around) + self.second_itself(first)).relu()], -1)

    def edge_weights(self, x: Tensor, near: Tensor, window: Window) -> Tensor:
        """Return how much each utterance reads of each neighbour, ``[N, W]``; 0 where there is no neighbour.

        ``x`` ``[N, D]`` are the utterances, ``near`` ``[N, W, D]`` their neighbours.
        """
        if self.asks is None:
            real = window.real.to(x.dtype)  # [N, W]
            return real / real.sum(-1, keepdim=True)
        scores = (near @ self.asks(x).unsqueeze(-1)).squeeze(-1)  # [N, W]
        return shares_of(at_least_float32(scores), window.real)


def shares_of(scores: Tensor, real: Tensor) -> Tensor:
    """Return the softmax of each row over its real places, ``[N, W], [N, W] -> [N, W]``; 0 at the other places."""
    floor = torch.finfo(scores.dtype).min
    shares: Tensor = scores.masked_fill(~real, floor).softmax(-1)  # [N, W]
    return shares.masked_fill(~real, 0.0)


def of_neighbours(near: Tensor, weights: Tensor, of_relation: Tensor) -> Tensor:
    """Return the weighted sum of the neighbours for each basis, ``[N, bases, D]``.

    Args:
        near: ``[N, W, D]``, the neighbours.
        weights: ``[N, W]``, the weight of each edge.
        of_relation: ``[N, W, bases]``, the share of each basis in the weights of the edge's relation.
    """
    by_basis = weights.unsqueeze(-1) * of_relation  # [N, W, bases]
    return by_basis.mT.to(near.dtype) @ near


def _alike(window: Window) -> Tensor:
    """Count, for each edge, the edges of the same utterance that have its relation, ``[N, W]``; at least 1."""
    same = window.relation.unsqueeze(1) == window.relation.unsqueeze(2)  # [N, W, W]
    return (same & window.real.unsqueeze(1)).sum(-1).clamp_min(1)  # [N, W]
