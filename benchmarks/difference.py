"""How far apart are two variants? The difference of their mean scores over seeds, with a 95 % interval.

    python benchmarks/difference.py runs/mosi/base runs/mosi/text

Resamples test conversations, then each side's seeds, a thousand times; weighted F1 in points. Seeds of
different variants are no pairs, conversations are.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score

TIMES = 1000


def read(folder: Path) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Conversation and label of each test utterance, and every seed's predictions."""
    answers = []
    for path in sorted(folder.glob("seed-*/predictions.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
        answers.append(np.array([row["emotion.predicted"] for row in rows]))
    return np.array([row["conversation"] for row in rows]), np.array([row["emotion"] for row in rows]), answers


def main(one: Path, other: Path) -> None:
    conversation, labels, first = read(one)
    same, same_labels, second = read(other)
    if not (np.array_equal(conversation, same) and np.array_equal(labels, same_labels)):
        sys.exit(f"{one} and {other} were not scored on the same utterances")
    rows = [np.flatnonzero(conversation == name) for name in np.unique(conversation)]
    rng = np.random.default_rng(0)

    def score(answers: list[np.ndarray], places: np.ndarray) -> float:
        return 100 * float(np.mean([f1_score(labels[places], a[places], average="weighted") for a in answers]))

    def again(answers: list[np.ndarray]) -> list[np.ndarray]:
        return [answers[number] for number in rng.integers(len(answers), size=len(answers))]

    everything = np.arange(len(labels))
    differences = []
    for _ in range(TIMES):
        places = np.concatenate([rows[number] for number in rng.integers(len(rows), size=len(rows))])
        differences.append(score(again(first), places) - score(again(second), places))
    low, high = np.quantile(differences, [0.025, 0.975])
    print(f"{score(first, everything) - score(second, everything):+.2f}  95 % interval {low:.2f} to {high:.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
