"""Record what ercfw computes and prints, so that a change of structure can be shown to change nothing.

Six small recipes are run and the hashes of what they leave are written, with those of ``ercfw show`` for every shipped
recipe and of ``--help`` for every verb. The hashes hold for one machine and one set of libraries: record them before a
change and after it, then compare::

    python tests/golden_runs.py record before.json
    python tests/golden_runs.py record after.json
    python tests/golden_runs.py compare before.json after.json

Runs on real data are left out where the data is absent (``ERCFW_TEST_DATA``, or ``../shared/data``).
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("ERCFW_TEST_DATA", CHECKOUT.parent / "shared" / "data")).resolve()
CHANGING = ("seconds", "peak_memory", "folder", "schema")
"""Keys of ``metrics.json`` that differ from run to run, and the version of its format, which old runs lack."""

TINY = """\
schema = 1
title = "Tiny"
[data]
use = "simulated"
conversations = 11
modalities = ["text", "audio"]
widths = { text = 8, audio = 6, visual = 4 }
batch_size = 5
[encoder.default]
use = "linear"
width = 8
dropout = 0.3
[context.default]
use = "dialogue-rnn"
width = 8
[fusion]
use = "multiattn"
layers = 1
heads = 2
ffn = 8
[head.emotion]
use = "multiemo"
width = 8
hidden = 8
[loss.swfc]
weight = 0.2
[loss.soft-hgr]
weight = 0.2
[loss.cross-entropy]
weight = "rest"
[train]
epochs = 4
lr = 1e-2
schedule = "plateau"
plateau_patience = 0
save_seconds = 0
device = "cpu"
"""
STOPS = """\
import os, signal
from ercfw import hookimpl


@hookimpl
def epoch_finished(folder, epoch):
    if str(epoch["epoch"]) == os.environ.get("STOP_AFTER"):
        os.kill(os.getpid(), signal.SIGKILL)
"""


def ercfw(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, with one thread so that sums are added in one order."""
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100", "NO_COLOR": "1", **environment}
    return subprocess.run([sys.executable, "-m", "ercfw", *words], env=environ, capture_output=True, text=True)


def run(*words: str) -> None:
    """Run a recipe; raise where it fails."""
    ended = ercfw("run", *words, "--quiet")
    if ended.returncode:
        raise SystemExit(f"ercfw run {' '.join(words)} ended with {ended.returncode}:\n{ended.stderr}")


def hash_of(content: bytes) -> str:
    """Return the first half of a sha256."""
    return hashlib.sha256(content).hexdigest()[:32]


def left_by(folder: Path) -> dict[str, str]:
    """Return the hashes of the three files that hold a run's result."""
    metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    kept = json.dumps({key: metrics[key] for key in sorted(metrics) if key not in CHANGING}, sort_keys=True)
    files = {name: hash_of((folder / name).read_bytes()) for name in ("model.safetensors", "predictions.csv")}
    return {**files, "metrics.json": hash_of(kept.encode())}


def multiemo(out: str) -> None:
    """MultiEMO on simulated conversations."""
    run("multiemo_meld", "data.use=simulated", "data.conversations=60", "train.epochs=2", "--out", out)


def meld_text(out: str) -> None:
    """An LSTM on MELD's real texts."""
    run("meld_text", f"data.root={DATA / 'meld'}", "train.epochs=2", "--seeds", "1", "--out", out)


def mosi(out: str) -> None:
    """MultiEMO on the real text and audio of CMU-MOSI."""
    run("mosi", f"data.root={DATA / 'mosi'}", "train.epochs=2", "--seeds", "1", "--out", out)


def whole_model(out: str) -> None:
    """A baseline that is a model of its own."""
    run("baselines/mvn_meld", "data.use=simulated", "data.conversations=12", "train.epochs=1", "--out", out)


def two_processes(out: str) -> None:
    """A run shared by two processes."""
    Path("two.toml").write_text(TINY)
    run("two.toml", "--processes", "2", "--out", out)


def resumed(out: str) -> None:
    """A run that was killed after its second epoch, and resumed."""
    Path("stops.py").write_text(STOPS)
    Path("resumed.toml").write_text('plugins = ["./stops.py"]\n' + TINY)
    killed = ercfw("run", "resumed.toml", "--out", out, "--trust", STOP_AFTER="2")
    assert killed.returncode < 0, killed.stderr
    run("resumed.toml", "--resume", "--out", out)


RUNS: Sequence[Callable[[str], None]] = (multiemo, meld_text, mosi, whole_model, two_processes, resumed)
REAL = {"meld_text": "meld", "mosi": "mosi"}


def verbs(words: Sequence[str] = ()) -> Iterator[tuple[str, ...]]:
    """Yield every verb of the command line, and the verbs below it."""
    import typer

    from ercfw.cli import app

    command: Any = typer.main.get_command(app)
    pending: list[tuple[tuple[str, ...], Any]] = [(tuple(words), command)]
    while pending:
        path, group = pending.pop()
        yield path
        pending += [((*path, name), sub) for name, sub in getattr(group, "commands", {}).items()]


def record() -> dict[str, Any]:
    """Run everything in an empty folder and return the hashes."""
    found: dict[str, Any] = {"runs": {}, "show": {}, "help": {}}
    for each in RUNS:
        name = each.__name__
        if name in REAL and not (DATA / REAL[name]).is_dir():
            print(f"{name}: skipped, no real data at {DATA / REAL[name]}", file=sys.stderr)
            continue
        print(name, file=sys.stderr)
        each(name)
        (metrics,) = Path(name).glob("**/metrics.json")
        found["runs"][name] = left_by(metrics.parent)
    for recipe in json.loads(ercfw("ls", "recipes", "--json").stdout)["recipes"]:
        found["show"][recipe] = hash_of(ercfw("show", recipe).stdout.encode())
    for words in sorted(verbs()):
        found["help"][" ".join(("ercfw", *words))] = hash_of(ercfw(*words, "--help").stdout.encode())
    return found


def compare(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return one line for each hash that differs, is new, or is gone."""
    lines = []
    for group in ("runs", "show", "help"):
        for name in sorted({*before[group], *after[group]}):
            one, other = before[group].get(name), after[group].get(name)
            if one != other:
                both = isinstance(one, dict) and isinstance(other, dict)
                differing = [key for key in one if one[key] != other.get(key)] if both else []
                lines.append(f"{group}: {name}: {', '.join(differing) or f'{one} -> {other}'}")
    return lines


def main() -> None:
    """Record, or compare two records."""
    match sys.argv[1:]:
        case ["record", path]:
            target = Path(path).resolve()
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                found = record()
            target.write_text(json.dumps(found, indent=1) + "\n")
            print(f"{len(found['runs'])} runs, {len(found['show'])} recipes, {len(found['help'])} verbs: {path}")
        case ["compare", one, other]:
            lines = compare(json.loads(Path(one).read_text()), json.loads(Path(other).read_text()))
            print("\n".join(lines) or "equal")
            raise SystemExit(bool(lines))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
