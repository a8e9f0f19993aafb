"""Measure forward and backward pass of SWFC and Soft-HGR at width 256: ercfw, plain PyTorch, and the floor.

    python benchmarks/losses.py

Plain SWFC is a loop over samples. Plain Soft-HGR uses ``torch.cov``. The benchmark also measures the memory of SWFC
over 20,000 rows.
"""

from collections.abc import Callable, Mapping, Sequence

import bench
import floor
import memory
import plain
import torch
from product import multiemo
from torch import Tensor

from ercfw import DataInfo, HeadOutput, Outputs
from ercfw.contract.batch import Rows
from ercfw.contract.data_info import TargetSpec
from ercfw.experiment.run_all import make_accelerator
from ercfw.model.losses import WeightedLosses, build_losses
from ercfw_datasets.shapes import MELD

WIDTH = 256
VIEWS = ("text", "audio", "visual")


def main() -> None:
    arguments = bench.parse(bench.make_parser(__doc__, rounds=6))
    most_rows = 1000 if arguments.quick else 20_000
    peak = memory.in_child(swfc_memory, most_rows)  # before torch starts threads
    make_accelerator([multiemo(arguments.device, True).recipe])  # so that torch uses the libraries that a run uses
    for rows in (60,) if arguments.quick else (250, 1000, 4000):
        measure(rows, arguments.device, arguments.rounds)
    print(f"SWFC, N = {most_rows}: {peak / 2**20:.0f} MiB at most, forward and backward pass")
    bench.print_ratio({"[N, N]": 4 * most_rows**2, "peak": peak}, "[N, N]", "peak")


def measure(rows: int, device: str, rounds: int) -> None:
    """Measure both losses over a batch of so many rows."""
    losses = make_losses().to(device)
    outputs, targets = make_batch(rows, device)
    z, views, y = outputs.heads["emotion"].embedding, outputs.views, targets["emotion"]
    weights = plain.class_weights(MELD.counts).to(device)
    leaves = [z, *views.values()]
    work = {
        "SWFC ercfw": forward_backward(lambda: losses.losses["swfc"](outputs, targets), leaves),
        "SWFC plain": forward_backward(lambda: plain.swfc(z, y, weights), leaves),
        "Soft-HGR ercfw": forward_backward(lambda: losses.losses["soft-hgr"](outputs, targets), leaves),
        "Soft-HGR plain": forward_backward(lambda: plain.soft_hgr(views), leaves),
    }
    clocks = {name: bench.timed(each, device) for name, each in work.items()}
    seconds = bench.medians({**bench.product_clocks(device), **clocks}, rounds)
    print(f"N = {rows}")
    each = bench.multiply_add(seconds)
    seconds["SWFC floor"] = each * floor.swfc(rows, WIDTH)
    seconds["Soft-HGR floor"] = each * floor.soft_hgr(rows, WIDTH)
    for loss in ("SWFC", "Soft-HGR"):
        bench.print_seconds(seconds, f"{loss} ercfw", f"{loss} plain", f"{loss} floor")
        aim = "at least 100" if loss == "SWFC" and rows == 1000 else ""
        bench.print_ratio(seconds, f"{loss} plain", f"{loss} ercfw", aim)
        bench.print_ratio(seconds, f"{loss} ercfw", f"{loss} floor")


def forward_backward(loss: Callable[[], Tensor], leaves: Sequence[Tensor]) -> Callable[[], None]:
    """Return a function that runs the forward and backward pass."""

    def work() -> None:
        for leaf in leaves:
            leaf.grad = None
        loss().backward()

    return work


def make_losses() -> WeightedLosses:
    """Return the losses of ``multiemo_meld`` for the classes of MELD."""
    job = multiemo("cpu", True)
    info = DataInfo({"emotion": TargetSpec(MELD.classes, MELD.counts)}, {}, 9)
    return build_losses(job.recipe, job.parts.losses, info)


def make_batch(rows: int, device: str) -> tuple[Outputs, Mapping[str, Tensor]]:
    """Return random inputs of the losses, with the class frequencies of MELD."""
    torch.manual_seed(0)
    unused = torch.full((rows,), -1, device=device)
    labels = torch.multinomial(torch.tensor(MELD.counts, dtype=torch.float), rows, replacement=True)
    z, *views = (torch.randn(rows, WIDTH, device=device, requires_grad=True) for _ in range(1 + len(VIEWS)))
    outputs = Outputs(
        heads={"emotion": HeadOutput(logits=torch.zeros(rows, len(MELD.counts), device=device), embedding=z)},
        rows=Rows(unused, unused, unused, unused),
        views=dict(zip(VIEWS, views, strict=True)),
        present={name: torch.ones(rows, dtype=torch.bool, device=device) for name in VIEWS},
    )
    return outputs, {"emotion": labels.to(device)}


def swfc_memory(rows: int) -> int:
    """Return the bytes that SWFC needs beyond its input and its gradient."""
    losses = make_losses()
    outputs, targets = make_batch(rows, "cpu")
    return memory.peak(lambda: losses.losses["swfc"](outputs, targets).backward())


if __name__ == "__main__":
    main()
