"""What all tests share: a clean place to work in, the command line in-process, and the real data."""

import csv
import gc
import importlib
import importlib.metadata
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import messages
from tests.command_result import Result

# Before torch is imported: on tensors as small as the tests', further threads only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

CHECKOUT = Path(__file__).resolve().parents[1]


TINY_RECIPE = """\
schema = 1
title = "Tiny"

[data]
use = "simulated"
conversations = 12
modalities = ["text", "audio"]
widths = {{ text = 8, audio = 6, visual = 4 }}
batch_size = 4
{data}
[encoder.default]
use = "linear"
width = 8

[fusion]
use = "concat"

[head.emotion]
use = "linear"

[loss.cross-entropy]

[train]
epochs = 1
lr = 1e-2
device = "cpu"
{more}
"""


@pytest.fixture(autouse=True)
def clean_place(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's own working directory, an empty cache, the state of all tests, and no say from the environment.

    What the cache holds of large models is that of all tests.
    """
    cache, models = tmp_path_factory.mktemp("cache"), tmp_path_factory.getbasetemp() / "models"
    models.mkdir(exist_ok=True)
    (cache / "models").symlink_to(models)
    monkeypatch.setenv("ERCFW_CACHE", str(cache))
    monkeypatch.setenv("ERCFW_STATE", str(tmp_path_factory.getbasetemp() / "state"))
    monkeypatch.delenv("ERCFW_REQUIRE_REAL", raising=False)
    monkeypatch.delenv("ERCFW_PLUGINS", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def little_drawing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of a run, and t-SNE for a page, take most of the time: they are made where a test is about them."""
    if "pictures" not in request.keywords:
        monkeypatch.setattr("ercfw.experiment.outputs.draw_run", lambda *_: [])
    if "tsne" not in request.keywords:
        monkeypatch.setattr("ercfw.report.plots.embedding.project", lambda x: x[:, [0, -1]])


@pytest.fixture(scope="session")
def entry_points() -> list[importlib.metadata.EntryPoint]:
    """The entry points of ercfw's plugins: a search through the installed packages takes a third of loading them."""
    return list(importlib.metadata.entry_points(group="ercfw"))


@pytest.fixture(autouse=True)
def installed_plugins(entry_points: list[importlib.metadata.EntryPoint], monkeypatch: pytest.MonkeyPatch) -> None:
    """Search for the installed plugins once: commands of a test run in one process."""
    monkeypatch.setattr("ercfw.registry.catalog._entry_points", lambda: entry_points)


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """``real_data("meld")``: the folder of a real corpus; skips where it is absent."""

    def corpus(name: str) -> Path:
        folder = Path(os.environ.get("ERCFW_TEST_DATA", CHECKOUT.parent / "shared" / "data")) / name
        if not folder.is_dir():
            pytest.skip(f"no real data at {folder}")
        return folder

    return corpus


@pytest.fixture(scope="session")
def face_api() -> Path:
    """The archive of face-api that ``make face-api`` gets; skips where it is absent."""
    archive = CHECKOUT / ".venv" / "vladmandic-face-api-1.7.15.tgz"
    if not archive.is_file():
        pytest.skip("the archive of @vladmandic/face-api is absent (make face-api)")
    return archive


@pytest.fixture(scope="session")
def imported() -> None:
    """Import what commands import, and spare the garbage collector these objects: each run collects at its end."""
    from tests import forked

    for name in forked.PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


@pytest.fixture
def cli(
    imported: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> Callable[..., Result]:
    """``cli("run", "mine.toml")``: the command line in this process, and how it ended."""
    from ercfw.cli import main

    def call(*words: str | Path) -> Result:
        monkeypatch.setattr(sys, "argv", ["ercfw", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        printed = capsys.readouterr()
        ended = Result(code, printed.out, printed.err)
        if code == 2:
            messages.keep(request.node.path, [messages.plain(message, tmp_path) for message in ended.errors])
        return ended

    return call


@pytest.fixture
def forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers of ``ablate`` start at once, for tests that are not about processes."""
    from tests import forked

    monkeypatch.setattr("ercfw.experiment.executors.run_command", forked.work)


@pytest.fixture
def tiny_recipe(tmp_path: Path) -> Callable[..., Path]:
    """A recipe's file that trains in a moment: ``data`` is put into its [data], ``more`` at its end ([train])."""

    def write(more: str = "", *, data: str = "", top: str = "", name: str = "tiny") -> Path:
        path = tmp_path / f"{name}.toml"
        path.write_text(top + TINY_RECIPE.format(data=data, more=more), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="module")
def kept() -> dict[str, tuple[Path, Any]]:
    """What ``once`` keeps: a copy of a working directory and a result, by the name of the function that made them."""
    return {}


@pytest.fixture
def once(
    kept: dict[str, tuple[Path, Any]], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Callable[[], Any]], Any]:
    """``once(make)``: call ``make`` in the first test of a module, and copy the files that it left to each other test.

    It gives the result of ``make``, which must not depend on the test.
    """

    def copy(make: Callable[[], Any]) -> Any:
        name = make.__qualname__
        if name in kept:
            shutil.copytree(kept[name][0], tmp_path, dirs_exist_ok=True, symlinks=True)
        else:
            result, folder = make(), tmp_path_factory.mktemp("once")
            shutil.copytree(tmp_path, folder, dirs_exist_ok=True, symlinks=True)
            kept[name] = folder, result
        return kept[name][1]

    return copy


@pytest.fixture
def plugin_file(tmp_path: Path) -> Callable[..., Path]:
    """A plugin's file in the test's working directory, trusted."""
    from ercfw.registry.plugin_file import read_plugin_file
    from ercfw.registry.trust import trust

    def write(code: str, name: str = "mine") -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(code, encoding="utf-8")
        trust([read_plugin_file(path)])
        return path

    return write


VARIANTS = """
[[variant]]
name = "w/o audio"
set = { data = { modalities = ["text"] } }

[[variant]]
name = "release"
set = { train = { protocol = "release" } }

[[variant]]
name = "others"
set = { data = { seed = 5 } }

[[variant]]
name = "attending"
set = { fusion = { use = "multiattn", layers = 2, heads = 2, ffn = 8 } }
"""


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe's folder of finished runs: base, w-o-audio (three seeds), release, others and attending (one)."""
    from ercfw.experiment.plan import Selection, plan_jobs
    from ercfw.experiment.run_all import RunOptions, run_jobs
    from ercfw.recipe.recipe_file import read_toml
    from ercfw.system.terminal import Terminal

    folder = tmp_path_factory.mktemp("compared")
    path = folder / "tiny.toml"
    recipe = TINY_RECIPE.format(data="", more=VARIANTS).replace('"Tiny"', '"Tiny & small_"')
    path.write_text(recipe.replace("epochs = 1", "epochs = 2"))
    source = read_toml(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ercfw.experiment.outputs.draw_run", lambda *_: [])  # most of a small run's time
        for variants, seeds in ((["base", "w/o audio"], [0, 1, 2]), (["release", "others", "attending"], [0])):
            jobs = plan_jobs(source, Selection(variants=variants, seeds=seeds))
            run_jobs(jobs, RunOptions(folder / "runs"), Terminal(quiet=True, silent=True))
    return folder / "runs" / "tiny"


@pytest.fixture
def left_run(tmp_path: Path) -> Callable[..., Path]:
    """The folder of a made-up finished run, without a model: ``rows`` are its predictions, by column.

    A row names ``conversation``, ``utterance``, ``emotion`` and ``emotion.predicted``; the rest has defaults,
    probabilities too.
    """

    def write(rows: list[dict[str, str]], classes: tuple[str, ...], name: str = "base", **more: object) -> Path:
        folder = tmp_path / "runs" / "made-up" / name / "seed-0"
        folder.mkdir(parents=True)
        probabilities = [f"emotion.p.{each}" for each in classes]
        given = [key for row in rows for key in row]
        columns = [*dict.fromkeys(["split", "speaker", "text", *given, *probabilities])]
        with (folder / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            for row in rows:
                said = dict.fromkeys(probabilities, 0.1 / len(classes))
                said[f"emotion.p.{row['emotion.predicted']}"] = 0.9 + 0.1 / len(classes)
                writer.writerow({"split": "test", "speaker": "Ann", "text": "words", **said, **row})
        metrics = {
            "scores": {"test": {"emotion": {"accuracy": 0.5}}}, "title": "Made up", "variant": name, "seed": 0,
            "protocol": "dev", "select": "emotion.accuracy", "chosen_on": "dev", "stamps": [], "notes": [],
            "data": {"source": "a table", "simulated": False, "files": {}}, "sizes": {"train": {"utterances": 1}},
            "parameters": 1, "seconds": 1.0, "folder": str(folder), **more,
        }  # fmt: skip
        (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
        return folder

    return write
