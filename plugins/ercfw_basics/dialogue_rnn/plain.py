"""DialogueRNN as its equations are written, with torch's own cells and autograd: the reference for the scan.

It also runs networks with listeners, which the scan does not support: there the state of every party changes at every
step.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ercfw import Inputs
from ercfw_basics.dialogue_rnn.network import Network
from ercfw_basics.dialogue_rnn.order import Order


def run_all(networks: Sequence[Network], x: Tensor, inputs: Inputs, order: Order, dropout: float) -> Tensor:
    """Return the emotion states of K networks, run one by one in at least float32: ``[N, K, dim] -> [N, K, E]``."""
    emotions = []
    with torch.autocast(x.device.type, enabled=False):
        for k, network in enumerate(networks):
            rows = order.rows[:, k]  # [N]
            own, speakers = x[rows, k], inputs.speakers[rows]  # [N, dim], [N]
            emotion = run(network, own, speakers, order.sizes, inputs.layout.speakers, dropout)  # [N, E]
            emotions.append(emotion[order.places[:, k]])
    return torch.stack(emotions, 1)


def run(network: Network, x: Tensor, speakers: Tensor, sizes: Sequence[int], parties: int, dropout: float) -> Tensor:
    """Return the emotion states ``[N, E]`` of one network.

    Args:
        network: its weights.
        x: ``[N, dim]``, by step and, within a step, longest conversation first.
        speakers: ``[N]`` int64, in the same order.
        sizes: R, the number of conversations that have not ended, for each step.
        parties: P, the largest number of speakers of a conversation.
        dropout: dropout rate on the states that are carried to the next step.
    """
    global_state = x.new_zeros(sizes[0], network.kind.width)  # [R, D], the global states
    party_states = global_state.unsqueeze(1).repeat(1, parties, 1)  # [R, P, D]
    emotion = x.new_zeros(sizes[0], network.kind.emotion_width)  # [R, E]
    past, emotions = global_state.unsqueeze(1)[:, :0], []  # past [R, steps, D]
    for now, speaker in zip(torch.split(x, list(sizes)), torch.split(speakers, list(sizes)), strict=True):
        global_state, party_states, emotion, past = (
            state[: len(now)] for state in (global_state, party_states, emotion, past)
        )
        own = speaker.view(-1, 1, 1).expand(-1, 1, global_state.shape[-1])  # [R, 1, D]
        before = party_states.gather(1, own).squeeze(1)  # [R, D]
        context = _attend(network, now, past)  # [R, D]
        global_state = F.dropout(network.to_global(torch.cat([now, before], -1), global_state), dropout)  # [R, D]
        party = F.dropout(network.to_party(torch.cat([now, context], -1), before), dropout)  # [R, D]
        if network.to_listener is not None:
            heard = torch.cat([now, party], -1)  # [R, dim + D]
            party_states = F.dropout(_listen(network.to_listener, heard, party_states), dropout)  # [R, P, D]
        party_states = party_states.scatter(1, own, party.unsqueeze(1))  # [R, P, D]
        emotion = F.dropout(network.to_emotion(party, emotion), dropout)  # [R, E]
        past = torch.cat([past, global_state.unsqueeze(1)], 1)  # [R, steps, D]
        emotions.append(emotion)
    return torch.cat(emotions)  # [N, E]


def _listen(cell: nn.GRUCell, heard: Tensor, states: Tensor) -> Tensor:
    """Return ``cell`` applied to each of the states ``[R, P, D]``.

    All states share the input ``heard`` ``[R, dim + D]``, so its product is computed once.
    """
    of_input = F.linear(heard, cell.weight_ih, cell.bias_ih).unsqueeze(1)  # [R, 1, 3D]
    of_states = F.linear(states, cell.weight_hh, cell.bias_hh)  # [R, P, 3D]
    width = states.shape[-1]
    given, recurrent = (torch.split(x, [2 * width, width], -1) for x in (of_input, of_states))
    reset, update = (given[0] + recurrent[0]).sigmoid().chunk(2, -1)  # [R, P, D] each
    candidate = (given[1] + reset * recurrent[1]).tanh()  # [R, P, D]
    return torch.lerp(candidate, states, update)


def _attend(network: Network, now: Tensor, past: Tensor) -> Tensor:
    """Return the context ``[R, D]`` of ``now`` ``[R, dim]`` in the past ``[R, steps, D]``; zero at the first step."""
    weight = network.attention.weight
    query = weight.expand(len(now), -1) if network.kind.attention == "simple" else now @ weight.T  # [R, D]
    shares = (past @ query.unsqueeze(-1)).softmax(1)  # [R, steps, 1]
    return (past * shares).sum(1)
