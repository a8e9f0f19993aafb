"""Measure inference: MultiEMO's predictions for as many conversations as MELD's dev and test splits have.

    python benchmarks/inference.py

The benchmark compares ercfw's ``predict``, plain PyTorch with the same weights, and the floor of the machine. The
times include making the batches and computing the loss.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import bench
import floor
import plain
import product
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from ercfw.model.losses import WeightedLosses
from ercfw.training.evaluate import predict


def main() -> None:
    arguments = bench.parse(bench.make_parser(__doc__, rounds=6))
    job = product.multiemo(arguments.device, arguments.quick)
    data = product.data_of(job)
    with TemporaryDirectory() as folder:
        training, plan = product.begin_training(job, data, Path(folder))
    conversations = [*data.splits["dev"], *data.splits["test"]]
    lengths = [len(c) for c in conversations]
    transcription = plain.transcribe(training.model, plan.info)
    difference = product.largest_difference(training.model, transcription, conversations)
    print(f"{len(lengths)} conversations, {sum(lengths)} utterances; largest difference of the logits {difference:.1e}")
    # Cross-entropy alone: SWFC in plain PyTorch would take longer than the network.
    losses = WeightedLosses({"cross-entropy": training.losses.losses["cross-entropy"]}, {"cross-entropy": 1.0})
    padded = plain.load(conversations, plan.info.speakers, plan.batch_size, shuffle=False)
    work = {
        "ercfw": lambda: predict(
            training.accelerator, training.model, losses, plan.info, conversations, plan.batch_size
        ),
        "plain": lambda: plain_predict(transcription, padded, arguments.device),
    }
    clocks = {name: bench.timed(each, arguments.device) for name, each in work.items()}
    seconds = bench.medians({**bench.product_clocks(arguments.device), **clocks}, arguments.rounds)
    seconds["floor"] = floor.inference(transcription, lengths) * bench.multiply_add(seconds)
    bench.print_seconds(seconds, "ercfw", "plain", "floor")
    print(f"  ercfw: {sum(lengths) / seconds['ercfw']:.0f} utterances per second")
    bench.print_ratio(seconds, "ercfw", "floor")
    bench.print_ratio(seconds, "plain", "ercfw")


@torch.no_grad()
def plain_predict(model: plain.MultiEMO, batches: DataLoader, device: str) -> tuple[torch.Tensor, float]:
    """Return the probabilities ``[N, C]`` and the summed loss."""
    model.eval()
    probabilities, total = [], 0.0
    for batch in batches:
        logits, _, _ = model(batch.to(device))
        total += F.cross_entropy(logits, batch.labels[batch.real].to(device), reduction="sum").item()
        probabilities.append(logits.softmax(-1).cpu())
    return torch.cat(probabilities), total


if __name__ == "__main__":
    main()
