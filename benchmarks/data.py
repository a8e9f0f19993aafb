"""Measure how long it takes to make batches of the conversations of MELD's train split.

    python benchmarks/data.py

The comparisons are copying the same bytes once, and plain PyTorch with a ``DataLoader`` that pads. The three streams
have 2280 numbers per utterance.
"""

from collections import deque

import bench
import plain
import product
import torch

from ercfw.data.collate import batches, collate
from ercfw.data.train_statistics import make_data_info


def main() -> None:
    arguments = bench.parse(bench.make_parser(__doc__, rounds=10))
    job = product.multiemo("cpu", arguments.quick)
    data = product.data_of(job)
    train, size = data.splits["train"], job.recipe.data.batch_size
    padded = plain.load(train, make_data_info(train, data.targets).speakers, size, shuffle=False)
    values = [torch.cat([s.values for s in collate(part).inputs.streams.values()], 1) for part in batches(train, size)]
    megabytes = 1e-6 * sum(x.numel() * x.element_size() for x in values)
    print(f"{len(train)} conversations, {sum(map(len, train))} utterances, {megabytes:.0f} MB, batches of {size}")
    clocks = {
        "ercfw": bench.timed(lambda: deque(map(collate, batches(train, size)), maxlen=0)),
        "plain": bench.timed(lambda: deque(padded, maxlen=0)),
        "copy": bench.timed(lambda: deque(map(torch.clone, values), maxlen=0)),
    }
    seconds = bench.medians(clocks, arguments.rounds)
    bench.print_seconds(seconds, *clocks)
    bench.print_ratio(seconds, "ercfw", "copy")
    bench.print_ratio(seconds, "plain", "ercfw")


if __name__ == "__main__":
    main()
