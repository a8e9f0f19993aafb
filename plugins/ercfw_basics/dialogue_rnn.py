"""DialogueRNN (Majumder et al., AAAI 2019): a global, a party's and an emotion state for each utterance."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, NamedTuple, Protocol, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ercfw import Context, DataInfo, Inputs, Layout


class _Kind(NamedTuple):
    """What networks must share to run side by side."""

    dim: int
    width: int
    attention: Literal["simple", "general"]
    listener: bool
    dropout: float
    bidirectional: bool


class DialogueRNN(Context):
    """A conversation read utterance by utterance, with a state for each of its speakers.

    For utterance i, by speaker s, all states zero at first::

        g_i   = GRU_G([x_i; q_s], g_{i-1})                       global
        c_i   = sum_j softmax_j(score_j) g_j  over j < i         context, zero for the first
        q_s   = GRU_P([x_i; c_i], q_s)                           the speaker's
        q_p   = GRU_L([x_i; q_s], q_p)        for p != s         the others', with ``listener`` only
        e_i   = GRU_E(q_s, e_{i-1})                              emotion

    and e is the result. All states have one width. An utterance without the modality is read as zeros.

    Options:
        width: D of every state.
        attention: score_j is ``w . g_j`` (simple) or ``g_j . W x_i`` (general).
        bidirectional: a second network reads each conversation from its end; the results are concatenated.
        listener: the others' states change too.
        project: ReLU of e; bidirectional: of a linear map of both e, back to ``width``.
        dropout: rate on the states as they are carried on.
    """

    def __init__(
        self,
        dim: int,
        info: DataInfo,
        *,
        width: Annotated[int, Field(ge=1)] = 256,
        attention: Literal["simple", "general"] = "simple",
        bidirectional: bool = False,
        listener: bool = False,
        project: bool = False,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    ) -> None:
        super().__init__(dim, info)
        self.causal = not bidirectional
        self.kind = _Kind(dim, width, attention, listener, dropout, bidirectional)
        self.directions = nn.ModuleList(_Direction(self.kind) for _ in range(1 + bidirectional))
        both = width * len(self.directions)
        self.out_dim = width if project else both
        self.project = _projection(both, width) if project else nn.Identity()

    def forward(self, x: Tensor, inputs: Inputs) -> Tensor:
        """``[N, dim] -> [N, out_dim]``."""
        return self.together([self], [x], inputs)[0]

    @staticmethod
    def together(blocks: Sequence["DialogueRNN"], xs: Sequence[Tensor], inputs: Inputs) -> list[Tensor]:
        """Several modalities' blocks in one loop over time: ``[N, dim]`` each -> ``[N, out_dim]`` each.

        Blocks of unlike options run one after another.
        """
        if len({block.kind for block in blocks}) > 1:
            return [block(x, inputs) for block, x in zip(blocks, xs, strict=True)]
        kind = blocks[0].kind
        orders = [_time_major(inputs.layout, reverse) for reverse in (False, True)[: 1 + kind.bidirectional]]
        x = torch.stack([x.index_select(0, order) for x in xs for order in orders])  # [K, N, dim]
        party = torch.stack([inputs.speakers.index_select(0, order) for order in orders] * len(blocks))  # [K, N]
        networks = _Networks(
            kind, inputs.layout.speakers, [cast(_Direction, d) for block in blocks for d in block.directions]
        )
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(torch.promote_types(x.dtype, torch.float32))  # states that are carried on need it
            emotion = networks.run(x, party, _active(inputs.layout), blocks[0].training)  # [K, N, D]
        places = [order.argsort() for order in orders] * len(blocks)  # [N] each
        rows = [e.index_select(0, place) for e, place in zip(emotion, places, strict=True)]  # [N, D] each
        joined = [torch.cat(rows[k : k + len(orders)], -1) for k in range(0, len(rows), len(orders))]
        return [block.project(e) for block, e in zip(blocks, joined, strict=True)]  # [N, out_dim] each


def _projection(both: int, width: int) -> nn.Module:
    return nn.ReLU() if both == width else nn.Sequential(nn.Linear(both, width), nn.ReLU())


class _Direction(nn.Module):
    """The weights of one direction."""

    def __init__(self, kind: _Kind) -> None:
        super().__init__()
        dim, width = kind.dim, kind.width
        self.to_global = nn.GRUCell(dim + width, width)
        self.to_party = nn.GRUCell(dim + width, width)
        self.to_listener = nn.GRUCell(dim + width, width) if kind.listener else None
        self.to_emotion = nn.GRUCell(width, width)
        shape = (width, 1) if kind.attention == "simple" else (dim, width)
        self.attention = nn.Linear(*shape, bias=False)


def _time_major(layout: Layout, reverse: bool) -> Tensor:
    """``[N]`` rows step after step, the longest conversation first; reversed within its true length."""
    rank = layout.lengths.argsort(descending=True, stable=True).argsort()  # [B]
    last = layout.lengths[layout.conversation] - 1  # [N]
    step = last - layout.position if reverse else layout.position  # [N]
    return (step * len(layout.sizes) + rank[layout.conversation]).argsort()  # [N]


def _active(layout: Layout) -> list[int]:
    """How many conversations are still going on at each step; known on the host."""
    sizes = np.array(layout.sizes)
    return (sizes[:, None] > np.arange(sizes.max())).sum(0).tolist()  # type: ignore[no-any-return]


class _Cells(NamedTuple):
    """K GRU cells side by side, ready for batched products.

    An input has an outer part, known before the loop over time, and an inner one that recurs.
    """

    outer: Tensor  # [K, dim, 3D]
    inner: Tensor  # [K, D or 0, 3D]
    state: Tensor  # [K, D, 3D]
    input_bias: Tensor  # [K, 1, 3D]
    state_bias: Tensor  # [K, 1, 3D]

    @classmethod
    def of(cls, cells: Sequence[nn.GRUCell], dim: int) -> "_Cells":
        inputs = torch.stack([cell.weight_ih for cell in cells]).transpose(1, 2)  # [K, dim + D or dim, 3D]
        return cls(
            outer=inputs[:, :dim],
            inner=inputs[:, dim:],
            state=torch.stack([cell.weight_hh for cell in cells]).transpose(1, 2),
            input_bias=torch.stack([cell.bias_ih for cell in cells]).unsqueeze(1),
            state_bias=torch.stack([cell.bias_hh for cell in cells]).unsqueeze(1),
        )

    def ahead(self, x: Tensor) -> Tensor:
        """What the outer inputs give at all steps at once: ``[K, N, dim] -> [K, N, 3D]``."""
        return torch.baddbmm(self.input_bias, x, self.outer)

    def step(self, given: Tensor, state: Tensor) -> Tensor:
        """The GRU's next state ``[K, R, D]``; ``given`` ``[K, R, 3D]`` is what its inputs say."""
        recurrent = torch.baddbmm(self.state_bias, state, self.state)  # [K, R, 3D]
        width = state.shape[-1]
        gates, candidate = torch.split(given, [2 * width, width], -1)
        gates_too, candidate_too = torch.split(recurrent, [2 * width, width], -1)
        reset, update = (gates + gates_too).sigmoid().chunk(2, -1)  # [K, R, D] each
        new = torch.addcmul(candidate, reset, candidate_too).tanh()  # [K, R, D]
        return torch.lerp(new, state, update)  # [K, R, D]


