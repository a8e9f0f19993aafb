"""IterativeERC (Lu et al., COLING 2020): predicts emotions several times, each time from the previous prediction."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ercfw import DataInfo, Head, HeadOutput, Inputs, Rate, Size
from ercfw_basics import GRUContext


class IterativeHead(Head):
    """A first prediction, refined K times by one network that reads the previous prediction.

    With x the vector of an utterance::

        p_0 = softmax(V_0 drop(GRU_0(x)))
        e_k = E^T p_(k-1)                            the emotion vectors, weighted by the previous prediction
        p_k = softmax(V drop(GRU([x; e_k])))         for k = 1 .. K, with the same weights

    The code of the paper was not released. The abstract and notes on the paper confirm the emotion embedding, the
    bidirectional GRU over utterance vectors and embedded emotions, the classifier, the feedback of predicted
    (never true) labels, and a loss over the iterations. The following are our choices: K, a separate GRU for the first
    prediction, what is fed back, the widths, and the equal weight of all iterations in ``auxiliary-cross-entropy``.

    The logits of all predictions but the last are the auxiliary logits, in the order of the iterations.

    Options:
        iterations: K; 0 keeps the first prediction only.
        width: width of each GRU, both directions together; the embedding is the GRU's state in the last iteration.
        emotion_width: width of an emotion vector in E.
        feedback: ``soft`` feeds the probabilities back and lets gradients through; ``detached`` feeds the
            probabilities back without gradients; ``argmax`` feeds back the likeliest class as a one-hot vector.
        dropout: rate on x and on the states of the GRUs.
    """

    def __init__(
        self,
        dim: int,
        target: str,
        info: DataInfo,
        *,
        iterations: Annotated[int, Field(ge=0)] = 3,
        width: Size = 200,
        emotion_width: Size = 100,
        feedback: Literal["soft", "detached", "argmax"] = "detached",
        dropout: Rate = 0.3,
    ) -> None:
        super().__init__(dim, target, info)
        classes = len(info.targets[target].classes)
        self.iterations = iterations
        self.feedback = feedback
        self.dropout = nn.Dropout(dropout)
        self.first = GRUContext(dim, info, width=width)
        self.answer_first = nn.Linear(width, classes)
        if iterations:
            self.emotions = nn.Linear(classes, emotion_width, bias=False)
            self.again = GRUContext(dim + emotion_width, info, width=width)
            self.answer = nn.Linear(width, classes)

    def forward(self, x: Tensor, inputs: Inputs) -> HeadOutput:
        """Return logits ``[N, C]``, embedding ``[N, width]`` and auxiliary logits ``[N, K, C]`` for ``[N, D]``.

        With K = 0 there are no auxiliary logits (None).
        """
        x = self.dropout(x)  # [N, D]
        states = self.dropout(self.first(x, inputs))  # [N, width]
        answers = [self.answer_first(states)]  # [N, C] each
        for _ in range(self.iterations):
            heard = self.emotions(self._fed_back(answers[-1]))  # [N, emotion_width]
            states = self.dropout(self.again(torch.cat([x, heard], -1), inputs))  # [N, width]
            answers.append(self.answer(states))
        return HeadOutput(answers[-1], states, torch.stack(answers[:-1], 1) if self.iterations else None)

    def _fed_back(self, logits: Tensor) -> Tensor:
        """Return what the next iteration reads of the previous prediction, ``[N, C]``."""
        probabilities = logits.softmax(-1)  # [N, C]
        if self.feedback == "soft":
            return probabilities
        if self.feedback == "detached":
            return probabilities.detach()
        return nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).to(probabilities.dtype)  # [N, C]
