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
    window around it. The relation r = r_ij names both speakers and whether j comes later than i::

        a_ij = softmax_j(g_i . W g_j)                                        edge weights; sum to 1 over the window
        h_i  = relu(sum_j a_ij / c_ij W_r g_j + W_0 g_i)                     W_r = sum_b m_rb V_b, b = 1 .. ``bases``
        k_i  = relu(U_0 h_i + U sum_j h_j)
        y_i  = [g_i; k_i]

    where c_ij is the number of edges of i that have the relation r_ij. The head ``matching-attention`` adds the
    attention over all y and the classifier. The equations are the paper's, taken from secondary sources. The released
    code differs: it computes the edge weights from a trained vector per position (``positional``), and it has no ReLU.

    No edge leaves the conversation. Speakers in excess of the largest number in a training conversation share one
    slot. Memory grows as N * W * D numbers, for a window of W places.

    Options:
        width: width of h and of k; ``out_dim`` is D + width.
        past: number of utterances that each utterance reads before itself.
        future: number of utterances that each utterance reads after itself.
        bases: number of matrices V_b from which the weights of all relations are made.
        edge_attention: ``bilinear`` scores edges as above; ``positional`` scores them with ``w_i . g_j``, where w_i is
            a trained vector per position in the conversation; ``none`` gives all edges the same weight.
        most_positions: number of position vectors of ``positional``; later utterances share the last vector.
        relu: apply a ReLU in both convolutions.
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
        """Return the input and its graph convolutions: ``[N, D] -> [N, D + width]``."""
        window = Window.of(inputs, *self.span, self.slots)
        near = F.embedding(window.rows, x)  # [N, W, D]; its backward is faster than that of indexing
        weights = self.edge_weights(x, near, inputs, window) / _alike(window)  # [N, W]
        by_basis = weights.unsqueeze(-1) * self.of_relation[window.relation]  # [N, W, bases]
        gathered = by_basis.mT.to(near.dtype) @ near  # [N, bases, D]
        first = self.nonlinear(torch.einsum("nbd,bdh->nh", gathered, self.bases) + self.itself(x))  # [N, width]
        around = (F.embedding(window.rows, first) * window.real.unsqueeze(-1)).sum(1)  # [N, width]
        return torch.cat([x, self.nonlinear(self.second(around) + self.second_itself(first))], -1)

    def edge_weights(self, x: Tensor, near: Tensor, inputs: Inputs, window: Window) -> Tensor:
        """Return how much each utterance reads of each neighbour, ``[N, W]``; 0 where there is no neighbour.

        ``x`` ``[N, D]`` are the utterances, ``near`` ``[N, W, D]`` their neighbours.
        """
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
    """Count, for each edge, the edges of the same utterance that have its relation, ``[N, W]``; at least 1."""
    same = window.relation.unsqueeze(1) == window.relation.unsqueeze(2)  # [N, W, W]
    return (same & window.real.unsqueeze(1)).sum(-1).clamp_min(1)  # [N, W]
