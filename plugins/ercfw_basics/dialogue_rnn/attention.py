"""Attention over the global states so far, with a hand-written backward pass."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Attention(Protocol):
    """The attention from which a scan of K networks reads its contexts, step by step.

    Attributes:
        contexts: ``[N, K, D]``, the context read at each place; zero at the first step.
    """

    contexts: Tensor

    def read(self, step: int) -> Tensor:
        """Return the context ``[R, K, D]`` of a step after the first."""

    def add(self, step: int, state: Tensor) -> None:
        """Add the global state ``[R, K, D]`` that a step ends with."""

    def backward(self) -> "AttentionBackward":
        """Return the backward pass, which starts at the last step."""


class AttentionBackward(Protocol):
    """The backward pass of an attention, from the last step to the first; call ``add`` for a step before ``read``."""

    def add(self, step: int, change: Tensor) -> None:
        """Add the gradient from later contexts to ``change`` ``[R, K, D]``, the gradient of the step's global state."""

    def read(self, step: int, change: Tensor) -> None:
        """Take in ``change`` ``[R, K, D]``, the gradient of the step's context."""

    def query(self) -> Tensor:
        """Return the gradient of the query; call it once the first step is done."""


class RunningMean:
    """Simple attention. The scores never change, so each step updates the weighted mean in constant time.

    Args:
        query: ``[1, K, D]``, the weights of the scores.
        states: ``[N, K, D]``, the table of the states that are added; the backward pass reads it.
        sizes: number of places of each step.
    """

    def __init__(self, query: Tensor, states: Tensor, sizes: Sequence[int]) -> None:
        self.query, self.states, self.sizes = query, states, list(sizes)
        self.contexts = torch.zeros_like(states)  # [N, K, D]
        self.shares = states.new_empty(*states.shape[:2], 1)  # [N, K, 1], of each state in the mean it is added to
        self.steps = list(
            zip(torch.split(self.contexts, self.sizes), torch.split(self.shares, self.sizes), strict=True)
        )
        self.log_total = states.new_full((self.sizes[0], states.shape[1], 1), -torch.inf)  # [R, K, 1]

    def read(self, step: int) -> Tensor:
        """Return the context ``[R, K, D]`` of a step after the first."""
        return self.steps[step][0]

    def add(self, step: int, state: Tensor) -> None:
        """Add the global state ``[R, K, D]`` that a step ends with."""
        context, share = self.steps[step]
        score = (state * self.query).sum(-1, keepdim=True)  # [R, K, 1]
        self.log_total = torch.logaddexp(self.log_total[: len(score)], score)  # [R, K, 1]
        torch.exp(score.sub_(self.log_total), out=share)
        for following, _ in self.steps[step + 1 : step + 2]:
            rows = slice(len(following))
            torch.lerp(context[rows], state[rows], share[rows], out=following)

    def backward(self) -> "_RunningMeanBackward":
        """Return the backward pass, which starts at the last step."""
        return _RunningMeanBackward(self)


class _RunningMeanBackward:
    def __init__(self, forward: RunningMean) -> None:
        self.forward = forward
        self.mean = torch.zeros_like(forward.states[: forward.sizes[0]])  # [R, K, D], gradient of the mean
        self.log_total = torch.zeros_like(self.mean[..., :1])  # [R, K, 1], gradient of the log total
        self.score = torch.empty_like(forward.shares)  # [N, K, 1]
        columns = (forward.states - forward.contexts, forward.shares, self.score)
        self.steps = list(zip(*(torch.split(column, forward.sizes) for column in columns), strict=True))

    def add(self, step: int, change: Tensor) -> None:
        towards, share, score = self.steps[step]
        mean, log_total = self.mean[: len(change)], self.log_total[: len(change)]
        by_share = (mean * towards).sum(-1, keepdim=True).mul_(share)  # [R, K, 1], multiplied by the share
        torch.addcmul(by_share, log_total - by_share, share, out=score)
        log_total.sub_(score)
        change.addcmul_(mean, share).addcmul_(score, self.forward.query)
        mean.addcmul_(mean, share, value=-1)

    def read(self, step: int, change: Tensor) -> None:
        self.mean[: len(change)] += change

    def query(self) -> Tensor:
        return (self.score * self.forward.states).sum(0, keepdim=True)  # [1, K, D]


class History:
    """General attention. The scores depend on the utterance, so each step reads all earlier states again.

    Args:
        query: ``[N, K, D]``, what the states are compared with.
        states: ``[N, K, D]``, a tensor with the shape, dtype and device of the states that are added.
        sizes: number of places of each step.
    """

    def __init__(self, query: Tensor, states: Tensor, sizes: Sequence[int]) -> None:
        self.sizes = list(sizes)
        self.past = states.new_empty(sizes[0], len(sizes), *states.shape[1:])  # [R, U, K, D]
        self.contexts = torch.zeros_like(states)  # [N, K, D]
        self.queries = torch.split(query.unsqueeze(1), self.sizes)  # [R, 1, K, D] each
        self.steps = torch.split(self.contexts, self.sizes)

    def look_back(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the states before a step ``[R, step, K, D]``, and their weights in its context ``[R, step, K, 1]``."""
        past = self.past[: self.sizes[step], :step]
        return past, (past * self.queries[step]).sum(-1, keepdim=True).softmax(1)

    def read(self, step: int) -> Tensor:
        """Return the context ``[R, K, D]`` of a step after the first."""
        past, shares = self.look_back(step)
        return torch.sum(past * shares, 1, out=self.steps[step])

    def add(self, step: int, state: Tensor) -> None:
        """Add the global state ``[R, K, D]`` that a step ends with."""
        self.past[: len(state), step] = state

    def backward(self) -> "_HistoryBackward":
        """Return the backward pass, which starts at the last step."""
        return _HistoryBackward(self)


class _HistoryBackward:
    def __init__(self, forward: History) -> None:
        self.forward = forward
        self.past = torch.zeros_like(forward.past)  # [R, U, K, D]
        self.by_query = torch.zeros_like(forward.contexts)  # [N, K, D]
        self.steps = torch.split(self.by_query, forward.sizes)

    def add(self, step: int, change: Tensor) -> None:
        change += self.past[: len(change), step]

    def read(self, step: int, change: Tensor) -> None:
        past, shares = self.forward.look_back(step)
        change = change.unsqueeze(1)  # [R, 1, K, D]
        by_share = (past * change).sum(-1, keepdim=True)  # [R, step, K, 1]
        score = shares * (by_share - (shares * by_share).sum(1, keepdim=True))  # [R, step, K, 1]
        self.past[: len(change), :step].addcmul_(shares, change).addcmul_(score, self.forward.queries[step])
        torch.sum(past * score, 1, out=self.steps[step])

    def query(self) -> Tensor:
        return self.by_query
