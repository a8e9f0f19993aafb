"""DialogueRNN and MultiAttn alone, forwards and backwards over a batch of MELD's conversations.

    python benchmarks/parts.py

ercfw, plain PyTorch with the same weights, and the machine's floor. DialogueRNN reads audio and visual, as in
``multiemo_meld``: ercfw in one loop over time, plain PyTorch in two.
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
"""Runs forwards; a result a modality."""


def main() -> None:
    said = bench.begin(bench.parser(__doc__, rounds=10))
    job = product.multiemo(said.device, said.quick)
    with TemporaryDirectory() as folder:
        training, plan = product.begin(job, product.data_of(job), Path(folder))
    conversations = plan.watched.train[: plan.batch_size]
    inputs = collate(conversations).inputs.to(said.device)
    (padded,) = plain.load(conversations, plan.info.speakers, plan.batch_size, shuffle=False)
    transcription = plain.transcribe(training.model, plan.info)
    torch.manual_seed(0)
    rows = {m: torch.randn(len(inputs.speakers), plain.WIDTH, device=said.device) for m in plain.OTHERS}
    places = {m: inputs.layout.pad(x) for m, x in rows.items()}
    mine = parts(training.accelerator.unwrap_model(training.model), leaves(rows), inputs)
    theirs = plain_parts(transcription, leaves(places), padded.to(said.device))
    print(f"N = {len(inputs.speakers)}, B = {len(conversations)}, U = {inputs.layout.mask.shape[1]}")

    clocks = bench.product_clocks(said.device)
    for name, part in mine.items():
        apart = max((a - inputs.layout.pack(b)).abs().max().item() for a, b in zip(part(), theirs[name](), strict=True))
        print(f"{name}: largest difference of the results {apart:.1e}")
        clocks[f"{name} ercfw"] = bench.timed(backwards(part, training.model), said.device)
        clocks[f"{name} plain"] = bench.timed(backwards(theirs[name], transcription), said.device)
    seconds = bench.medians(clocks, said.rounds)
    each, lengths = bench.multiply_add(seconds), [len(c) for c in conversations]
    for name, part in {"DialogueRNN": transcription.contexts, "MultiAttn": transcription.fusion}.items():
        seconds[f"{name} floor"] = each * floor.module(part, lengths)
        bench.print_seconds(seconds, f"{name} ercfw", f"{name} plain", f"{name} floor")
        bench.print_ratio(seconds, f"{name} ercfw", f"{name} floor")
        bench.print_ratio(seconds, f"{name} plain", f"{name} ercfw")


def leaves(xs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the encoders would give: the parts' own, so its gradient is wanted."""
    return {name: x.clone().requires_grad_() for name, x in xs.items()}


def parts(model: ComposedModel, xs: dict[str, Tensor], inputs: Inputs) -> dict[str, Part]:
    """ercfw's, on packed rows."""
    names = list(model.contexts)
    blocks = [model.contexts[name] for name in names]
    return {
        "DialogueRNN": lambda: blocks[0].together(blocks, [xs[name] for name in names], inputs),
        "MultiAttn": lambda: list(model.fusion(xs, inputs).views.values()),
    }


def plain_parts(model: plain.MultiEMO, xs: dict[str, Tensor], batch: plain.Padded) -> dict[str, Part]:
    """The transcription's, on padded conversations."""
    return {
        "DialogueRNN": lambda: [context(xs[name], batch.speakers) for name, context in model.contexts.items()],
        "MultiAttn": lambda: list(model.fusion(xs, batch.real).values()),
    }


def backwards(part: Part, model: nn.Module) -> Callable[[], None]:
    """Forwards, and backwards from the sum of the results."""

    def work() -> None:
        model.zero_grad()
        torch.stack([x.sum() for x in part()]).sum().backward()

    return work


if __name__ == "__main__":
    main()
