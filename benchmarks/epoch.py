"""An epoch of MultiEMO at MELD's size: ercfw, the same in plain PyTorch, and the machine's floor.

    python benchmarks/epoch.py

The floor is the time of the multiply-adds that the real utterances need, forwards and backwards, at the rate of
the fastest float32 matrix product found in the same run: of all, and of those that torch's ``@`` makes.
All train from the same weights on the same simulated conversations, each in a process of its own, and take turns;
making the batches and the optimiser's steps are part of an epoch.
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
    said = bench.begin(bench.parser(__doc__, rounds=4))
    bf16 = bench.has_fast_bf16(said.device)
    with TemporaryDirectory() as folder, ExitStack() as stack:
        where = folder, said.device, said.quick
        training, plan = begun(*where)
        transcription = plain.transcribe(training.model, plan.info)
        product.tell(training, plan, transcription)
        made = {"ercfw": (ours, *where), "plain": (theirs, *where)}
        if bf16:
            made["ercfw, bf16"] = (ours, *where, BF16)
        clocks = {name: stack.enter_context(bench.in_its_own_process(*each)) for name, each in made.items()}
        seconds = bench.medians({**bench.product_clocks(said.device), **clocks}, said.rounds)
    sizes = [[len(c) for c in part] for part in batches(plan.watched.train, plan.batch_size)]
    seconds["floor, torch's @"] = floor.training(transcription, sizes) * bench.multiply_add(seconds, bench.TORCH)
    seconds["floor"] = floor.training(transcription, sizes) * bench.multiply_add(seconds)
    bench.print_seconds(seconds, "ercfw", *["ercfw, bf16"] * bf16, "plain", "floor, torch's @", "floor")
    bench.print_ratio(seconds, "ercfw", "floor, torch's @", "at most 1.6")
    bench.print_ratio(seconds, "ercfw", "floor")
    bench.print_ratio(seconds, "plain", "ercfw", "at least 6")
    if bf16:
        bench.print_ratio(seconds, "plain", "ercfw, bf16", "at least 10")


def begun(folder: str, device: str, quick: bool, *settings: str) -> tuple[Training, Plan]:
    """ercfw's training at its start; it saves into the folder."""
    job = product.multiemo(device, quick, *settings)
    return product.begin(job, product.data_of(job), Path(folder))


def ours(folder: str, device: str, quick: bool, *settings: str) -> bench.Clock:
    """Trains one epoch more, by ercfw."""
    return product.epoch_clock(*begun(folder, device, quick, *settings))


def theirs(folder: str, device: str, quick: bool) -> bench.Clock:
    """Trains one epoch more, in plain PyTorch."""
    training, plan = begun(folder, device, quick)
    model = plain.transcribe(training.model, plan.info)
    weights = plain.class_weights(plan.info.targets["emotion"].counts).to(device)
    conversations = plain.load(plan.watched.train, plan.info.speakers, plan.batch_size, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=plan.settings.lr, weight_decay=plan.settings.weight_decay)
    return bench.timed(lambda: plain.train_epoch(model, optimizer, conversations, weights), device)


if __name__ == "__main__":
    main()
