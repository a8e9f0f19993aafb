"""Measure forward and backward pass of DialogueRNN and MultiAttn over a batch of conversations of MELD's lengths.

    python benchmarks/parts.py

The benchmark compares ercfw, plain PyTorch with the same weights, and the floor of the machine. DialogueRNN reads
audio and visual, as in ``multiemo_meld``: ercfw in one loop over time, plain PyTorch in two.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import bench
import floor
import plain
import product
import torch
from torch import Tensor, nn

from ercfw import Inputs
from ercfw.data.collate import collate
from ercfw.model.composed_model import ComposedModel

Part = Callable[[], Sequence[Tensor]]
"""Runs the forward pass and returns one result per modality."""


def main() -> None:
    arguments = bench.parse(bench.make_parser(__doc__, rounds=10))
    job = product.multiemo(arguments.device, arguments.quick)
    with TemporaryDirectory() as folder:
        training, plan = product.begin_training(job, product.data_of(job), Path(folder))
    conversations = plan.watched.train[: plan.batch_size]
    inputs = collate(conversations).inputs.to(arguments.device)
    (padded,) = plain.load(conversations, plan.info.speakers, plan.batch_size, shuffle=False)
    transcription = plain.transcribe(training.model, plan.info)
    torch.manual_seed(0)
    rows = {m: torch.randn(len(inputs.speakers), plain.WIDTH, device=arguments.device) for m in plain.OTHERS}
    padded_rows = {m: inputs.layout.pad(x) for m, x in rows.items()}
    of_ercfw = ercfw_parts(training.accelerator.unwrap_model(training.model), leaves(rows), inputs)
    of_plain = plain_parts(transcription, leaves(padded_rows), padded.to(arguments.device))
    print(f"N = {len(inputs.speakers)}, B = {len(conversations)}, U = {inputs.layout.mask.shape[1]}")

    clocks = bench.product_clocks(arguments.device)
    for name, part in of_ercfw.items():
        difference = max(
            (a - inputs.layout.pack(b)).abs().max().item() for a, b in zip(part(), of_plain[name](), strict=True)
        )
        print(f"{name}: largest difference of the results {difference:.1e}")
        clocks[f"{name} ercfw"] = bench.timed(forward_backward(part, training.model), arguments.device)
        clocks[f"{name} plain"] = bench.timed(forward_backward(of_plain[name], transcription), arguments.device)
    seconds = bench.medians(clocks, arguments.rounds)
    each, lengths = bench.multiply_add(seconds), [len(c) for c in conversations]
    for name, part in {"DialogueRNN": transcription.contexts, "MultiAttn": transcription.fusion}.items():
        seconds[f"{name} floor"] = each * floor.module(part, lengths)
        bench.print_seconds(seconds, f"{name} ercfw", f"{name} plain", f"{name} floor")
        bench.print_ratio(seconds, f"{name} ercfw", f"{name} floor")
        bench.print_ratio(seconds, f"{name} plain", f"{name} ercfw")


def leaves(xs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return copies that collect gradients, as the outputs of the encoders do."""
    return {name: x.clone().requires_grad_() for name, x in xs.items()}


def ercfw_parts(model: ComposedModel, xs: dict[str, Tensor], inputs: Inputs) -> dict[str, Part]:
    """Return the parts of ercfw's model, on packed rows."""
    names = list(model.contexts)
    blocks = [model.contexts[name] for name in names]
    return {
        "DialogueRNN": lambda: blocks[0].together(blocks, [xs[name] for name in names], inputs),
        "MultiAttn": lambda: list(model.fusion(xs, inputs).views.values()),
    }


def plain_parts(model: plain.MultiEMO, xs: dict[str, Tensor], batch: plain.Padded) -> dict[str, Part]:
    """Return the parts of the transcription, on padded conversations."""
    return {
        "DialogueRNN": lambda: [context(xs[name], batch.speakers) for name, context in model.contexts.items()],
        "MultiAttn": lambda: list(model.fusion(xs, batch.real).values()),
    }


def forward_backward(part: Part, model: nn.Module) -> Callable[[], None]:
    """Return a function that runs the forward pass, and the backward pass from the sum of the results."""

    def work() -> None:
        model.zero_grad()
        torch.stack([x.sum() for x in part()]).sum().backward()

    return work


if __name__ == "__main__":
    main()
