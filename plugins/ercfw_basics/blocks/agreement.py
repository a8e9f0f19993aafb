"""The share of annotators who agreed with a label, as the weight of an utterance in a loss."""

from torch import Tensor

from ercfw import DataInfo, HeadOutput, InputError


def check_agreement(by_agreement: bool, target: str, info: DataInfo) -> None:
    """Check that the data tells how many annotators agreed if a loss weights utterances by it.

    Raises:
        InputError: the data does not.
    """
    if by_agreement and not info.targets[target].has_agreement:
        hint = "name its column in [data.targets], or remove by_agreement"
        raise InputError.at("by_agreement", f"the data has no share of annotators who agreed on '{target}'", hint)


def weigh_by_agreement(weights: Tensor, head: HeadOutput, by_agreement: bool) -> Tensor:
    """Return the weights of the rows, ``[N]``, times the share of annotators who agreed if a loss asks for it."""
    if not by_agreement or head.agreement is None:
        return weights
    return weights * head.agreement.to(weights.dtype)  # [N]
