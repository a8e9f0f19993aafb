"""The wheel alone, in a fresh environment and far from the checkout, is all that users and plugin authors need."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from itertools import groupby
from pathlib import Path

import pytest
from packaging.requirements import Requirement

CHECKOUT = Path(__file__).resolve().parents[2]
SHIPPED = ("ercfw", "plugins", "recipes", "pyproject.toml", "README.md", "LICENSE")
FOLLOWED = ("docs/plugin_author.md",)
EXAMPLES = ("ercfw-low-rank", "ercfw-emotion-circle")
SMALL = "data.conversations=12 train.epochs=1"
STRANGERS = {
    "newer": (
        '["ercfw>=99"]',
        "",
        "ercfw-newer 0.1 requires ercfw>=99, but ercfw 0.1.0 is installed: change one version",
    ),
    "lacking": ("[]", "import no_such_library", "install the package that provides 'no_such_library'"),
}

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


@pytest.fixture(scope="module")
def fresh(wheel, tmp_path_factory):
    """Runs a line of a shell in a folder, in an environment that holds the wheel, pytest and pip.

    It holds what these declare as their dependencies too, copied from the environment of the tests, and nothing else.
    """
    folder = tmp_path_factory.mktemp("fresh")
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True, timeout=120)
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "ERCFW", "VIRTUAL"))
    }
    environment |= {"PATH": f"{venv / 'bin'}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}

    def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
        )

    install = f"{sys.executable} -m pip --python {venv}/bin/python install --no-deps"
    if run(f"{install} --no-compile pip", folder).returncode:
        pytest.skip("no package index can be reached")
    copy_what_is_declared(wheel, next(venv.glob("lib/python*/site-packages")))
    for line in (f"{install} {wheel}", "pip check"):
        ended = run(line, folder)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    return run


@pytest.fixture(scope="module")
def examples(fresh, tmp_path_factory):
    """The folder of the examples, which their page has installed and used."""
    folder = tmp_path_factory.mktemp("examples")
    copy = folder / "examples"
    shutil.copytree(CHECKOUT / "examples", copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert follow(copy / "README.md", folder, fresh) == 4
    return copy


def copy_what_is_declared(wheel: Path, target: Path) -> None:
    """Copy pytest, the wheel's dependencies and theirs in turn, which is far faster than to install them again."""
    (itself,) = Distribution.discover(path=[str(wheel)])
    todo = {Requirement("pytest"), *needs(itself, set())}
    seen, copied = set(), set()
    while todo:
        wanted = todo.pop()
        seen.add(wanted)
        found = distribution(wanted.name)
        if found.name not in copied:
            copied.add(found.name)
            copy_files(found, target)
        todo |= needs(found, wanted.extras) - seen


def needs(found: Distribution, extras: set[str]) -> set[Requirement]:
    """What a distribution declares as needed here, with these extras of it."""
    declared = map(Requirement, found.requires or [])
    given = [{"extra": extra} for extra in extras or {""}]
    return {each for each in declared if each.marker is None or any(map(each.marker.evaluate, given))}


def copy_files(found: Distribution, target: Path) -> None:
    """Copy a distribution's files, but for its scripts, which start the Python of their own environment."""
    source = str(found.locate_file(""))
    for folder, files in groupby(sorted(found.files), key=lambda file: file.parent):
        if ".." not in folder.parts:
            (target / folder).mkdir(parents=True, exist_ok=True)
            for file in files:
                shutil.copy2(f"{source}/{file}", f"{target}/{file}")


def follow(page: Path, folder: Path, run) -> int:
    """Write the files that a page shows and run its commands, as they are printed; how many these were."""
    count = 0
    text = page.read_text(encoding="utf-8")
    for kind, title, block in re.findall(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', text, re.MULTILINE | re.DOTALL):
        if title:
            (folder / title).write_text(block, encoding="utf-8")
        for line in block.splitlines() if kind == "bash" else []:
            ended = run(line, folder)
            wanted = re.search(r"# exit code (\d)$", line)
            assert ended.returncode == (int(wanted[1]) if wanted else 0), f"{line}\n{ended.stdout}{ended.stderr}"
            assert "Traceback" not in ended.stderr, line
            assert " passed" in ended.stdout or not line.startswith("python -m pytest"), ended.stdout
            count += 1
    return count


def test_it_holds_the_packages_the_recipes_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    packages = {"ercfw", *(path.name for path in (CHECKOUT / "plugins").glob("ercfw_*"))}
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == packages
    recipes = {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "recipes").rglob("*.toml")}
    assert {name.removeprefix("ercfw/") for name in names if name.endswith(".toml")} == recipes
    assert {name.split("/")[0] for name in names if name.endswith("/py.typed")} == packages
    assert not [name for name in names if "test" in Path(name).stem.split("_")]


