"""A run's folder is input: changed folders, opened by every verb that reads one, end in one message or a result.

The changes know the type of what they change: a number becomes huge, negative or a text, a table loses a key, a row of
a table a cell, a model's metadata a class.
"""

import copy
import csv
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from safetensors import safe_open

from ercfw.system.tensor_file import save_tensors
from tests.fuzz.conftest import TIMES, places, watched

RUN = Path("runs/tiny/base/seed-0")
OTHER = Path("runs/tiny/other/seed-0")
VERBS = {
    "compare": ("compare", RUN, OTHER),
    "report": ("report", RUN, "--out", "page.html"),
    "report of two": ("report", RUN, OTHER, "--out", "page.html"),
    "ensemble": ("ensemble", RUN, OTHER, "--out", "together"),
    "reproduce": ("reproduce", RUN, "--out", "again"),
    "predict": ("predict", RUN, "--features", "text=new.safetensors", "--features", "audio=newer.safetensors"),
}
READ_BY = {
    "metrics.json": ["compare", "report", "report of two", "ensemble", "reproduce"],
    "history.jsonl": ["report"],
    "environment.json": ["report", "report of two", "reproduce"],
    "predictions.csv": ["compare", "report", "report of two", "ensemble", "reproduce"],
    "recipe.toml": ["report", "report of two", "reproduce", "predict"],
    "model.safetensors": ["predict", "predict", "report"],
    "embeddings.safetensors": ["report"],
}
VARIANTS = '\n[[variant]]\nname = "other"\nset = { train = { lr = 2e-2 } }\n'
ESCAPE = "\x1b[31mred\x1b]0;title\x07"
NUMBERS = [0, -1, 1, 10**400, -(10**30), 2**63, 1e308, float("inf"), float("nan"), 0.5]
TEXTS = ["", ESCAPE, "x" * 5000, "\ud800", "../../../etc/passwd", "emotion", "\0", "\u202eright to left"]
NESTED = [[], {}, [[]], {"a": {"b": {}}}, list(range(5000)), {str(n): n for n in range(5000)}]


def another(value: Any, chance: random.Random) -> Any:
    """Return a value in place of another: of its own type mostly, out of range, or of another type."""
    kinds: dict[str, list[Any]] = {"number": NUMBERS, "text": TEXTS, "nested": NESTED, "other": [None, True, False]}
    own = "number" if isinstance(value, int | float) else "text" if isinstance(value, str) else "nested"
    return copy.deepcopy(chance.choice(kinds[own if chance.random() < 0.5 else chance.choice(list(kinds))]))


def changed(value: Any, chance: random.Random) -> Any:
    """Return tables with one to three places changed: another value, a key less or more, an entry twice."""
    value = json.loads(json.dumps(value))
    for _ in range(chance.randint(1, 3)):
        *parents, key = chance.choice(places(value) or [()]) or (None,)
        if key is None:
            return another(value, chance)
        table = value
        for parent in parents:
            table = table[parent]
        match chance.choice(["set", "set", "set", "delete", "add", "double"]):
            case "set":
                table[key] = another(table[key], chance)
            case "delete":
                del table[key]
            case "add" if isinstance(table, dict):
                table[chance.choice(TEXTS)] = another(None, chance)
            case _ if isinstance(table, list):
                table.append(table[key])
    return value


def change_json(path: Path, chance: random.Random) -> None:
    deep = "[" * 100_000 if chance.random() < 0.02 else None
    path.write_text(deep or json.dumps(changed(json.loads(path.read_text()), chance)))


def change_lines(path: Path, chance: random.Random) -> None:
    lines = path.read_text().splitlines()
    number = chance.randrange(len(lines))
    lines[number] = json.dumps(changed(json.loads(lines[number]), chance))
    if chance.random() < 0.2:
        lines.insert(number, chance.choice(["", "{", "[" * 100_000, "1e999", '"\\ud800"']))
    path.write_text("\n".join(lines) + "\n")


def change_toml(path: Path, chance: random.Random) -> None:
    tables = changed(tomlkit.parse(path.read_text()).unwrap(), chance)
    text = json.dumps(tables)
    try:
        path.write_text(tomlkit.dumps(tables) if len(text) < 20_000 else text)  # tomlkit needs minutes for large tables
    except Exception:  # TOML has no such value
        path.write_text(text)


