"""DialogueRNN (Majumder et al., AAAI 2019): a global, a party and an emotion state per utterance."""

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from ercfw import Context, DataInfo, Inputs, Rate, Size
from ercfw_basics.blocks.precision import at_least_float32
from ercfw_basics.blocks.products import Linear
from ercfw_basics.dialogue_rnn import plain, side_by_side
from ercfw_basics.dialogue_rnn.network import Kind, Network
from ercfw_basics.dialogue_rnn.order import Order


class DialogueRNN(Context):
    """Recurrent network over the utterances of a conversation, with a state per speaker (Majumder et al., AAAI 2019).

    For utterance i by speaker s, with all states zero at first::

        g_i   = GRU_G([x_i; q_s], g_{i-1})                       global state
        c_i   = sum_j softmax_j(score_j) g_j  over j < i         context, zero for the first utterance
        q_s   = GRU_P([x_i; c_i], q_s)                           party state of the speaker
        q_p   = GRU_L([x_i; q_s], q_p)        for p != s         party states of the others, with ``listener`` only
        e_i   = GRU_E(q_s, e_{i-1})                              emotion state

    The result is e. An utterance without the modality is read as zeros.

    Options:
        width: D, the width of the global and party states.
        emotion_width: width of the emotion states; by default the same as ``width``.
        attention: score_j is ``w . g_j`` (simple) or ``g_j . W x_i`` (general).
        bidirectional: whether a second network reads each conversation from its end; the two results are concatenated.
        listener: whether the states of the other speakers change, too.
        project: whether to apply ReLU to e; if bidirectional, to a linear map of both e back to the width of one.
        dropout: dropout rate on the states that are carried to the next step.
    """

    def __init__(
        self,
        dim: int,
        info: DataInfo,
        *,
        width: Size = 256,
        emotion_width: Size | None = None,
        attention: Literal["simple", "general"] = "simple",
        bidirectional: bool = False,
        listener: bool = False,
        project: bool = False,
        dropout: Rate = 0.0,
    ) -> None:
        super().__init__(dim, info)
        self.causal = not bidirectional
        emotion_width = emotion_width or width
        self.kind = Kind(dim, width, attention, listener, dropout, bidirectional, emotion_width)
        self.directions = nn.ModuleList(Network(self.kind) for _ in range(1 + bidirectional))
        both = emotion_width * len(self.directions)
        self.out_dim = emotion_width if project else both
        self.project = _projection(both, emotion_width) if project else nn.Identity()

    def forward(self, x: Tensor, inputs: Inputs) -> Tensor:
        """Return the emotion states: ``[N, dim] -> [N, out_dim]``."""
        return self.together([self], [x], inputs)[0]

    @staticmethod
    def together(blocks: Sequence["DialogueRNN"], xs: Sequence[Tensor], inputs: Inputs) -> list[Tensor]:
        """Run the blocks of several modalities in one loop over time: ``[N, dim]`` each -> ``[N, out_dim]`` each.

        Blocks with different options run one after another.
        """
        if len({block.kind for block in blocks}) > 1:
            return [block(x, inputs) for block, x in zip(blocks, xs, strict=True)]
        kind = blocks[0].kind
        ways = (False, True)[: 1 + kind.bidirectional]
        networks = [cast(Network, network) for block in blocks for network in block.directions]
        order = Order.of(inputs.layout, ways * len(blocks))
        dropout = kind.dropout if blocks[0].training else 0.0
        x = torch.stack([x for x in xs for _ in ways], 1)  # [N, K, dim]
        x = at_least_float32(x)  # recurrent states need the precision
        if kind.listener:
            emotion = plain.run_all(networks, x, inputs, order, dropout)  # [N, K, E]
        else:
            emotion = side_by_side.run(networks, x, order, dropout)  # [N, K, E]
        joined = [part.flatten(1) for part in torch.split(emotion, len(ways), 1)]  # [N, E * ways] each
        return [block.project(e) for block, e in zip(blocks, joined, strict=True)]  # [N, out_dim] each


def _projection(both: int, width: int) -> nn.Module:
    return nn.ReLU() if both == width else nn.Sequential(Linear(both, width), nn.ReLU())
