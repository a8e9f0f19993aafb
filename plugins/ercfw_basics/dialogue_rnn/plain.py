"""DialogueRNN as its equations read, by torch's own cells and autograd: what the scan is measured by.

It runs the kinds that the scan leaves out, those with listeners: there every party's state changes at every step.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ercfw import Inputs, Layout
from ercfw_basics.dialogue_rnn.network import Network


def run_all(networks: Sequence[Network], x: Tensor, inputs: Inputs, reverse: Sequence[bool], dropout: float) -> Tensor:
    """Networks one after another, in at least float32: ``[N, K, dim] -> [N, K, D]``."""
    layout = inputs.layout
    active = [sum(size > step for size in layout.sizes) for step in range(max(layout.sizes))]
    emotions = []
    with torch.autocast(x.device.type, enabled=False):
        for network, own, backwards in zip(networks, x.unbind(1), reverse, strict=True):
            order = _time_major(layout, backwards)  # [N]
            emotion = run(network, own[order], inputs.speakers[order], active, layout.speakers, dropout)  # [N, D]
            emotions.append(emotion[order.argsort()])
    return torch.stack(emotions, 1)  # [N, K, D]


def _time_major(layout: Layout, reverse: bool) -> Tensor:
    """``[N]`` rows step after step, the longest conversation first; reversed within its true length."""
    rank = layout.lengths.argsort(descending=True, stable=True).argsort()  # [B]
    last = layout.lengths[layout.conversation] - 1  # [N]
    step = last - layout.position if reverse else layout.position  # [N]
    return (step * len(layout.sizes) + rank[layout.conversation]).argsort()  # [N]


def run(network: Network, x: Tensor, speakers: Tensor, active: Sequence[int], parties: int, dropout: float) -> Tensor:
    """The emotion states ``[N, D]`` of one network.

    Args:
        network: its weights.
        x: ``[N, dim]``, step after step, in a step the longest conversation first.
        speakers: ``[N]`` int64, in the same order.
        active: the R conversations that are still going on at each step.
        parties: P, most speakers of a conversation.
        dropout: rate on the states as they are carried on.
    """
    world = x.new_zeros(active[0], network.kind.width)  # [R, D], the global states
    everyone = world.unsqueeze(1).repeat(1, parties, 1)  # [R, P, D]
    emotion, past, emotions = world, world.unsqueeze(1)[:, :0], []  # past [R, steps, D]
    for now, speaker in zip(torch.split(x, list(active)), torch.split(speakers, list(active)), strict=True):
        world, everyone, emotion, past = (state[: len(now)] for state in (world, everyone, emotion, past))
        own = speaker.view(-1, 1, 1).expand(-1, 1, world.shape[-1])  # [R, 1, D]
        before = everyone.gather(1, own).squeeze(1)  # [R, D]
        context = _attend(network, now, past)  # [R, D]
        world = F.dropout(network.to_global(torch.cat([now, before], -1), world), dropout)  # [R, D]
        party = F.dropout(network.to_party(torch.cat([now, context], -1), before), dropout)  # [R, D]
        if network.to_listener is not None:
            heard = torch.cat([now, party], -1).repeat_interleave(parties, 0)  # [R * P, dim + D]
            everyone = F.dropout(network.to_listener(heard, everyone.flatten(0, 1)), dropout).view_as(everyone)
        everyone = everyone.scatter(1, own, party.unsqueeze(1))  # [R, P, D]
        emotion = F.dropout(network.to_emotion(party, emotion), dropout)  # [R, D]
        past = torch.cat([past, world.unsqueeze(1)], 1)  # [R, steps, D]
        emotions.append(emotion)
    return torch.cat(emotions)  # [N, D]


def _attend(network: Network, now: Tensor, past: Tensor) -> Tensor:
    """The context ``[R, D]`` that ``now`` ``[R, dim]`` finds in the past ``[R, steps, D]``; zero at the first step."""
    weight = network.attention.weight
    query = weight.expand(len(now), -1) if network.kind.attention == "simple" else now @ weight.T  # [R, D]
    shares = (past @ query.unsqueeze(-1)).softmax(1)  # [R, steps, 1]
    return (past * shares).sum(1)
