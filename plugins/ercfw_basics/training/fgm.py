"""Adversarial training on vectors and embeddings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ercfw import Callback, DataInfo, InputError, Inputs, TrainingView, did_you_mean


class FGM(Callback):
    """Adds the loss on inputs that are moved in the direction of the gradient (Miyato et al., ICLR 2017).

    The gradient g of the loss with respect to the vectors of an utterance gives ``r = epsilon * g / |g|_2``; the
    training minimises the sum of the losses with and without r. The words of a language model are moved by their
    embeddings: there g is the gradient of the whole matrix. A step takes about twice as long. The losses in the history
    are those without r.

    Options:
        streams: modalities whose vectors or frames are moved.
        parameters: parts of the names of parameters that are moved, such as ``word_embeddings``; they must be trained.
        epsilon: the norm of r. The vectors of an utterance are moved together.
        weight_of_moved: the weight of the loss with r.
    """

    def __init__(
        self,
        info: DataInfo,
        *,
        streams: tuple[str, ...] = (),
        parameters: tuple[str, ...] = (),
        epsilon: Annotated[float, Field(gt=0)] = 1.0,
        weight_of_moved: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        super().__init__(info)
        if not streams and not parameters:
            raise InputError.at("streams", "nothing is moved", "set streams or parameters")
        for name in streams:
            if name not in info.modalities:
                hint = did_you_mean(name, info.modalities)
                raise InputError.at("streams", f"there is no modality '{name}'", hint)
            if info.modalities[name].kind == "tokens":
                what = f"'{name}' consists of tokens, which cannot be moved"
                raise InputError.at("streams", what, 'parameters = ["word_embeddings"]')
        self._modalities, self._names, self._epsilon = streams, parameters, epsilon
        self._weight = weight_of_moved
        self._parameters: list[nn.Parameter] = []

    def start(self, view: TrainingView) -> None:
        """Find the parameters that are moved.

        Raises:
            InputError: no trained parameter has such a name.
        """
        named = {name: p for name, p in view.model.named_parameters() if p.requires_grad}
        for part in self._names:
            if not any(part in name for name in named):
                raise InputError.at("parameters", f"no trained parameter has '{part}' in its name")
        self._parameters = [p for name, p in named.items() if any(part in name for part in self._names)]

    def transform(self, inputs: Inputs, view: TrainingView, draw: Callable[[int], Tensor]) -> Inputs:
        """Return inputs whose vectors get a gradient."""
        streams = {
            name: replace(stream, values=stream.values.detach().clone().requires_grad_())
            if name in self._modalities
            else stream
            for name, stream in inputs.streams.items()
        }
        return replace(inputs, streams=streams)

    def after_backward(self, view: TrainingView, backward: Callable[[], None]) -> None:
        """Add the gradients of the loss with r."""
        vectors = [inputs.streams[name].values for inputs in view.inputs for name in self._modalities]
        if not all(x.is_leaf for x in vectors):
            raise InputError.at("streams", "another callback changes them", "put this callback after that one")
        moves = [(x, _per_utterance(x.grad)) for x in vectors if x.grad is not None]
        moves += [(p, p.grad / p.grad.norm()) for p in self._parameters if p.grad is not None and p.grad.any()]
        if not all(r.isfinite().all() for _, r in moves):  # under fp16, the step is skipped
            return
        trained = view.parameters()
        own = [None if p.grad is None else p.grad.clone() for p in trained]
        view.optimizer.zero_grad()
        with _moved(moves, self._epsilon):
            backward()
        for p, gradient in zip(trained, own, strict=True):
            if p.grad is not None:
                p.grad.mul_(self._weight)
            if gradient is not None:
                p.grad = gradient if p.grad is None else p.grad.add_(gradient)


def _per_utterance(g: Tensor) -> Tensor:
    """Return the gradient of each utterance divided by its norm, 0 where it is 0: ``[N, ...] -> [N, ...]``."""
    norms = g.flatten(1).norm(dim=1).view(-1, *[1] * (g.ndim - 1))  # [N, 1, ...]
    return torch.where(norms > 0, g / norms.clamp(min=torch.finfo(g.dtype).tiny), 0)


@contextmanager
def _moved(moves: list[tuple[Tensor, Tensor]], epsilon: float) -> Iterator[None]:
    before = [x.detach().clone() for x, _ in moves]
    try:
        for x, r in moves:
            x.data.add_(r, alpha=epsilon)
        yield
    finally:
        for (x, _), value in zip(moves, before, strict=True):
            x.data.copy_(value)
