"""Low-rank adapters (Hu et al., 2022) by the library PEFT."""

from importlib import util
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from ercfw import InputError, Rate, missing_library


class Lora(BaseModel):
    """Settings of low-rank adapters; the table ``lora`` of a language model.

    Attributes:
        rank: the rank r of each adapter.
        alpha: the adapters' output is multiplied by ``alpha / rank``.
        dropout: dropout rate of the adapters' input.
        targets: the ends of the names of the linear layers that are adapted; None = every one of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: Annotated[int, Field(ge=1)] = 8
    alpha: Annotated[int, Field(ge=1)] = 16
    dropout: Rate = 0.0
    targets: Annotated[tuple[str, ...], Field(min_length=1)] | None = None


def add_adapters(network: Any, lora: Lora, frozen_layers: int) -> None:
    """Freeze a network and add adapters to its layers from ``frozen_layers`` on.

    The adapters change nothing until they are trained, since one of the two matrices of each is zero.

    Raises:
        InputError: PEFT is not installed, or no linear layer has one of the names.
    """
    if util.find_spec("peft") is None:
        raise missing_library("peft", "lora")
    from peft import LoraConfig, inject_adapter_in_model

    network.requires_grad_(False)
    adapted = [
        name
        for number, layer in enumerate(network.encoder.layer)
        for name in _linear(layer, f"encoder.layer.{number}")
        if number >= frozen_layers and (lora.targets is None or name.endswith(tuple(f".{end}" for end in lora.targets)))
    ]
    if not adapted:
        known = sorted({name.rsplit(".", 1)[1] for name in _linear(network.encoder.layer[-1], "")})
        raise InputError.at("lora.targets", "names no linear layer of the model", f"known: {', '.join(known)}")
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=adapted)
    inject_adapter_in_model(config, network)


def _linear(layer: nn.Module, prefix: str) -> list[str]:
    return [f"{prefix}.{name}" for name, part in layer.named_modules() if isinstance(part, nn.Linear)]
