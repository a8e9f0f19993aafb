"""A disk that fills up, fails, or a machine that goes down, at any change of files: one message, and nothing is lost.

``ERCFW_FUZZ=1`` tries every change of each command and, with ``-s``, prints how many; the suite tries some, spread over
all.
"""

import errno
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import forked

NEVER = 10**9
TUNE = """
[tune]
trials = 2

[tune.space]
"train.lr" = { low = 1e-3, high = 1e-2, log = true }

[[variant]]
name = "other"
set = { train = { lr = 2e-2 } }
"""
RUN, OTHER = "runs/tiny/base/seed-0", "runs/tiny/other/seed-0"
COMMANDS = {
    "run": (("run", "tiny.toml"), "--resume"),
    "ablate": (("ablate", "tiny.toml", "--seeds", "1"), ""),
    "tune": (("tune", "tiny.toml"), ""),
    "extract": (("extract", "table.toml", "--to", "features"), ""),
    "report": (("report", RUN, OTHER, "--out", "page.html"), ""),
    "compare": (("compare", RUN, OTHER, "--out", "tables"), ""),
    "ensemble": (("ensemble", RUN, OTHER, "--out", "together"), "--force"),
    "reproduce": (("reproduce", RUN, "--out", "again"), ""),
    "predict": (("predict", RUN, "--features", "text=new.safetensors", "--out", "new.csv"), "--force"),
}
TRAINED_BEFORE = ("report", "compare", "ensemble", "reproduce", "predict")
FAULTS = {"kill": "kill", "full": str(errno.ENOSPC), "failing": str(errno.EIO)}
POINTS = {"run": 12, "tune": 4, "ablate": 1, "report": 2}
MOST = 4
EXTRACTOR = '''
import numpy as np
from ercfw import Extractor, hookimpl

class Lengths(Extractor):
    """The length of each text."""

    reads, dim, fingerprint = "text", 4, "lengths"

    def extract(self, conversation):
        return [np.full(4, len(text), "f4") for text in conversation.texts]

@hookimpl
def provide_extractors():
    return {"lengths": Lengths}
'''


def results(folder: Path) -> dict[str, bytes]:
    """Return the files whose bits a run decides."""
    names = ("predictions.csv", "model.safetensors", "features/*.safetensors", "new.csv")
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for name in names
        for path in sorted(folder.rglob(name))
        if path.is_file() and "cache" not in path.parts
    }


@pytest.fixture
def place(tmp_path, tiny_recipe, plugin_file, once, monkeypatch):
    """A recipe with variants, a corpus with an extractor, two finished runs, and features of new utterances."""
    monkeypatch.setenv("ERCFW_CACHE", str(tmp_path / "cache"))

    def make():
        import numpy as np

        from ercfw import FeatureTable

        tiny_recipe(TUNE)
        plugin_file(EXTRACTOR, "lengths")
        lines = ["conversation,utterance,speaker,text,label,split"]
        for split in ("train", "dev", "test"):
            lines += [f"{split}{c},{u},A,word {u},{'ab'[u % 2]},{split}" for c in (1, 2) for u in (1, 2)]
        Path("utterances.csv").write_text("\n".join(lines) + "\n")
        text = Path("tiny.toml").read_text()
        start, end = text.index("[data]"), text.index("[encoder.default]")
        data = '[data]\nuse = "table"\nroot = "."\nmodalities = ["text"]\n\n[features.text]\nuse = "lengths"\n\n'
        Path("table.toml").write_text('plugins = ["./lengths.py"]\n' + text[:start] + data + text[end:])
        assert forked.run("run", "tiny.toml", "--variant", "all")[0] == 0
        shutil.move("runs", "trained")
        values = np.zeros((2, 8), np.float32)
        FeatureTable((("a", "1"), ("a", "2")), values, np.ones(2, bool)).save(Path("new.safetensors"))

    once(make)
    return tmp_path


def attempt(command: str, fault: str, start: int, *more: str) -> tuple[int | None, str, int]:
    """Return how a command ended on a disk that fails from a change on, what it said, and how many changes it made."""
    words, _ = COMMANDS[command]
    environment = {"FAULT": fault, "START": str(start), "COUNTED": "counted"}
    code, said = forked.run(*words, *more, program="tests.disk_faults", **environment)
    return code, said, int(Path("counted").read_text() or 0)


