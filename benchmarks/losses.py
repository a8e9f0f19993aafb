"""SWFC and Soft-HGR alone, forwards and backwards, at width 256: ercfw, plain PyTorch, and the machine's floor.

    python benchmarks/losses.py

Plain SWFC is a loop over samples; plain Soft-HGR is ``torch.cov``. Then the memory of SWFC over 20,000 rows.
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
    said = bench.begin(bench.parser(__doc__, rounds=6))
    many = 1000 if said.quick else 20_000
    peak = memory.in_child(swfc_memory, many)  # before torch has threads
    make_accelerator([multiemo(said.device, True).recipe])  # for the libraries that a run takes
    for rows in (60,) if said.quick else (250, 1000, 4000):
        measure(rows, said.device, said.rounds)
    print(f"SWFC, N = {many}: {peak / 2**20:.0f} MiB at most, forwards and backwards")
    bench.print_ratio({"[N, N]": 4 * many**2, "peak": peak}, "[N, N]", "peak")


def measure(rows: int, device: str, rounds: int) -> None:
    """Both losses over a batch of so many rows."""
    losses = made().to(device)
    outputs, targets = batch(rows, device)
    z, views, y = outputs.heads["emotion"].embedding, outputs.views, targets["emotion"]
    weights = plain.class_weights(MELD.counts).to(device)
    leaves = [z, *views.values()]
    work = {
        "SWFC ercfw": backwards(lambda: losses.losses["swfc"](outputs, targets), leaves),
        "SWFC plain": backwards(lambda: plain.swfc(z, y, weights), leaves),
        "Soft-HGR ercfw": backwards(lambda: losses.losses["soft-hgr"](outputs, targets), leaves),
        "Soft-HGR plain": backwards(lambda: plain.soft_hgr(views), leaves),
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


def backwards(loss: Callable[[], Tensor], leaves: Sequence[Tensor]) -> Callable[[], None]:
    """Forwards and backwards."""

    def work() -> None:
        for leaf in leaves:
            leaf.grad = None
        loss().backward()

    return work


def made() -> WeightedLosses:
    """The losses of ``multiemo_meld``, told of MELD's classes."""
    job = multiemo("cpu", True)
    return build_losses(job.recipe, job.catalog, DataInfo({"emotion": TargetSpec(MELD.classes, MELD.counts)}, {}, 9))


def batch(rows: int, device: str) -> tuple[Outputs, Mapping[str, Tensor]]:
    """What the losses read, drawn: classes as often as in MELD."""
    torch.manual_seed(0)
    none = torch.full((rows,), -1, device=device)
    drawn = torch.multinomial(torch.tensor(MELD.counts, dtype=torch.float), rows, replacement=True)
    z, *views = (torch.randn(rows, WIDTH, device=device, requires_grad=True) for _ in range(1 + len(VIEWS)))
    outputs = Outputs(
        heads={"emotion": HeadOutput(logits=torch.zeros(rows, len(MELD.counts), device=device), embedding=z)},
        rows=Rows(none, none, none, none),
        views=dict(zip(VIEWS, views, strict=True)),
        present={name: torch.ones(rows, dtype=torch.bool, device=device) for name in VIEWS},
    )
    return outputs, {"emotion": drawn.to(device)}


def swfc_memory(rows: int) -> int:
    """Bytes that SWFC needs beyond its input and its gradient."""
    losses = made()
    outputs, targets = batch(rows, "cpu")
    return memory.peak(lambda: losses.losses["swfc"](outputs, targets).backward())


if __name__ == "__main__":
    main()
