"""What all tests share: a clean place to work in, the command line in-process, and the real data."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

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


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The messages that ended it."""
        assert "Traceback" not in self.out + self.err
        return [line.removeprefix("error: ") for line in self.err.splitlines() if line.startswith("error: ")]

    def check(self, code: int, *expected: str) -> None:
        """It ended so, with a message for each of ``expected``, in any order; ``..`` stands for anything."""
        assert self.code == code, self
        assert len(self.errors) == len(expected), self.errors
        for wanted in expected:
            parts = wanted.split("..")
            assert any(all(part in line for part in parts) for line in self.errors), (wanted, self.errors)


@pytest.fixture(autouse=True)
def clean_place(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's own working directory, an empty cache, and no say from the environment."""
    monkeypatch.setenv("ERCFW_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("ERCFW_REQUIRE_REAL", raising=False)
    monkeypatch.delenv("ERCFW_PLUGINS", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """``real_data("meld")``: the folder of a real corpus; skips where it is absent."""

    def corpus(name: str) -> Path:
        folder = Path(os.environ.get("ERCFW_TEST_DATA", CHECKOUT.parent / "shared" / "data")) / name
        if not folder.is_dir():
            pytest.skip(f"no real data at {folder}")
        return folder

    return corpus


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
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
        return Result(code, printed.out, printed.err)

    return call


@pytest.fixture
def tiny_recipe(tmp_path: Path) -> Callable[..., Path]:
    """A recipe's file that trains in a moment: ``data`` is put into its [data], ``more`` at its end ([train])."""

    def write(more: str = "", *, data: str = "", top: str = "", name: str = "tiny") -> Path:
        path = tmp_path / f"{name}.toml"
        path.write_text(top + TINY_RECIPE.format(data=data, more=more), encoding="utf-8")
        return path

    return write


@pytest.fixture
def plugin_file(tmp_path: Path) -> Callable[..., Path]:
    """A plugin's file in the test's working directory."""

    def write(code: str, name: str = "mine") -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(code, encoding="utf-8")
        return path

    return write
