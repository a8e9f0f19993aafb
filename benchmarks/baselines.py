"""Measure how fast the baselines train, each with its own recipe on simulated conversations of its corpus' size.

    python benchmarks/baselines.py

Each baseline trains for three epochs in its own run. Its speed is that of the faster of the last two epochs, which
includes scoring dev. The time of all epochs is estimated from this speed and from the time that the run spends
outside its epochs.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import bench

from ercfw.recipe.recipe_file import read_toml
from ercfw.recipe.shipped import shipped_recipes

EPOCHS = 3


def measure(name: str, out: Path, extra: list[str]) -> tuple[dict, list[float]]:
    """Run a recipe; return its metrics and the seconds of its epochs."""
    command = [sys.executable, "-m", "ercfw", "run", name, f"train.epochs={EPOCHS}", "--json", "--quiet", *extra]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True)  # a folder without data
    if done.returncode:
        sys.exit(done.stderr)
    (metrics,) = json.loads(done.stdout)
    lines = (out / metrics["folder"] / "history.jsonl").read_text().splitlines()
    return metrics, [json.loads(line)["seconds"] for line in lines]


def main() -> None:
    arguments = bench.parse(bench.make_parser(__doc__, rounds=None))
    baselines = [name for name in shipped_recipes() if name.startswith("baselines/") and "comparison" not in name]
    names = [
        name for corpus in ("iemocap", "meld") for name in (f"multiemo_{corpus}", *baselines) if name.endswith(corpus)
    ]
    print("| Recipe | Parameters | Utterances per second | Two epochs, with start and report | All epochs |")
    print("|---|---:|---:|---:|---:|")
    speeds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as out:
        for name in names[:2] if arguments.quick else names:
            extra = ["data.use=simulated", "data.conversations=12"] if arguments.quick else []
            metrics, seconds = measure(name, Path(out), extra)
            epoch, epochs = min(seconds[1:]), read_toml(shipped_recipes()[name]).tables["train"]["epochs"]
            outside = metrics["seconds"] - sum(seconds)
            speed = metrics["sizes"]["train"]["utterances"] / epoch
            speeds[name.removeprefix("baselines/")] = speed
            cells = (
                f"`{name.removeprefix('baselines/')}`",
                f"{metrics['parameters'] / 1e6:.2f} M",
                f"{speed:.0f}",
                f"{outside + sum(seconds[:2]):.0f} s",
                f"{epochs}: {(outside + epochs * epoch) / 60:.1f} min",
            )
            print(f"| {' | '.join(cells)} |")
    for name, speed in speeds.items():
        multiemo = f"multiemo_{name.rpartition('_')[2]}"
        if name != multiemo:
            print(f"  ratio {name} / {multiemo}, utterances per second   {speed / speeds[multiemo]:.2f}")


if __name__ == "__main__":
    main()
