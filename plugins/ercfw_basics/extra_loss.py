"""A loss for the penalty of a part: the mean of an extra."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from ercfw import DataInfo, InputError, Loss, Outputs, Widths, did_you_mean


class ExtraLoss(Loss):
    """Mean of a part's own penalty over the utterances of the batch, labelled or not.

    A fusion, context or head, or a whole model, may return extras. One of the shape ``[N]`` may be a penalty, such as
    the divergence of a variational bottleneck or the balance of a router. The recipe then gives it a weight.

    Options:
        name: the extra, named after its part's table: ``fusion.kl``, ``context.text.kl``, ``head.emotion.kl``.

    Raises:
        InputError: the model returns no such extra, or the extra has not one number per utterance.
    """

    serves = ("classes", "regression", "multilabel", "soft-classes", "soft-multilabel")

    def __init__(
        self, target: str, info: DataInfo, widths: Widths, *, name: Annotated[str, Field(min_length=1)]
    ) -> None:
        super().__init__(target, info)
        if name not in widths.extras:
            hint = did_you_mean(name, widths.extras) if widths.extras else "use a part that returns extras"
            raise InputError.at("name", f"the model returns no extra '{name}'", hint)
        if widths.extras[name] != ():
            shape = ", ".join(["N", *map(str, widths.extras[name])])
            raise InputError.at(
                "name", f"extra '{name}' has shape [{shape}]", "a penalty is one number per utterance: [N]"
            )
        self.name = name
        self.requires = (name,)

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``."""
        return outputs.extras[self.name].mean()  # []
