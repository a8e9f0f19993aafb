"""Plugins, examples and pages import only what is public: a few modules of ercfw, and the ``__all__`` of plugins."""

import ast
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from ercfw.registry.catalog import KINDS, load_catalog
from ercfw.registry.scaffold.write import new_plugin

CHECKOUT = Path(__file__).parents[2]
PUBLIC = ("ercfw", "ercfw.errors", "ercfw.testing", "ercfw.testing.fixtures", "ercfw.plots", "ercfw.pickles")
"""Every path of ercfw that others may import; each lists its names in ``__all__``."""
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^( *)```python.*?\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def names_of(path: str) -> set[str]:
    """The names that a public path offers, its public submodules among them."""
    below = {other.removeprefix(f"{path}.") for other in PUBLIC if other.startswith(f"{path}.")}
    return {*import_module(path).__all__, *(name for name in below if "." not in name)}


def plugins_in(root: Path) -> dict[str, set[str]]:
    """The ``__all__`` of every plugin package, read without importing it."""
    modules = [
        *root.glob("plugins/*/__init__.py"),
        *root.glob("examples/*/*.py"),
        *root.glob("examples/*/*/__init__.py"),
    ]
    return {(path.parent.name if path.stem == "__init__" else path.stem): listed(path) for path in modules}


def listed(path: Path) -> set[str]:
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            return set(ast.literal_eval(statement.value))
    return set()


def faults_of(code: str, own: set[str], plugins: dict[str, set[str]]) -> Iterator[str]:
    """Each import and use in some code that reaches what is not public.

    Args:
        code: Python source.
        own: packages that the code belongs to, which it may import as it likes.
        plugins: ``__all__`` of each plugin.
    """
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            used = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            used = [(node.module or "", alias.name) for alias in node.names]
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in PUBLIC:
            used = [(ast.unparse(node.value), node.attr)]
        else:
            continue
        yield from (f"line {node.lineno}: {ast.unparse(node)}" for what in used if not is_public(*what, own, plugins))


def is_public(module: str, name: str | None, own: set[str], plugins: dict[str, set[str]]) -> bool:
    package = module.partition(".")[0]
    if package in own:
        return True
    if package == "ercfw":
        return module in PUBLIC and (name is None or name in names_of(module))
    return package not in plugins or (module == package and name in plugins[package])


def faults_in(root: Path) -> list[str]:
    """What the plugins and examples below a folder import and should not."""
    plugins = plugins_in(root)
    found = []
    for project in sorted([*root.glob("plugins/*/"), *root.glob("examples/*/")]):
        own = {project.name, *(path.stem for path in project.iterdir())}
        for path in sorted(project.rglob("*.py")):
            faults = faults_of(path.read_text(encoding="utf-8"), own, plugins)
            found += [f"{path.relative_to(root)}, {fault}" for fault in faults]
    return found


def test_plugins_and_examples_import_only_what_is_public():
    assert len(plugins_in(CHECKOUT)) == 8, "all are looked at"
    assert faults_in(CHECKOUT) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_so_do_the_pages(page):
    plugins = plugins_in(CHECKOUT)
    blocks = [textwrap.dedent(block) for _, block in BLOCK.findall(page.read_text(encoding="utf-8"))]
    assert [fault for block in blocks for fault in faults_of(block, set(), plugins)] == []


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_so_does_a_new_plugin(kind, tmp_path):
    written = new_plugin(load_catalog([]), "brand-new", kind, tmp_path / "new")
    code = [path.read_text(encoding="utf-8") for path in written if path.suffix == ".py"]
    assert len(code) >= 2
    assert [fault for text in code for fault in faults_of(text, set(), plugins_in(CHECKOUT))] == []


@pytest.mark.parametrize("path", PUBLIC)
def test_every_public_name_is_there(path):
    module = import_module(path)
    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


@pytest.fixture
def planted(tmp_path):
    """Two plugins, of which one lists a name; the other's code is written by the test."""
    for name in ("ercfw_one", "ercfw_two"):
        (tmp_path / "plugins" / name / "inner").mkdir(parents=True)
        (tmp_path / "plugins" / name / "__init__.py").write_text('__all__ = ["listed"]\n')

    def plant(code: str) -> list[str]:
        (tmp_path / "plugins" / "ercfw_one" / "inner" / "mine.py").write_text(f"import numpy\n{code}\n")
        return faults_in(tmp_path)

    return plant


@pytest.mark.parametrize(
    "code",
    [
        "from ercfw.contract.conversation import Clip",
        "from ercfw.contract.interfaces import Dataset",
        "from ercfw import Clip, interfaces",
        "from ercfw import *",
        "from ercfw.errors import shown",
        "from ercfw.testing.conformance_kit import conformance",
        "import ercfw.contract.batch",
        "import ercfw\nercfw.batch.Batch",
        "import ercfw.testing\nercfw.testing.conformance_kit",
        "def late():\n    from ercfw.system.files import sha256",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ercfw.model import ComposedModel",
        "from ercfw_two import hidden",
        "from ercfw_two.inner import listed",
        "import ercfw_two",
    ],
)
def test_a_planted_import_is_found(planted, code):
    last = code.splitlines()[-1].strip()
    (fault,) = planted(code)
    assert fault == f"plugins/ercfw_one/inner/mine.py, line {len(code.splitlines()) + 1}: {last.removesuffix('.Batch')}"


@pytest.mark.parametrize(
    "code",
    [
        "import ercfw\nercfw.load",
        "from ercfw import Clip, hookimpl, plots",
        "from ercfw.testing.fixtures import make_conversations",
        "from ercfw_two import listed",
        "from ercfw_one.inner import anything",
        "from . import anything",
        "from ercfwish import anything",
    ],
)
def test_what_may_be_imported(planted, code):
    assert planted(code) == []