def prepare(command: str) -> None:
    for folder in ("runs", "features", "together", "again", "tables", "cache"):
        shutil.rmtree(folder, ignore_errors=True)
    for file in ("page.html", "new.csv"):
        Path(file).unlink(missing_ok=True)
    if command in TRAINED_BEFORE:
        shutil.copytree("trained", "runs")


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_disk_that_fails_at_any_change(command, place):
    resume = COMMANDS[command][1]
    prepare(command)
    code, said, changes = attempt(command, "kill", NEVER)
    assert code == 0, said
    whole = results(place)
    points = POINTS.get(command, MOST) if "ERCFW_FUZZ" not in os.environ else changes
    wrong = []
    for number, (name, fault) in enumerate(FAULTS.items()):
        starts = sorted({(number + 3 * point) * changes // (3 * points) for point in range(points)})
        for start in starts:
            prepare(command)
            code, said, _ = attempt(command, fault, start)
            case = f"{command}, {name} from change {start + 1} of {changes}: exit code {code}"
            errors = [line for line in said.splitlines() if line.startswith("error: ")]
            if name == "kill":
                wrong += [f"{case}: {said[-500:]}"] if code not in (0, -9) else []
            elif "Traceback" in said or code not in (0, 1) or (code == 1 and len(errors) != 1):
                wrong += [f"{case}: {said[-800:]}"]
            again = [resume] if resume else []
            code, said, _ = attempt(command, "kill", NEVER, *again)
            same = command == "tune" or results(place) == whole  # a search that goes on draws other values
            if code != 0 or not same:
                wrong += [f"{case}, then {code}: {said[-800:]}"]
        print(f"{command}, {name}: {len(starts)} of {changes} changes, wrong so far: {len(wrong)}")
    assert not wrong, "\n\n".join(wrong)


def attempt_of_two(fault: str, start: int, *more: str) -> tuple[list[int | None], str, int]:
    """As ``attempt``, for a run of two processes; the disk fails in both. None: a process does not end."""
    environment = {"FAULT": fault, "START": str(start), "COUNTED": "counted"}
    words = ("run", "tiny.toml", *more)
    processes = forked.start_world(2, *words, program="tests.disk_faults", said="said", **environment)
    for process in processes:
        process.join(timeout=60)
        process.kill()
    codes = [process.exitcode for process in processes]
    return codes, Path("said").read_text(), int(Path("counted0").read_text() or 0)


@pytest.mark.slow
def test_two_processes_on_a_disk_that_fails_at_any_change(place):
    prepare("run")
    codes, said, changes = attempt_of_two("kill", NEVER)
    assert codes == [0, 0], said
    whole = results(place)
    points = MOST if "ERCFW_FUZZ" not in os.environ else changes
    wrong = []
    for number, (name, fault) in enumerate(FAULTS.items()):
        starts = sorted({(number + 3 * point) * changes // (3 * points) for point in range(points)})
        for start in starts:
            prepare("run")
            codes, said, _ = attempt_of_two(fault, start)
            case = f"two processes, {name} from change {start + 1} of {changes}: exit codes {codes}"
            errors = [line for line in said.splitlines() if line.startswith("error: ")]
            if name == "kill":
                wrong += [f"{case}: {said[-500:]}"] if not {*codes} <= {0, 1, -9} else []
            elif "Traceback" in said or not {*codes} <= {0, 1} or (codes[0] == 1 and len(errors) != 1):
                wrong += [f"{case}: {said[-800:]}"]
            codes, said, _ = attempt_of_two("kill", NEVER, "--resume")
            if codes != [0, 0] or results(place) != whole:
                wrong += [f"{case}, then {codes}: {said[-800:]}"]
        print(f"two processes, {name}: {len(starts)} of {changes} changes, wrong so far: {len(wrong)}")
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.slow
def test_a_file_system_that_is_really_full(place, tmp_path):
    """A small file system in memory, where libraries and the database meet the error in code that is not Python's."""
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", small]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("no file system may be mounted here")
    try:
        for words in (("run", "tiny.toml"), ("tune", "tiny.toml"), ("ablate", "tiny.toml", "--seeds", "1")):
            code, said = forked.run(*words, "--out", small / words[0], ERCFW_CACHE=str(small / "cache"))
            assert code == 1, said
            assert "Traceback" not in said
            assert re.search("No space left on device|disk is full", said)
            for left in small.iterdir():
                shutil.rmtree(left)
        subprocess.run(["mount", "-o", "remount,size=50m", small], check=True)
        code, said = forked.run("run", "tiny.toml", "--out", small / "run", "--resume")
        assert code == 0, said
    finally:
        subprocess.run(["umount", small], check=True)
