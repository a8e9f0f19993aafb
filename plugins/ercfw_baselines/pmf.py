"""Adapters with which UniMSE feeds sound and picture into the layers of a text network (Hu et al., EMNLP 2022)."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ercfw import DataInfo, InputError, Inputs, Loss, ModalitySpec, Outputs
from ercfw_basics import at_least_float32

COMPARED = 30
"""Width of the space in which text, sound and picture are compared."""
LOWEST = torch.finfo(torch.float32).min


def text_of(info: DataInfo) -> str:
    """Return the name of the only modality of tokens.

    Raises:
        InputError: there is none, or there are several.
    """
    found = [name for name, spec in info.modalities.items() if spec.kind == "tokens"]
    if len(found) != 1:
        kinds = ", ".join(f"{name} ({spec.kind})" for name, spec in info.modalities.items())
        hint = 'choose an extractor of tokens for one of them, such as [features.text] use = "words"'
        raise InputError.at("use", f"needs exactly one modality of tokens, but has {kinds}", hint)
    return found[0]


def mean_of(hidden: Tensor, real: Tensor) -> Tensor:
    """Return the mean over the real tokens, ``[N, T, D], [N, T] -> [N, D]``; zero where there are none."""
    weight = real.unsqueeze(-1).to(hidden.dtype)  # [N, T, 1]
    return (hidden * weight).sum(1) / weight.sum(1).clamp_min(1)  # [N, D]


class Summary(nn.Module):
    """A summary of a modality's frames: a linear map of the last state of an LSTM; a single vector is one frame."""

    def __init__(self, spec: ModalitySpec, width: int, dropout: float) -> None:
        super().__init__()
        self.read = nn.LSTM(spec.dim, width, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, width)

    def forward(self, values: Tensor, frames: Tensor | None) -> Tensor:
        """Return the summary ``[N, width]`` of vectors ``[N, D]``, or of ``[N, T, D]`` whose real frames are marked."""
        states, _ = self.read(values.unsqueeze(1) if frames is None else values)  # [N, T, width]
        last = 0 if frames is None else frames.sum(-1).clamp_min(1) - 1  # [N]
        rows = torch.arange(len(states), device=states.device)  # [N]
        result: Tensor = self.linear(self.dropout(states[rows, last]))  # [N, width]
        return result


class Others(nn.Module):
    """The summaries of the modalities other than text; zeros where a modality is absent.

    Attributes:
        widths: the width of each summary, by modality.
        out_dim: the width of all summaries together.
    """

    def __init__(self, info: DataInfo, text: str, width: int, dropout: float) -> None:
        super().__init__()
        specs = {name: spec for name, spec in info.modalities.items() if name != text}
        self.summaries = nn.ModuleDict({name: Summary(spec, width, dropout) for name, spec in specs.items()})
        self.widths = dict.fromkeys(specs, width)
        self.out_dim = sum(self.widths.values())

    def forward(self, inputs: Inputs) -> dict[str, Tensor]:
        """Return the summaries ``{m: [N, width]}``."""
        found = {}
        for name, summary in self.summaries.items():
            stream = inputs.streams[name]
            found[name] = summary(stream.values, stream.frames) * stream.present.unsqueeze(-1)
        return found


class PMF(nn.Module):
    """UniMSE's adapter after a layer (Hu et al., EMNLP 2022), as released; its output replaces that of the layer.

    ::

        y = U (z + W sigmoid(V z + b) + c) + d         z = [h; summaries of the other modalities]

    V and W form a bottleneck, which starts near zero. U starts at random, as a linear layer does. There is no path
    around U, so an adapter changes a pretrained network from the first step.
    """

    def __init__(self, width: int, others: int, bottleneck: int) -> None:
        super().__init__()
        both = width + others
        self.down, self.up = nn.Linear(both, bottleneck), nn.Linear(bottleneck, both)
        self.out = nn.Linear(both, width)
        for layer in (self.down, self.up):
            nn.init.normal_(layer.weight, std=1e-3)
            nn.init.zeros_(layer.bias)

    def forward(self, hidden: Tensor, others: Tensor) -> Tensor:
        """Return the adapted states: hidden ``[N, T, D]``, others ``[N, E]`` -> ``[N, T, D]``."""
        z = torch.cat([hidden, others.unsqueeze(1).expand(-1, hidden.shape[1], -1)], -1)  # [N, T, D + E]
        adapted: Tensor = self.out(z + self.up(self.down(z).sigmoid()))  # [N, T, D]
        return adapted


class Compared(nn.Module):
    """Linear maps of text, sound and picture into one space, for a contrastive loss."""

    def __init__(self, widths: dict[str, int]) -> None:
        super().__init__()
        self.maps = nn.ModuleDict({name: nn.Linear(width, COMPARED) for name, width in widths.items()})

    def forward(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the modalities in the common space: ``{m: [N, D_m]} -> {m: [N, 30]}``."""
        return {name: part(found[name]) for name, part in self.maps.items()}


class InfoNCE(Loss):
    """A contrastive loss that draws together the views of the same utterance (van den Oord et al., 2018).

    For the first view a and each other view b, over the n rows that have both::

        -1/n sum_i log softmax_j(cos(a_i, b_j) / temperature)_i

    The loss is the sum over all b. UniMSE contrasts text with sound and with picture in this way (Hu et al., 2022).
    Labels are not read.

    Options:
        temperature: temperature of the softmax.
    """

    requires = ("views",)

    def __init__(self, target: str, info: DataInfo, *, temperature: Annotated[float, Field(gt=0)] = 0.1) -> None:
        super().__init__(target, info)
        self.temperature = temperature

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 where no row has two views."""
        (first, anchor), *others = outputs.views.items()
        total = anchor.sum() * 0.0  # []
        for name, view in others:
            here = outputs.present[first] & outputs.present[name]  # [N]
            a, b = (F.normalize(at_least_float32(x), dim=-1) for x in (anchor, view))  # [N, D] each
            alike = (a @ b.T / self.temperature).masked_fill(~here, LOWEST)  # [N, N]
            own = alike.log_softmax(-1).diagonal()  # [N]
            total = total - (own * here).sum() / here.sum().clamp(min=1)
        return total
