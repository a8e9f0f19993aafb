"""Count false claims in whole tables of methods that are all the same, and true claims where one method is better.

    python benchmarks/no_difference.py --tables 100

    ercfw run mosi --variant "linear classifier" --seeds 200 --out many
    python benchmarks/no_difference.py --runs many/mosi/linear-classifier --tables 100

Without ``--runs``, the tables are SIMULATED: a base and eight other lines in the shape of MELD's or IEMOCAP's test
split, whose predictions depend on the utterance, the seed and chance. A table makes a false claim if any line differs
significantly from the base, or if any score of the column exceeds another one significantly. With ``--runs``, each
line of a table gets other seeds of one real variant.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ercfw.results.comparison.confusion_counts import Array, weighted_f1
from ercfw.results.comparison.significance import MeanScores, draw_conversations, mean_scores, sample_scores
from ercfw.results.finished_run import find_groups

LINES = 9
BETTER = LINES - 1
"""The line that is better than the others where a difference is simulated."""


@dataclass(frozen=True)
class Shape:
    """The shape of a test split.

    Attributes:
        conversations: the number of conversations.
        classes: how often each class is true.
        gains: what raises the score by some 1, 2 and 4 points, in log-odds of a correct prediction.
    """

    conversations: int
    classes: tuple[int, ...]
    gains: tuple[float, ...]


SHAPES = {
    "MELD": Shape(280, (1256, 281, 50, 208, 402, 68, 345), (0.12, 0.23, 0.45)),
    "IEMOCAP": Shape(31, (144, 245, 384, 170, 299, 381), (0.10, 0.19, 0.37)),
}
SEED_EFFECTS = {
    "small": (0.05,) * LINES,
    "large": (0.14,) * LINES,
    "unequal": (0.04,) * 5 + (0.12,) * 4,
    "one unstable": (0.05,) * 4 + (0.5,) + (0.05,) * 4,
}
"""Deviations over seeds of each line's log-odds of a correct prediction."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, help="the folder of a variant with many seeds")
    parser.add_argument("--tables", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5], help="seeds per line")
    arguments = parser.parse_args()
    print(f"{LINES} lines, {arguments.tables} tables each; false claims in tables of equal methods, in per cent")
    for seeds in arguments.seeds:
        if arguments.runs is not None:
            show(f"real runs, {seeds} seeds", list(real_tables(arguments.runs, seeds, arguments.tables)))
            continue
        for shape in SHAPES:
            for effect in SEED_EFFECTS:
                tables = [simulate(shape, seeds, effect, number) for number in range(arguments.tables)]
                show(f"simulated {shape}, {seeds} seeds, {effect} deviation", tables)
    if arguments.runs is None:
        print("\nOne line is better: how often its difference from the base is significant, in per cent")
        for seeds in arguments.seeds:
            for shape in SHAPES:
                for gain in SHAPES[shape].gains:
                    show_power(shape, seeds, gain, arguments.tables)


def show(title: str, tables: list[Array]) -> None:
    """Print the rates of false claims in tables of equal methods, each ``[L, S, K, C, C]``."""
    found = [estimate(table) for table in tables]
    claims = [any(difference.is_significant for difference in each.differences(0)) for each in found]
    told_apart = [len(each.best()) < LINES for each in found]
    excluded = [any(not low <= 0 <= high for low, high in intervals(each)) for each in found]
    print(
        f"  {title} (± {deviation(tables):.2f} points): p below .05 {100 * np.mean(claims):.0f}, "
        f"interval excludes 0 {100 * np.mean(excluded):.0f}, a pair told apart {100 * np.mean(told_apart):.0f}"
    )


def show_power(shape: str, seeds: int, gain: float, tables: int) -> None:
    """Print how often a better line is found."""
    simulated = [simulate(shape, seeds, "small", number, gain) for number in range(tables)]
    found = [estimate(table).differences(0)[BETTER - 1] for table in simulated]
    print(
        f"  simulated {shape}, {seeds} seeds, {100 * np.mean([each.value for each in found]):.1f} points better: "
        f"{100 * np.mean([each.is_significant for each in found]):.0f}"
    )


def estimate(table: Array) -> MeanScores:
    """Return the mean weighted F1 of each line: ``[L, S, K, C, C]``."""
    drawn = draw_conversations(table.shape[2])
    return mean_scores([sample_scores(runs, [weighted_f1], drawn)[0] for runs in table])


def intervals(scores: MeanScores) -> Iterator[tuple[float, float]]:
    """Yield the simultaneous interval of each line's difference from the base."""
    for difference in scores.differences(0):
        yield difference.low, difference.high


def deviation(tables: list[Array]) -> float:
    """Return the mean deviation over seeds, in points."""
    return 100 * float(np.mean([weighted_f1(table.sum(2)).std(1, ddof=1) for table in tables]))


def simulate(shape: str, seeds: int, effect: str, number: int, gain: float = 0.0) -> Array:
    """Return a SIMULATED table, ``[L, S, K, C, C]``; the log-odds of the line ``BETTER`` are higher by ``gain``."""
    rng = np.random.default_rng(number)
    counts = np.array(SHAPES[shape].classes, float)
    size, classes, conversations = int(counts.sum()), len(counts), SHAPES[shape].conversations
    true = rng.permutation(np.repeat(np.arange(classes), SHAPES[shape].classes))  # [N]
    conversation = np.sort(rng.choice(conversations, size, p=rng.dirichlet(np.full(conversations, 3.0))))  # [N]
    difficulty = rng.normal(0, 0.5, conversations)[conversation] + rng.normal(0, 3, size)  # [N]
    prior = 0.9 + 0.5 * np.log(counts / counts.mean())  # [C]
    wrong = (true + rng.integers(1, classes, size)) % classes  # [N]
    table = np.empty((LINES, seeds, conversations, classes, classes))
    for line, spread in enumerate(SEED_EFFECTS[effect]):
        for seed in range(seeds):
            own = rng.normal(0, spread) + rng.normal(0, spread, classes)[true] + gain * (line == BETTER)  # [N]
            correct = rng.random(size) < 1 / (1 + np.exp(-(prior[true] + difficulty + own)))  # [N]
            cells = (conversation * classes + true) * classes + np.where(correct, true, wrong)  # [N]
            table[line, seed] = np.bincount(cells, minlength=table[0, 0].size).reshape(table.shape[2:])
    return table


def real_tables(folder: Path, seeds: int, tables: int) -> Iterator[Array]:
    """Yield tables ``[L, S, K, C, C]`` whose lines have disjoint sets of a variant's runs."""
    (group,) = find_groups([folder])
    counts = group.counts("test", group.first.metrics.select.partition(".")[0])  # [all seeds, K, C, C]
    if len(counts) < LINES * seeds:
        raise SystemExit(f"{folder} has {len(counts)} seeds, and a table needs {LINES * seeds}")
    for number in range(tables):
        drawn = np.random.default_rng(number).permutation(len(counts))[: LINES * seeds]
        yield counts[drawn].reshape(LINES, seeds, *counts.shape[1:])


if __name__ == "__main__":
    main()
