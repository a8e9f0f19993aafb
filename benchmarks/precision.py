"""Compare the F1 of bfloat16 and float32: train a recipe in both with a few seeds, and score it on test.

python benchmarks/precision.py
python benchmarks/precision.py meld_text --seeds 5 data.root=data/meld
"""

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

import bench
import product
from accelerate.state import AcceleratorState

from ercfw.experiment.run_all import RunOptions, run_jobs
from ercfw.system.terminal import Terminal

PRECISIONS = {"float32": "no", "bfloat16": "bf16"}


def main() -> None:
    parser = bench.make_parser(__doc__, rounds=None)
    parser.add_argument("recipe", nargs="?", default="multiemo_meld", help="a recipe's file or name (multiemo_meld)")
    parser.add_argument("settings", nargs="*", help="such as train.epochs=5")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds (5)")
    arguments = bench.parse(parser)
    small = ["data.use=simulated", f"data.conversations={product.QUICK}", "train.epochs=1"] if arguments.quick else []
    where = ["train.device=cpu"] if arguments.device == "cpu" else []
    means = {}
    for name, precision in PRECISIONS.items():
        scores = f1(
            arguments.recipe, [*small, *where, f"train.precision={precision}", *arguments.settings], arguments.seeds
        )
        means[name] = statistics.mean(scores)
        deviation = f" ± {statistics.stdev(scores):.2f}" if len(scores) > 1 else ""
        print(f"  {name:<12}{means[name]:6.2f}{deviation}   {' '.join(f'{score:.2f}' for score in scores)}")
    bench.print_ratio(means, "bfloat16", "float32")


def f1(recipe: str, settings: list[str], seeds: int) -> list[float]:
    """Return the weighted F1 on test of each seed, in percent."""
    AcceleratorState._reset_state(reset_partial_state=True)  # otherwise Accelerate rejects a second precision
    job = product.job_of(recipe, settings, seeds=range(seeds))
    with TemporaryDirectory() as folder:
        runs = run_jobs([job], RunOptions(Path(folder)), Terminal(quiet=True, silent=True))
    return [100 * run.metrics.scores["test"]["emotion"]["weighted-f1"] for run in runs]


if __name__ == "__main__":
    main()
