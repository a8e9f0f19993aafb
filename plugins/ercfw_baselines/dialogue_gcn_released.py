"""What the released code of DialogueGCN computes, where it differs from the equations of its paper."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ercfw import Context, DataInfo, Inputs, Size
from ercfw_baselines.dialogue_gcn import Span, Window, of_neighbours, shares_of
from ercfw_basics import at_least_float32


class DialogueGCNReleased(Context):
    """The graph convolutions of DialogueGCN's released code (conv-emotion); their result is appended to the input.

    Each utterance j sends its state g_j to the utterances of the window around it. So utterance i reads every j in
    whose window it lies, that is, from ``future`` utterances before i to ``past`` utterances after it::

        a_ji = softmax_i(w_j . g_i)                           over the window of j, the sender
        h_i  = sum_j a_ji W_r g_j + W_0 g_i + b               r = r_ji; W_r = sum_b m_rb V_b, b = 1 .. ``bases``
        k_i  = U_0 h_i + U sum_j h_j
        y_i  = [g_i; k_i]

    where w_j is a trained vector per position of j in its conversation. The relation r_ji names both speakers and
    whether i comes later than j. The context differs from ``dialogue-gcn``, the paper's equations, in these ways:

    - The edge weights of the edges that leave an utterance sum to 1. In the paper, those that it reads do.
    - An edge weight knows the sender only by its position.
    - The sums are not divided by the number of edges of a relation, and W_0 g_i has no edge weight.
    - There is no nonlinearity.

    The code also counts every pair outside the window with a factor of 1e-10 in the sum that normalises a_ji. This
    term is left out. So is the initialisation, which depends on the version of the graph library: here it is Xavier's.
    The attention of the code bounds its scores (``[head.emotion] use = "matching-attention"``, ``tanh = true``).

    No edge leaves the conversation. Speakers in excess of the largest number in a training conversation share one
    slot. Memory grows as N * W * D numbers, for a window of W places.

    Options:
        width: width of h and of k; ``out_dim`` is D + width.
        past: number of utterances before itself to which each utterance sends its state.
        future: number of utterances after itself to which each utterance sends its state.
        bases: number of matrices V_b from which the weights of all relations are made.
        most_positions: number of position vectors; later utterances share the last vector.
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
        most_positions: Size = 110,
    ) -> None:
        super().__init__(dim, info)
        self.out_dim = dim + width
        self.causal = False
        self.span = (past, future)
        self.slots, self.last = info.speakers + 1, most_positions - 1
        self.bases = nn.Parameter(nn.init.xavier_uniform_(torch.empty(bases, dim, width)))  # V
        self.of_relation = nn.Parameter(nn.init.xavier_uniform_(torch.empty(2 * self.slots**2, bases)))  # m
        self.itself = nn.Linear(dim, width)
        self.second, self.second_itself = nn.Linear(width, width, bias=False), nn.Linear(width, width)
        self.asks = nn.Embedding(most_positions, dim)  # w

    def forward(self, x: Tensor, inputs: Inputs) -> Tensor:
        """Return the input and its graph convolutions: ``[N, D] -> [N, D + width]``."""
        past, future = self.span
        sent = Window.of(inputs, past, future, self.slots)
        read = Window.of(inputs, future, past, self.slots)
        weights, relation = self._edges(x, inputs, sent, read)
        gathered = of_neighbours(F.embedding(read.rows, x), weights, self.of_relation[relation])  # [N, bases, D]
        first = torch.einsum("nbd,bdh->nh", gathered, self.bases) + self.itself(x)  # [N, width]
        around = (F.embedding(read.rows, first) * read.real.unsqueeze(-1)).sum(1)  # [N, width]
        return torch.cat([x, self.second(around) + self.second_itself(first)], -1)

    def _edges(self, x: Tensor, inputs: Inputs, sent: Window, read: Window) -> tuple[Tensor, Tensor]:
        """Return the weights and the relations of the edges that each utterance reads, ``[N, W]`` each.

        ``sent`` are the edges by their sender, ``read`` the same edges by their reader. The reader at place p of a
        sender's window has the sender at place W - 1 - p of its own.
        """
        query = self.asks(inputs.layout.position.clamp(max=self.last))  # [N, D]
        scores = (F.embedding(sent.rows, x) @ query.unsqueeze(-1)).squeeze(-1)  # [N, W]
        shares = shares_of(at_least_float32(scores), sent.real)  # [N, W]
        place = torch.arange(read.rows.shape[1] - 1, -1, -1, device=x.device)  # [W]
        return shares[read.rows, place] * read.real, sent.relation[read.rows, place]
