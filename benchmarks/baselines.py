"""How fast the baselines train, each by its own recipe on simulated conversations of its corpus' size.

    python benchmarks/baselines.py

Three epochs of each in a run of its own; the speed is that of the faster of the last two, dev's scores in it. The time
of all its epochs is reckoned from that, and from what the run takes beside its epochs.
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
    """The metrics of a run, and the seconds of its epochs."""
    command = [sys.executable, "-m", "ercfw", "run", name, f"train.epochs={EPOCHS}", "--json", "--quiet", *extra]
    ended = subprocess.run(command, cwd=out, capture_output=True, text=True)  # where there is no data
    if ended.returncode:
        sys.exit(ended.stderr)
    (metrics,) = json.loads(ended.stdout)
    lines = (out / metrics["folder"] / "history.jsonl").read_text().splitlines()
    return metrics, [json.loads(line)["seconds"] for line in lines]


def main() -> None:
    said = bench.begin(bench.parser(__doc__, rounds=None))
    known = [name for name in shipped_recipes() if name.startswith("baselines/") and "comparison" not in name]
    names = [name for corpus in ("iemocap", "meld") for name in (f"multiemo_{corpus}", *known) if name.endswith(corpus)]
    print("| Recipe | Parameters | Utterances a second | Two epochs, with start and report | All epochs |")
    print("|---|---:|---:|---:|---:|")
    speeds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as out:
        for name in names[:2] if said.quick else names:
            extra = ["data.use=simulated", "data.conversations=12"] if said.quick else []
            metrics, seconds = measure(name, Path(out), extra)
            epoch, epochs = min(seconds[1:]), read_toml(shipped_recipes()[name]).tables["train"]["epochs"]
            beside = metrics["seconds"] - sum(seconds)
            speed = metrics["sizes"]["train"]["utterances"] / epoch
            speeds[name.removeprefix("baselines/")] = speed
            cells = (
                f"`{name.removeprefix('baselines/')}`",
                f"{metrics['parameters'] / 1e6:.2f} M",
                f"{speed:.0f}",
                f"{beside + sum(seconds[:2]):.0f} s",
                f"{epochs}: {(beside + epochs * epoch) / 60:.1f} min",
            )
            print(f"| {' | '.join(cells)} |")
    for name, speed in speeds.items():
        multiemo = f"multiemo_{name.rpartition('_')[2]}"
        if name != multiemo:
            print(f"  ratio {name} / {multiemo}, utterances a second   {speed / speeds[multiemo]:.2f}")


if __name__ == "__main__":
    main()