def change_table(path: Path, chance: random.Random) -> None:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    for _ in range(chance.randint(1, 3)):
        row = rows[chance.choice([0, chance.randrange(len(rows))])]
        column = chance.randrange(len(row)) if row else 0
        cells = ["", "-1", "1e999", "nan", "2", ESCAPE, "x" * 200_000, "\u202e", *row[:3], str(10**400)]
        match chance.choice(["cell", "cell", "cell", "longer", "shorter", "double", "column", "rows", "empty"]):
            case "cell" if row:
                row[column] = chance.choice(cells)
            case "longer":
                row += chance.choice([["more"], ["more"] * 10_000])
            case "shorter":
                del row[column:]
            case "double":
                rows.append(row)
            case "column":
                rows = [[*each[:column], *each[column + 1 :]] for each in rows]
            case "rows":
                del rows[chance.randrange(len(rows)) :]
            case "empty":
                rows = rows[: chance.randint(0, 1)]
        if not rows:
            break
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def change_tensors(path: Path, chance: random.Random) -> None:
    """Change the metadata, or the shape of a tensor, of a file whose hash is right: only the content is wrong."""
    with safe_open(path, framework="pt") as file:
        about = json.loads((file.metadata() or {}).get("ercfw", "{}"))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    about.pop("sha256", None)
    if chance.random() < 0.25:
        name = chance.choice(sorted(tensors))
        x = tensors.pop(name)
        match chance.choice(["gone", "shape", "type", "nan", "renamed"]):
            case "shape":
                tensors[name] = x.flatten()[:1].clone()
            case "type":
                tensors[name] = x.long()
            case "nan":
                tensors[name] = x * float("nan")
            case "renamed":
                tensors[chance.choice(["a", "x" * 300])] = x
    else:
        about = changed(about, chance)
    try:
        save_tensors(path, tensors, about)
    except (TypeError, ValueError, UnicodeError):  # metadata that no file can hold
        path.write_bytes(path.read_bytes()[: chance.randrange(2000)])


CHANGES = {
    ".json": change_json,
    ".jsonl": change_lines,
    ".toml": change_toml,
    ".csv": change_table,
    ".safetensors": change_tensors,
}


@pytest.fixture
def two_runs(cli, tiny_recipe, once, monkeypatch):
    """Two finished runs, and features of two utterances to predict."""
    monkeypatch.setattr("ercfw.results.environment._revision", lambda: None)

    def make():
        import numpy as np

        from ercfw import FeatureTable

        assert cli("run", tiny_recipe(VARIANTS), "--variant", "all").code == 0
        shutil.copytree(RUN, "whole")
        for name, width in (("new", 8), ("newer", 6)):
            values = np.zeros((2, width), np.float32)
            present = np.ones(2, bool)
            FeatureTable((("a", "1"), ("a", "2")), values, present).save(Path(f"{name}.safetensors"))

    once(make)


def open_changed(cli, number: int) -> str:
    """Change a file of the run, open it with a verb, and return what is wrong with how that ended."""
    chance = random.Random(number)
    shutil.rmtree(RUN)
    shutil.copytree("whole", RUN)
    for folder in ("again", "together"):
        shutil.rmtree(folder, ignore_errors=True)
    name = chance.choice(list(READ_BY))
    verb = chance.choice(READ_BY[name])
    path = RUN / name
    CHANGES[path.suffix](path, chance)
    case = f"case {number}: {verb} with another {name}"
    try:
        with watched(Path.cwd()):
            ended = cli(*VERBS[verb])
    except BaseException as error:
        return f"{case}: {type(error).__name__}: {error}"
    said = ended.out + ended.err
    if "Traceback" in said or "\x1b" in said or ended.code not in (0, 1, 2) or len(ended.err) > 50_000:
        return f"{case}: {ended.code}: {said[-300:]!r}"
    if ended.code and verb != "reproduce" and not ended.errors:
        return f"{case}: exit code {ended.code} without a message: {said[-300:]!r}"
    return ""


@pytest.mark.parametrize("part", range(3))
def test_some_changed_folders(part, cli, two_runs):
    wrong = [said for number in range(20) if (said := open_changed(cli, 20 * part + number))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_a_thousand_changed_folders(part, cli, two_runs, monkeypatch):
    """Pictures take most of the time: every fourth page has them, and none their SVG, which the cases above draw."""
    monkeypatch.setattr("ercfw.report.html.as_svg", lambda figure, salt: "<svg></svg>")
    wrong = []
    for number in range(1000 + part, 1000 + 1000 * TIMES, 10):
        with monkeypatch.context() as patch:
            if number // 10 % 4:
                patch.setattr("ercfw.report.page.drawn", lambda drawings, steps: [])
            wrong += [said] if (said := open_changed(cli, number)) else []
    assert not wrong, "\n".join(wrong)
