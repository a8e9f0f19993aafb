"""Count how often two sets of seeds of one recipe differ significantly: rarely, if the test is correct.

    ercfw run mosi --variant "linear classifier" --seeds 100 --out many
    python benchmarks/no_difference.py many/mosi/linear-classifier --seeds 5

The benchmark splits the finished runs of a variant into pairs of disjoint sets, and compares each pair as ``ercfw
compare`` does.
"""

import argparse
from pathlib import Path

import numpy as np

from ercfw.results.comparison.confusion_counts import WHOLE
from ercfw.results.comparison.significance import differences
from ercfw.results.finished_run import find_groups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--seeds", type=int, default=5, help="seeds per set")
    parser.add_argument("--score", choices=list(WHOLE), default="weighted-f1")
    arguments = parser.parse_args()
    (group,) = find_groups([arguments.runs])
    target = group.first.metrics.select.partition(".")[0]
    counts = group.counts("test", target)  # [S, K, C, C]
    order = np.random.default_rng(0).permutation(len(counts))
    sets = [
        counts[order[start : start + arguments.seeds]]
        for start in range(0, len(order) - arguments.seeds + 1, arguments.seeds)
    ]
    pairs = list(zip(sets[::2], sets[1::2], strict=False))
    found = [differences(one, [other], WHOLE[arguments.score])[0] for one, other in pairs]
    print(f"{len(counts)} runs, {len(pairs)} pairs of sets of {arguments.seeds} seeds, {arguments.score}:")
    print(f"  p below .05              {sum(each.p < 0.05 for each in found)}")
    print(f"  interval excludes 0      {sum(not each.low <= 0 <= each.high for each in found)}")
    print(f"  both, so significant     {sum(each.is_significant for each in found)}")
    widest = max(abs(each.value) for each in found)
    print(f"  largest difference       {100 * widest:.2f} points")


if __name__ == "__main__":
    main()