class _Memory(Protocol):
    """The global states so far, of K networks."""

    def read(self, query: Tensor) -> Tensor:
        """The context ``[K, R, D]`` of the first R conversations; ``query`` ``[K, R, D or 0]``."""

    def add(self, state: Tensor) -> None:
        """One more global state ``[K, R, D]``."""


class _RunningMean:
    """Simple attention. Its scores never change, so the weighted mean is kept up to date in constant time."""

    def __init__(self, weight: Tensor, start: Tensor) -> None:
        self.weight = weight  # [K, D, 1]
        self.mean = start  # [K, R, D]
        self.log_total = start.new_full((*start.shape[:2], 1), -torch.inf)  # [K, R, 1]

    def read(self, query: Tensor) -> Tensor:
        rows = query.shape[1]
        self.mean, self.log_total = self.mean[:, :rows], self.log_total[:, :rows]
        return self.mean

    def add(self, state: Tensor) -> None:
        score = state @ self.weight  # [K, R, 1]
        self.log_total = torch.logaddexp(self.log_total, score)  # [K, R, 1]
        self.mean = torch.lerp(self.mean, state, (score - self.log_total).exp())  # [K, R, D]


class _History:
    """General attention: the scores change with the utterance, so all states are kept."""

    def __init__(self, start: Tensor) -> None:
        self.states = start.unsqueeze(2)[:, :, :0]  # [K, R, 0, D]

    def read(self, query: Tensor) -> Tensor:
        self.states = self.states[:, : query.shape[1]]  # [K, R, steps, D]
        shares = (self.states @ query.unsqueeze(-1)).softmax(2)  # [K, R, steps, 1]
        return (self.states * shares).sum(2)  # [K, R, D], zero before the first step

    def add(self, state: Tensor) -> None:
        self.states = torch.cat([self.states, state.unsqueeze(2)], 2)  # [K, R, steps, D]


