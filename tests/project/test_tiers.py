"""The tiers of ``ercfw/``: imports point down and form no circle; files and functions are short."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

CHECKOUT = Path(__file__).resolve().parents[2]
MOST_ENTRIES = 20
MOST_LINES = 300
MOST_LINES_OF_A_FUNCTION = 50


@pytest.fixture
def lint(tmp_path):
    """Lint the imports of a copy of the code, with one line planted at the end of a file."""
    for folder in ("ercfw", "plugins"):
        shutil.copytree(CHECKOUT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)

    def run(file: str = "", line: str = "") -> subprocess.CompletedProcess[str]:
        if file:
            with (tmp_path / file).open("a", encoding="utf-8") as source:
                source.write(f"\n{line}\n")
        environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{tmp_path / 'plugins'}"}
        command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)

    return run


def test_imports_point_down(lint):
    ended = lint()
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("ercfw/system/files.py", "from ercfw.recipe import toml", "ercfw.system -> ercfw.recipe"),
        ("ercfw/results/scoring.py", "def late():\n    from ercfw.report import html", "ercfw.results -> ercfw.report"),
        ("ercfw/training/loop.py", "from ercfw.predict import inputs", "ercfw.training -> ercfw.predict"),
        ("ercfw/model/build.py", "import ercfw_basics", "ercfw -> ercfw_basics"),
    ],
)
def test_the_linter_finds_a_planted_import(lint, file, line, broken):
    ended = lint(file, line)
    assert ended.returncode == 1
    above, _, below = broken.partition(" -> ")
    assert f"{above} is not allowed to import {below}" in ended.stdout


def test_no_circles():
    graph = grimp.build_graph("ercfw", include_external_packages=False, exclude_type_checking_imports=False)
    modules = sorted(graph.modules)
    place = {module: index for index, module in enumerate(modules)}
    edges = [(place[m], place[other]) for m in modules for other in graph.find_modules_directly_imported_by(m)]
    starts, ends = np.array(edges).T
    links = csr_array((np.ones(len(edges)), (starts, ends)), shape=(len(modules), len(modules)))
    count, labels = connected_components(links, connection="strong")
    circles = [[modules[i] for i in np.flatnonzero(labels == label)] for label in range(count)]
    assert len(edges) > 500
    assert [circle for circle in circles if len(circle) > 1] == []


def test_a_newcomer_sees_few_entries_and_short_files():
    core = CHECKOUT / "ercfw"
    entries = [path for path in core.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= MOST_ENTRIES
    sources = [*core.rglob("*.py"), *(CHECKOUT / "plugins").rglob("*.py")]
    long = [str(path) for path in sources if len(path.read_text(encoding="utf-8").splitlines()) > MOST_LINES]
    assert long == []


def long_functions(code: str) -> Iterator[str]:
    """The name and length of each function of some code that is too long; its decorators do not count."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            if lines > MOST_LINES_OF_A_FUNCTION:
                yield f"{node.name}: {lines} lines"


def test_functions_are_short():
    sources = [*CHECKOUT.glob("ercfw/**/*.py"), *CHECKOUT.glob("plugins/**/*.py")]
    assert len(sources) > 200
    assert {path: found for path in sources if (found := [*long_functions(path.read_text(encoding="utf-8"))])} == {}


def test_a_planted_long_function_is_found():
    def code(lines: int) -> str:
        return "class Planted:\n    @property\n    async def work(self):\n" + "        x = 1\n" * (lines - 1)

    assert list(long_functions(code(50))) == []
    assert list(long_functions(code(51))) == ["work: 51 lines"]
