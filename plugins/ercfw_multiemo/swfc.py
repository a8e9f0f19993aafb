"""Sample-Weighted Focal Contrastive loss of MultiEMO (Shi and Huang, ACL 2023), equations 18-19."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ercfw import DataInfo, Loss, Outputs, Size, labelled
from ercfw_basics import at_least_float32, contrast


class SWFC(Loss):
    """A contrastive loss that pulls utterances of one class together, rare classes and hard pairs most strongly.

    Over the n labelled utterances of a batch, with P(i) the other utterances of the class y_i::

        s_ij = softmax over j != i of (z_i . z_j / temperature)                         (18)
        loss = -1/n sum_i weight_{y_i} 1/|P(i)| sum_{j in P(i)} (1 - s_ij)^focus log s_ij  (19)

    where weight_c = (N / N_c)^balance, with N_c the number of training utterances of class c, and N that of all
    classes. An utterance that is alone in its class adds 0, and so does an utterance of a class that the training split
    lacks. The factor 1/n is that of equation 22.

    Options:
        temperature: temperature of the softmax, tau in the paper.
        focus: exponent that favours hard pairs, gamma in the paper; 0 gives the plain supervised contrastive loss.
        balance: exponent of the class weights, alpha in the paper; 0 gives all classes the same weight.
        form: ``paper`` takes z and the weights as they are; ``release``, as in the authors' code, scales each z to
            length 1 and the weights to sum 1.
        normalise: whether to scale each z to length 1; by default as ``form`` says.
        weight_norm: whether to scale the weights to sum 1; by default as ``form`` says.
        block: number of rows whose pairs are held in memory at once; limits the memory and changes no value.
    """

    requires = ("embedding",)

    class_weights: Tensor

    def __init__(
        self,
        target: str,
        info: DataInfo,
        *,
        temperature: Annotated[float, Field(gt=0)] = 1.4,
        focus: Annotated[float, Field(ge=0)] = 2.0,
        balance: Annotated[float, Field(ge=0)] = 1.2,
        form: Literal["paper", "release"] = "release",
        normalise: bool | None = None,
        weight_norm: bool | None = None,
        block: Size = 1024,
    ) -> None:
        super().__init__(target, info)
        self.temperature = temperature
        self.focus = focus
        self.block = block
        released = form == "release"
        self.normalise = released if normalise is None else normalise
        counts = torch.tensor(info.targets[target].counts, dtype=torch.float64)  # [C]
        weights = torch.where(counts > 0, (counts.sum() / counts.clamp(min=1)) ** balance, 0.0)  # [C]
        if released if weight_norm is None else weight_norm:
            weights = F.normalize(weights, p=1.0, dim=0)  # [C]
        self.register_buffer("class_weights", weights.float(), persistent=False)

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 with zero gradients when fewer than two utterances are labelled."""
        y, known = targets[self.target], labelled(targets, self.target)  # [N] each
        z = outputs.heads[self.target].embedding  # [N, E]
        z = at_least_float32(z)  # [N, E]
        if self.normalise:
            z = F.normalize(z, eps=1e-6)  # [N, E]
        weight = self.class_weights[y.clamp(min=0)].to(z.dtype) / known.sum().clamp(min=1)  # [N]
        return contrast(z, y, weight, temperature=self.temperature, focus=self.focus, block=self.block)
