"""Train with randomly missing modalities."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ercfw import Callback, DataInfo, InputError, Inputs, Stream, TrainingView, did_you_mean


class ModalityDropout(Callback):
    """Drops modalities of random utterances in training, as if they were missing (Neverova et al., TPAMI 2016).

    Each modality of each utterance is dropped with the same probability, and independently. If an utterance would lose
    all that it has, it keeps the one with the largest random number. Splits are scored with all modalities.

    Options:
        rate: the probability with which a modality of an utterance is dropped.
        streams: those that are dropped; by default all.
    """

    def __init__(
        self,
        info: DataInfo,
        *,
        rate: Annotated[float, Field(gt=0, le=1)] = 0.2,
        streams: tuple[str, ...] = (),
    ) -> None:
        super().__init__(info)
        for name in streams:
            if name not in info.modalities:
                hint = did_you_mean(name, info.modalities)
                raise InputError.at("streams", f"there is no modality '{name}'", hint)
        if len(info.modalities) == 1:
            raise InputError.at("use", "drops nothing: there is only one modality", "use two or more modalities")
        self._rate, self._modalities = rate, streams or tuple(info.modalities)

    def transform(self, inputs: Inputs, view: TrainingView, draw: Callable[[int], Tensor]) -> Inputs:
        """Return the inputs without the dropped modalities."""
        names = list(inputs.streams)
        present = torch.stack([inputs.streams[name].present for name in names], 1)  # [N, M]
        numbers = draw(len(names))  # [N, M]
        chosen = torch.tensor([name in self._modalities for name in names])  # [M]
        kept = present & ~(chosen & (numbers < self._rate))  # [N, M]
        largest = numbers.masked_fill(~present, -1).argmax(1, keepdim=True)  # [N, 1]
        alone = torch.zeros_like(present).scatter(1, largest, True) & present  # [N, M]
        kept = torch.where(kept.any(1, keepdim=True), kept, alone)  # [N, M]
        streams = {
            name: _without(stream, kept[:, number]) for number, (name, stream) in enumerate(inputs.streams.items())
        }
        return replace(inputs, streams=streams)


def _without(stream: Stream, kept: Tensor) -> Stream:
    """Return a stream that is absent where ``kept``, ``[N]``, is false."""
    there = kept.view(-1, *[1] * (stream.values.ndim - 1))  # [N, 1, ...]
    frames = None if stream.frames is None else stream.frames & kept.unsqueeze(1)  # [N, T]
    return Stream(torch.where(there, stream.values, torch.zeros_like(stream.values)), stream.present & kept, frames)
