"""Measure how time and memory grow with conversations, their length, classes and modalities.

    python benchmarks/growth.py
    python benchmarks/growth.py --plot growth.png

Each point is measured in its own process. The process reads a table with memory-mapped feature files, and trains
``multiemo_meld`` on it. Time is that of the second epoch. Memory is the peak beyond the libraries, without pages of
mapped files. The benchmark runs only on Linux, because it reads /proc. It writes about 3 GB to the folder for
temporary files.
"""

import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import bench
import memory
import numpy as np
import product

from ercfw.registry.catalog import load_catalog
from ercfw.system.writable import PICTURES
from ercfw_datasets.shapes import MELD

MODALITIES = ("text", "audio", "visual", "pose", "gaze", "pulse")
ROWS = 2000
"""Utterances per batch when the length of conversations grows."""


@dataclass(frozen=True)
class Corpus:
    """A corpus to write: conversations of these lengths, and vectors of one width for each modality."""

    lengths: Sequence[int]
    classes: int = 7
    modalities: int = 3
    width: int = 512
    batch_size: int = 100


@dataclass(frozen=True)
class Cost:
    """The cost of one point, in seconds and bytes."""

    loading: float
    epoch: float
    memory: int
    features: int


def axes(quick: bool) -> dict[str, dict[int, Corpus]]:
    """Return the corpus at each size of each quantity that grows; all but the first have 8000 utterances."""
    if quick:
        return {"conversations": {n: Corpus([5] * n, modalities=1, width=8) for n in (10, 40)}}
    meld = np.repeat(list(MELD.lengths), list(MELD.lengths.values())).tolist()
    return {
        "conversations": {len(meld) * n: Corpus(meld * n, modalities=1, width=768) for n in (1, 10, 100)},
        "utterances of a conversation": {
            n: Corpus([n] * (8000 // n), batch_size=ROWS // n) for n in (10, 50, 200, 500, 1000, 2000)
        },
        "classes": {n: Corpus([10] * 800, classes=n) for n in (2, 10, 100, 1000)},
        "modalities": {n: Corpus([10] * 800, modalities=n) for n in range(1, 7)},
    }


def main() -> None:
    parser = bench.make_parser(__doc__, rounds=None)
    parser.add_argument("--plot", type=Path, help="a .png, .svg or .pdf file for the picture")
    arguments = bench.parse(parser)
    if arguments.plot is not None and arguments.plot.suffix.lower() not in PICTURES:
        parser.error(f"--plot {arguments.plot}: end it with {', '.join(PICTURES)}")
    load_catalog()  # in this process, so that no child imports the plugins again
    found: dict[str, dict[int, Cost]] = {}
    for axis, corpora in axes(arguments.quick).items():
        print(f"{axis:>28}{'utterances':>12}{'features':>11}{'loading':>10}{'an epoch':>10}{'memory':>11}")
        found[axis] = {}
        for size, corpus in corpora.items():
            cost = found[axis][size] = measure(corpus, arguments.device)
            features, peak = (f"{n / 2**20:7.0f} MiB" for n in (cost.features, cost.memory))
            print(f"{size:28}{sum(corpus.lengths):12}{features}{cost.loading:8.2f} s{cost.epoch:8.2f} s{peak}")
        least, *_, most = corpora
        for what in ("epoch", "memory"):
            values = {f"{what} at {size}": getattr(cost, what) for size, cost in found[axis].items()}
            bench.print_ratio(values, f"{what} at {most}", f"{what} at {least}")
    if arguments.plot is not None:
        draw(found, arguments.plot)


def measure(corpus: Corpus, device: str) -> Cost:
    """Write a corpus and train on it in a new process; return the cost."""
    with TemporaryDirectory() as folder:
        write(corpus, Path(folder))
        loading, epoch, peak = memory.in_child(train, corpus, Path(folder), device)
        return Cost(loading, epoch, peak, sum(path.stat().st_size for path in Path(folder).glob("*.npy")))


def write(corpus: Corpus, folder: Path) -> None:
    """Write a table and one feature file per modality.

    The last two conversations have one utterance each: they are dev and test.
    """
    rng = np.random.default_rng(0)
    lengths = [*corpus.lengths, 1, 1]
    splits = ["train"] * len(corpus.lengths) + ["dev", "test"]
    labels = iter(rng.permutation(np.arange(sum(lengths)) % corpus.classes))
    with (folder / "utterances.csv").open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["conversation", "utterance", "speaker", "label", "split"])
        for number, (length, split) in enumerate(zip(lengths, splits, strict=True)):
            lines.writerows([number, n, f"speaker {n % 3}", f"class {next(labels)}", split] for n in range(length))
    some = rng.standard_normal((1000, corpus.width), dtype=np.float32)
    for modality in MODALITIES[: corpus.modalities]:
        values = np.lib.format.open_memmap(folder / f"{modality}.npy", "w+", np.float32, (sum(lengths), corpus.width))
        for start in range(0, len(values), len(some)):
            values[start : start + len(some)] = some[: len(values) - start]


def train(corpus: Corpus, folder: Path, device: str) -> tuple[float, float, int]:
    """Return the seconds of loading and of the second epoch, and the peak bytes."""
    modalities = MODALITIES[: corpus.modalities]
    listed = ", ".join(f'"{modality}"' for modality in modalities)
    settings = [f"data.root={folder}", f"data.modalities=[{listed}]", f"data.batch_size={corpus.batch_size}"]
    where = ["train.device=cpu"] if device == "cpu" else []
    dropped = [f"context.{modality}" for modality in ("audio", "visual") if modality not in modalities]
    seconds: list[float] = []

    job = product.job_of("multiemo_meld", ["data.use=table", *settings, *where], dropped=dropped)

    def work() -> None:
        began = time.perf_counter()
        data = product.data_of(job)
        seconds.append(time.perf_counter() - began)
        clock = product.epoch_clock(*product.begin_training(job, data, folder))
        clock()
        seconds.append(clock())

    peak = memory.peak(work)
    return seconds[0], seconds[1], peak


def draw(found: Mapping[str, Mapping[int, Cost]], path: Path) -> None:
    """Draw one column per axis: seconds above, memory below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(found), 5), layout="constrained")
    panels = figure.subplots(2, len(found), sharex="col", squeeze=False)
    for (axis, costs), (above, below) in zip(found.items(), panels.T, strict=True):
        above.plot(costs.keys(), [cost.epoch for cost in costs.values()], "o-", label="an epoch")
        below.plot(costs.keys(), [cost.memory / 2**20 for cost in costs.values()], "o-", label="peak of the process")
        if axis == "conversations":
            above.plot(costs.keys(), [cost.loading for cost in costs.values()], "s--", label="loading")
            below.plot(costs.keys(), [cost.features / 2**20 for cost in costs.values()], "s--", label="feature file")
        for panel in (above, below):
            panel.set_xscale("linear" if axis == "modalities" else "log")
            panel.grid(alpha=0.3)
            if axis == "conversations":
                panel.set_yscale("log")
                panel.legend(fontsize="small")
            else:
                panel.set_ylim(0, 1.1 * panel.get_ylim()[1])
        below.set_xticks(list(costs), [str(size) for size in costs], fontsize="small")
        below.minorticks_off()
        below.set_xlabel(axis)
    panels[0, 0].set_ylabel("seconds")
    panels[1, 0].set_ylabel("MiB")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
