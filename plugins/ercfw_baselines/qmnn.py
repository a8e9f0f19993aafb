"""QMNN (Li et al., AAAI 2021): utterances as mixtures of quantum states that evolve over the conversation."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from ercfw import DataInfo, FusionBlock, Inputs, Size
from ercfw_basics import SpeakerEmbedding, at_least_float32


class Unitary(nn.Module):
    """A trained matrix that stays unitary whatever the optimiser does: the Cayley map of a skew-Hermitian matrix.

    ``U = (I + A / 2)^-1 (I - A / 2)`` with ``A = R - R^T + i (S + S^T)``. It starts as the identity.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.rotation = nn.Parameter(torch.zeros(size, size))  # R
        self.phase = nn.Parameter(torch.zeros(size, size))  # S

    def forward(self) -> Tensor:
        """Return the matrix U, ``[n, n]`` complex64."""
        half = torch.complex(self.rotation - self.rotation.T, self.phase + self.phase.T) / 2  # [n, n]
        one = torch.eye(len(half), dtype=half.dtype, device=half.device)  # [n, n]
        unitary: Tensor = torch.linalg.solve(one + half, one - half)  # [n, n]
        return unitary


class QMNN(FusionBlock):
    """A quantum-like fusion and memory; its output is the probabilities of n measured outcomes.

    For utterance t (from 0) of speaker s, with c = 0 .. n - 1 and each modality m that utterance t has::

        r_m    = relu(W_m x_m)                                     a_m = r_m / |r_m|
        psi_m  = a_m exp(i theta)                                  theta_c = t 10000^(-c / n) + 2 pi sigmoid(phi_sc)
        rho_t  = sum_m w_m psi_m psi_m^H                           w = softmax_m(|r_m|)
        R_t    = g U_x rho_t U_x^H + (1 - g) U_h R_(t-1) U_h^H     R_(-1) = I / n, g trained, U_x and U_h unitary
        y_tj   = k_j^H R_t k_j                                     k_j the rows of a third unitary matrix

    For an utterance without any modality, rho_t = I / n. Every R_t is Hermitian, positive and of trace one, so every
    y_t is a distribution. It is computed without building an n x n state: R_t is a sum over the utterances up to t, and
    only their vectors are carried along. With psi_m and w_m taken d utterances before t::

        y_tj   = (1 - g)^(t+1) / n + sum_d g (1 - g)^d sum_m w_m |k_j^H U_h^d U_x psi_m|^2         d = 0 .. t

    A conversation of L utterances takes M * L * L / 2 products of a vector with an n x n matrix, and memory for as many
    vectors.

    The released code draws the phases of the speakers once and never trains them (``fixed``), and it distinguishes
    speakers on IEMOCAP only. It also bounds the logits (``[head.emotion] use = "mlp"``, ``bounded = true``). Its update
    of unitary matrices is not a descent step in general. Here these matrices are functions of free parameters, which
    form the parameter group ``unitary``.

    Options:
        size: n, the number of outcomes and ``out_dim``.
        phases: phases of the speakers: ``trained``, ``fixed`` at random values, or ``none``.
    """

    causal = True
    frequencies: Tensor

    def __init__(
        self,
        dims: dict[str, int],
        info: DataInfo,
        *,
        size: Size = 100,
        phases: Literal["trained", "fixed", "none"] = "trained",
    ) -> None:
        super().__init__(dims, info)
        self.out_dim = size
        self.amplitude = nn.ModuleDict({m: nn.Linear(dim, size) for m, dim in dims.items()})
        self.register_buffer("frequencies", 10000 ** (-torch.arange(size) / size), persistent=False)  # [n]
        self.speakers = None if phases == "none" else SpeakerEmbedding(info.speakers, size)
        if self.speakers is not None:
            nn.init.uniform_(self.speakers.table.weight)
            self.speakers.requires_grad_(phases == "trained")
        self.gate = nn.Parameter(torch.tensor(0.5))
        self.enter, self.carry, self.measure = Unitary(size), Unitary(size), Unitary(size)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of the unitary matrices, which the paper trains with a learning rate of their own."""
        return {"unitary": [*self.enter.parameters(), *self.carry.parameters(), *self.measure.parameters()]}

    def forward(self, xs: dict[str, Tensor], inputs: Inputs) -> Tensor:
        """Return the probabilities of the outcomes: ``{m: [N, D_m]} -> [N, n]``, each row a distribution."""
        with torch.autocast(inputs.speakers.device.type, enabled=False):
            states, weights = self.states({m: at_least_float32(x) for m, x in xs.items()}, inputs)
            return self._measure(states, weights, inputs)

    def states(self, xs: dict[str, Tensor], inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the states psi ``[N, M, n]`` complex64 and the weights w ``[N, M]``.

        The weights of absent modalities are zero.
        """
        grown = torch.stack([self.amplitude[m](x).relu() + 1e-6 for m, x in xs.items()], 1)  # [N, M, n]; never zero
        length = grown.norm(dim=-1)  # [N, M]
        here = torch.stack([inputs.streams[m].present for m in xs], -1)  # [N, M]
        floor = torch.finfo(length.dtype).min
        weights = length.masked_fill(~here, floor).softmax(-1) * here  # [N, M]
        angle = inputs.layout.position.unsqueeze(-1) * self.frequencies  # [N, n]
        if self.speakers is not None:
            angle = angle + 2 * math.pi * self.speakers(inputs.speakers).sigmoid()
        return torch.polar(grown / length.unsqueeze(-1), angle.unsqueeze(1).expand_as(grown)), weights

    def _measure(self, states: Tensor, weights: Tensor, inputs: Inputs) -> Tensor:
        """Return the probabilities of the outcomes, ``[N, n]``, given the states and weights."""
        layout, gate = inputs.layout, self.gate.sigmoid()
        enter, carry, measure = self.enter(), self.carry(), self.measure()  # [n, n] each
        left = layout.lengths[layout.conversation] - layout.position  # [N], how many utterances from here to the end
        rows = left.argsort(descending=True)  # [N]; the rows that later steps still need come first
        vectors = states[rows] @ enter.T  # [N, M, n]
        share = weights[rows].unsqueeze(-1)  # [N, M, 1]
        unknown = (1 - weights.sum(-1)) / self.out_dim  # [N]; an utterance without modalities is I / n
        past = (1 - gate) ** (layout.position + 1) / self.out_dim  # [N], what is left of the initial I / n
        result = past.unsqueeze(-1).expand(-1, self.out_dim)  # [N, n]
        for back in range(max(layout.sizes)):
            count = sum(max(0, size - back) for size in layout.sizes)
            vectors = (vectors @ carry.T if back else vectors)[:count]  # [R, M, n]
            found = (share[:count] * (vectors @ measure.T).abs().square()).sum(1)  # [R, n]
            found = found + unknown[rows[:count]].unsqueeze(-1)
            result = result.index_add(0, rows[:count] + back, gate * (1 - gate) ** back * found)
        return result