def test_the_page_of_the_examples_runs_a_shipped_recipe_by_name(fresh, examples):
    (folder,) = examples.parent.glob("runs/multiemo_meld/base/seed-*")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["recipe"], metrics["stamps"]) == ("multiemo_meld", ["SIMULATED"])
    assert (folder / "report.md").is_file()
    about = json.loads((folder / "environment.json").read_text())
    assert about["plugins"] | {"low-rank": "1.0.0", "emotion-circle": "1.0.0"} == about["plugins"]
    assert fresh("ercfw plugins --strict", examples).returncode == 0


def test_the_environment_holds_neither_the_checkout_nor_what_only_extras_need(fresh, tmp_path):
    where = fresh("python -c 'import ercfw; print(ercfw.__file__)'", tmp_path).stdout
    assert not where.startswith(str(CHECKOUT / "ercfw"))
    assert "No module named 'transformers'" in fresh("python -c 'import transformers'", tmp_path).stderr


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_s_own_page(name, fresh, examples):
    folder = examples / name
    assert follow(folder / "README.md", folder, fresh) >= 4
    assert "python -m pytest\n" in (folder / "README.md").read_text()


def test_the_options_of_an_example_stand_in_the_run_s_recipe(fresh, examples, tmp_path):
    recipe = examples / "ercfw-emotion-circle/recipe.toml"
    place = "'loss.emotion-circle.places.joy={angle = 30}'"
    first = fresh(f"ercfw run {recipe} {place} {SMALL} --json", tmp_path)
    assert first.returncode == 0, first.stderr
    (metrics,) = json.loads(first.stdout)
    again = fresh(f"ercfw run {metrics['folder']}/recipe.toml --out again --json", tmp_path)
    assert json.loads(again.stdout)[0]["scores"] == metrics["scores"]
    shown = json.loads(fresh(f"ercfw show {metrics['folder']}/recipe.toml --json", tmp_path).stdout)
    assert shown["loss"]["emotion-circle"]["places"] == {"joy": {"angle": 30.0, "strength": 1.0}}


@pytest.mark.parametrize("page", FOLLOWED)
def test_a_page_word_by_word_in_an_empty_folder(page, fresh, tmp_path):
    assert follow(CHECKOUT / page, tmp_path, fresh) > 15


def test_packages_that_do_not_work_leave_the_others_alone(fresh, examples, tmp_path):
    for name, (needs, code, _) in STRANGERS.items():
        folder = tmp_path / name
        folder.mkdir()
        example = (CHECKOUT / "examples/ercfw-low-rank/pyproject.toml").read_text()
        (folder / "pyproject.toml").write_text(
            example.replace("low_rank", name).replace("low-rank", name).replace("1.0.0", "0.1")
            .replace('["ercfw>=0.1.0"]', needs)
        )  # fmt: skip
        (folder / "README.md").touch()
        (folder / f"ercfw_{name}.py").write_text(code)
    try:
        ended = fresh("pip install --no-deps ./newer ./lacking", tmp_path)
        assert ended.returncode == 0, ended.stderr
        listed = fresh("ercfw plugins --strict", tmp_path)
        assert listed.returncode == 1
        for _, _, says in STRANGERS.values():
            assert says in listed.stdout
        assert fresh(f"ercfw run {examples}/ercfw-low-rank/recipe.toml {SMALL}", tmp_path).returncode == 0
        needed = fresh("ercfw show fusion newest", tmp_path)
        assert needed.returncode == 2
        assert "plugin 'newer' is broken" in needed.stderr
    finally:
        fresh("pip uninstall --yes ercfw-newer ercfw-lacking", tmp_path)
