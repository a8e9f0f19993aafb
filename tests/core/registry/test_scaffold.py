"""``ercfw new plugin``: the files that it writes work unchanged."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ercfw.registry.catalog import KINDS, load_catalog
from ercfw.registry.plugin_file import read_plugin_file
from ercfw.testing import check_part

CHECKOUT = Path(__file__).resolve().parents[3]
OF_TARGETS = [
    (kind, target) for kind in ("dataset", "head", "loss", "metric", "model") for target in ("regression", "multilabel")
]
"""The parts that know what a target is, and the kinds of targets besides classes."""
EVERY = [*((kind, "classes") for kind in KINDS), *OF_TARGETS]


@pytest.mark.parametrize(("kind", "target"), EVERY)
def test_a_single_file_passes_the_kit_and_its_recipe_is_valid(kind, target, cli, tmp_path):
    words = () if target == "classes" else ("--target", target)
    result = cli("new", "plugin", "my-part", "--kind", kind, "--single-file", *words)
    assert result.code == 0, result
    written = result.out.split()
    assert written == ["my_part.py", *([] if kind == "format" else ["my_part.toml"])]
    found = load_catalog([read_plugin_file(tmp_path / "my_part.py")])
    report = check_part(kind, found.find(kind, "my-part", "").factory)
    assert not report.of("failed"), report
    assert target == "classes" or kind == "dataset" or target in report.notes[0]
    if kind != "format":
        validated = cli("validate", "my_part.toml")
        assert validated.code == 0, validated
        assert "warning" not in validated.out
        used = tomllib.loads((tmp_path / "my_part.toml").read_text())
        assert "my-part" in str({key: value for key, value in used.items() if key != "title"})


@pytest.mark.parametrize("kind", KINDS)
def test_a_package(kind, cli, tmp_path):
    assert cli("new", "plugin", "my-part", "--kind", kind).code == 0
    folder = tmp_path / "my-part"
    about = tomllib.loads((folder / "pyproject.toml").read_text())
    assert about["project"]["entry-points"]["ercfw"] == {"my_part": "my_part"}
    compile((folder / "tests" / "test_my_part.py").read_text(), "test", "exec")
    readme = (folder / "README.md").read_text()
    assert f"ercfw show {kind} my-part" in readme
    assert "$" not in readme
    assert (folder / "recipe.toml").exists() == (kind != "format")


def test_a_dataset_of_another_kind_of_target_declares_it(cli, tmp_path):
    for target in ("regression", "multilabel"):
        cli("new", "plugin", target, "--kind", "dataset", "--single-file", "--target", target).check(0)
        made = load_catalog([read_plugin_file(tmp_path / f"{target}.py")]).find("dataset", target, "").factory()
        assert [of.kind for of in made.targets.values()] == [target]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "target"), EVERY)
def test_its_own_tests_pass_and_its_code_is_clean(kind, target, cli, tmp_path):
    """In processes of their own, as its author would run them; the recipe of a single file trains."""
    assert cli("new", "plugin", "my-part", "--kind", kind, "--target", target).code == 0
    folder = tmp_path / "my-part"

    def run(*words):
        ended = subprocess.run([sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, timeout=300)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    assert "1 passed" in run("pytest", "-p", "no:cacheprovider")
    run("ruff", "check", "--config", CHECKOUT / "pyproject.toml", "my_part.py")
    if kind != "format":
        assert cli("new", "plugin", "my-part", "--kind", kind, "--target", target, "--single-file").code == 0
        trained = cli("run", "my_part.toml", "--quiet")
        assert trained.code == 0, trained


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("my-part", "--kind", "fussion"), "--kind fussion: there is no such kind..did you mean 'fusion'?"),
        (("My_Part", "--kind", "fusion"), "new plugin My_Part: is not a valid name for a part"),
        (("gated-sum", "--kind", "fusion"), "fusion 'gated-sum' exists already..ercfw show fusion gated-sum"),
        (("my-part", "--kind", "fusion", "--to", "full"), "full: exists and is not an empty folder"),
        (("taken", "--kind", "fusion", "--single-file", "--to", "full"), "taken.py: exists already"),
        (
            ("my-part", "--kind", "fusion", "--target", "regression"),
            "--target regression: a part of kind fusion does not know the targets..write a dataset, head, loss, metric",
        ),
        (("my-part", "--kind", "fusion", "--to", "full/taken.py/x"), "is not a folder that can be written to"),
    ],
)
def test_invalid_requests_write_nothing(cli, tmp_path, words, says):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "taken.py").write_text("mine")
    cli("new", "plugin", *words).check(2, says)
    assert (tmp_path / "full" / "taken.py").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
