"""An epoch of MultiEMO at MELD's size: ercfw, the same in plain PyTorch, and the machine's floor.

    python benchmarks/epoch.py

The floor is the time of the multiply-adds that the real utterances need, forwards and backwards, at the rate of
the fastest float32 matrix product found in the same run: of all, and of those that torch's ``@`` makes.
Both train from the same weights on the same simulated conversations; making the batches and the optimiser's steps are
part of an epoch.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import bench
import floor
import plain
import product
import torch

from ercfw.evaluate import batches
from ercfw.training import Plan


def main() -> None:
    said = bench.begin(bench.parser(__doc__, rounds=4))
    job = product.multiemo(said.device, said.quick)
    data = product.data_of(job)
    with TemporaryDirectory() as folder:
        training, plan = product.begin(job, data, Path(folder))
        transcription = plain.transcribe(training.model, plan.info)
        product.tell(training, plan, transcription)
        clocks = bench.product_clocks(said.device)
        clocks["ercfw"] = product.epoch_clock(training, plan)
        clocks["plain"] = plain_clock(transcription, plan, said.device)
        bf16 = bench.has_fast_bf16(said.device)
        if bf16:
            job = product.multiemo(said.device, said.quick, "train.precision=bf16")
            clocks["ercfw, bf16"] = product.epoch_clock(*product.begin(job, data, Path(folder)))
        seconds = bench.medians(clocks, said.rounds)
    sizes = [[len(c) for c in part] for part in batches(plan.watched.train, plan.batch_size)]
    seconds["floor, torch's @"] = floor.training(transcription, sizes) * bench.multiply_add(seconds, bench.TORCH)
    seconds["floor"] = floor.training(transcription, sizes) * bench.multiply_add(seconds)
    bench.print_seconds(seconds, "ercfw", *["ercfw, bf16"] * bf16, "plain", "floor, torch's @", "floor")
    bench.print_ratio(seconds, "ercfw", "floor, torch's @", "at most 1.6")
    bench.print_ratio(seconds, "ercfw", "floor")
    bench.print_ratio(seconds, "plain", "ercfw", "at least 6")
    if bf16:
        bench.print_ratio(seconds, "plain", "ercfw, bf16", "at least 10")


def plain_clock(model: plain.MultiEMO, plan: Plan, device: str) -> bench.Clock:
    """Trains one epoch more."""
    counts = plan.info.targets["emotion"].counts
    weights = plain.class_weights(counts).to(device)
    conversations = plain.load(plan.watched.train, plan.info.speakers, plan.batch_size, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=plan.settings.lr, weight_decay=plan.settings.weight_decay)
    return bench.timed(lambda: plain.train_epoch(model, optimizer, conversations, weights), device)


if __name__ == "__main__":
    main()