class _Networks:
    """K networks of one kind (modalities x directions), side by side in one loop over time.

    Rows are time-major: a step's are those of the R conversations that are still going on.
    """

    def __init__(self, kind: _Kind, parties: int, networks: Sequence[_Direction]) -> None:
        self.kind = kind
        self.parties = parties
        self.to_global = _Cells.of([n.to_global for n in networks], kind.dim)
        self.to_party = _Cells.of([n.to_party for n in networks], kind.dim)
        self.to_emotion = _Cells.of([n.to_emotion for n in networks], kind.width)
        listeners = [n.to_listener for n in networks if n.to_listener is not None]
        self.to_listener = _Cells.of(listeners, kind.dim) if listeners else None
        self.attention = torch.stack([n.attention.weight for n in networks]).transpose(1, 2)  # [K, in, out]

    def run(self, x: Tensor, party: Tensor, active: list[int], training: bool) -> Tensor:
        """The emotion states ``[K, N, D]`` of ``x`` ``[K, N, dim]``, spoken by ``party`` ``[K, N]``."""
        parties = torch.cat(list(self._speakers(x, party, active, training)), 1)  # [K, N, D]
        state = x.new_zeros(len(x), active[0], self.kind.width)  # [K, R, D]
        states = []
        for given in torch.split(self.to_emotion.ahead(parties), active, 1):
            state = self._drop(self.to_emotion.step(given, state[:, : given.shape[1]]), training)  # [K, R, D]
            states.append(state)
        return torch.cat(states, 1)  # [K, N, D]

    def _speakers(self, x: Tensor, party: Tensor, active: list[int], training: bool) -> Iterator[Tensor]:
        """The speaker's state ``[K, R, D]`` after each step."""
        state = x.new_zeros(len(x), active[0], self.kind.width)  # [K, R, D], global
        parties = state.unsqueeze(2).repeat(1, 1, self.parties, 1)  # [K, R, parties, D]
        memory: _Memory
        if self.kind.attention == "simple":
            memory, query = _RunningMean(self.attention, state), x[..., :0]
        else:
            memory, query = _History(state), x @ self.attention  # [K, N, D]
        ahead = (self.to_global.ahead(x), self.to_party.ahead(x), self._ahead_of_listeners(x), query)
        steps = zip(*(torch.split(part, active, 1) for part in (*ahead, party)), strict=True)
        for to_global, to_party, to_listener, asked, speaker in steps:
            rows = len(speaker[0])
            state, parties = state[:, :rows], parties[:, :rows]
            own = speaker[..., None, None].expand(-1, -1, 1, self.kind.width)  # [K, R, 1, D]
            before = parties.gather(2, own).squeeze(2)  # [K, R, D]
            context = memory.read(asked)  # [K, R, D]
            state = self.to_global.step(torch.baddbmm(to_global, before, self.to_global.inner), state)
            state = self._drop(state, training)  # [K, R, D]
            memory.add(state)
            after = self.to_party.step(torch.baddbmm(to_party, context, self.to_party.inner), before)
            after = self._drop(after, training)  # [K, R, D]
            parties = self._listen(parties, to_listener, after, training)
            parties = parties.scatter(2, own, after.unsqueeze(2))  # [K, R, parties, D]
            yield after

    def _ahead_of_listeners(self, x: Tensor) -> Tensor:
        return x[..., :0] if self.to_listener is None else self.to_listener.ahead(x)

    def _listen(self, parties: Tensor, given: Tensor, heard: Tensor, training: bool) -> Tensor:
        """The listeners' states ``[K, R, parties, D]`` after they heard the speaker ``[K, R, D]``."""
        if self.to_listener is None:
            return parties
        given = torch.baddbmm(given, heard, self.to_listener.inner)  # [K, R, 3D]
        given = given.repeat_interleave(self.parties, 1)  # [K, R * parties, 3D]
        states = self.to_listener.step(given, parties.flatten(1, 2))  # [K, R * parties, D]
        return self._drop(states, training).view_as(parties)  # [K, R, parties, D]

    def _drop(self, state: Tensor, training: bool) -> Tensor:
        return F.dropout(state, self.kind.dropout, training)
