"""Measure an epoch of MultiEMO at MELD's size: ercfw, plain PyTorch, and the floor of the machine.

    python benchmarks/epoch.py

The floor is the time of the multiply-adds that the real utterances need in forward and backward pass, at the rate of
the fastest float32 matrix product in the same run. There are two floors: one for all products, one for those of
torch's ``@``. All models start from the same weights and train on the same simulated conversations, in turns, each in
its own process. An epoch includes making the batches and the steps of the optimiser.
"""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import bench
import floor
import plain
import product
import torch

from ercfw.data.collate import batches
from ercfw.training.state import Plan, Training

BF16 = "train.precision=bf16"


def main() -> None:
    arguments = bench.parse(bench.make_parser(__doc__, rounds=4))
    bf16 = bench.has_fast_bf16(arguments.device)
    with TemporaryDirectory() as folder, ExitStack() as stack:
        common = folder, arguments.device, arguments.quick
        training, plan = begin_training(*common)
        transcription = plain.transcribe(training.model, plan.info)
        product.print_sizes(training, plan, transcription)
        works = {"ercfw": (ercfw_epoch, *common), "plain": (plain_epoch, *common)}
        if bf16:
            works["ercfw, bf16"] = (ercfw_epoch, *common, BF16)
        clocks = {name: stack.enter_context(bench.in_own_process(*each)) for name, each in works.items()}
        seconds = bench.medians({**bench.product_clocks(arguments.device), **clocks}, arguments.rounds)
    sizes = [[len(c) for c in part] for part in batches(plan.watched.train, plan.batch_size)]
    seconds["floor, torch's @"] = floor.training(transcription, sizes) * bench.multiply_add(seconds, bench.TORCH)
    seconds["floor"] = floor.training(transcription, sizes) * bench.multiply_add(seconds)
    bench.print_seconds(seconds, "ercfw", *["ercfw, bf16"] * bf16, "plain", "floor, torch's @", "floor")
    bench.print_ratio(seconds, "ercfw", "floor, torch's @", "at most 1.6")
    bench.print_ratio(seconds, "ercfw", "floor")
    bench.print_ratio(seconds, "plain", "ercfw", "at least 6")
    if bf16:
        bench.print_ratio(seconds, "plain", "ercfw, bf16", "at least 10")


def begin_training(folder: str, device: str, quick: bool, *settings: str) -> tuple[Training, Plan]:
    """Return ercfw's training before its first epoch; it writes to the folder."""
    job = product.multiemo(device, quick, *settings)
    return product.begin_training(job, product.data_of(job), Path(folder))


def ercfw_epoch(folder: str, device: str, quick: bool, *settings: str) -> bench.Clock:
    """Return a clock that trains one more epoch with ercfw."""
    return product.epoch_clock(*begin_training(folder, device, quick, *settings))


def plain_epoch(folder: str, device: str, quick: bool) -> bench.Clock:
    """Return a clock that trains one more epoch in plain PyTorch."""
    training, plan = begin_training(folder, device, quick)
    model = plain.transcribe(training.model, plan.info)
    weights = plain.class_weights(plan.info.targets["emotion"].counts).to(device)
    conversations = plain.load(plan.watched.train, plan.info.speakers, plan.batch_size, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=plan.settings.lr, weight_decay=plan.settings.weight_decay)
    return bench.timed(lambda: plain.train_epoch(model, optimizer, conversations, weights), device)


if __name__ == "__main__":
    main()
