"""The wheel alone, far from the checkout, is all that a user needs."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
SHIPPED = ("ercfw", "plugins", "recipes", "pyproject.toml", "README.md", "LICENSE")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling", reason="hatchling builds the wheel")
    copy = tmp_path_factory.mktemp("copy")
    for name in SHIPPED:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, copy / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", "."]
    ended = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (path,) = (copy / "dist").glob("*.whl")
    return path


def test_it_holds_the_packages_the_recipes_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    packages = {"ercfw", *(path.name for path in (CHECKOUT / "plugins").glob("ercfw_*"))}
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == packages
    recipes = {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "recipes").rglob("*.toml")}
    assert {name.removeprefix("ercfw/") for name in names if name.endswith(".toml")} == recipes
    assert {name.split("/")[0] for name in names if name.endswith("/py.typed")} == packages
    assert not [name for name in names if "test" in Path(name).stem.split("_")]


def test_it_runs_a_shipped_recipe_by_name(wheel, tmp_path):
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    beside = [str(CHECKOUT), str(CHECKOUT / "plugins")]  # where an editable install would find it
    start = (
        f"import sys; sys.path = [p for p in sys.path if p not in {beside}]; "
        f"import ercfw; assert ercfw.__file__.startswith({str(site)!r}); "
        "from ercfw.cli import main; main()"
    )
    small = ["data.use=simulated", "data.conversations=12", "train.epochs=1", "train.device=cpu", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", start, "run", "multiemo_meld", *small],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    (metrics,) = json.loads(ended.stdout)
    assert (metrics["recipe"], metrics["stamps"]) == ("multiemo_meld", ["SIMULATED"])
    assert (tmp_path / metrics["folder"] / "report.md").is_file()
