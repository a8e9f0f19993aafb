"""The versions of libraries that ``pyproject.toml`` allows."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

CHECKOUT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ALLOWED = [
    Requirement(text)
    for texts in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for text in texts
    if not text.startswith("ercfw[")
]
PINNED = dict(
    line.split("==") for line in (CHECKOUT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line
)
TOO_OLD = [
    ("typer", "0.15.0"),  # knows no Literal
    ("typer", "0.18.0"),
    ("webvtt-py", "0.5.0"),  # does not tell who speaks a caption
    ("av", "14.0.0"),  # has no Disposition
    ("av", "17.0.0"),  # shifts Opus in Matroska by 5 ms
    ("matplotlib", "3.8.0"),  # built for NumPy 1
    ("h5py", "3.8.0"),  # built for NumPy 1
    ("submitit", "1.5.3"),  # needs pkg_resources, which setuptools has no longer
    ("opensmile", "2.5.0"),  # has no IS09
    ("transformers", "5.2.0"),  # the layers of Whisper return tuples
]


@pytest.mark.parametrize("allowed", ALLOWED, ids=str)
def test_the_version_of_the_tests_is_allowed_and_there_is_an_oldest_one(allowed):
    assert PINNED[allowed.name] in allowed.specifier
    assert any(bound.operator in (">=", "==") for bound in allowed.specifier)


@pytest.mark.parametrize(("name", "version"), TOO_OLD)
def test_a_version_that_does_not_work_is_not_allowed(name, version):
    bounds = [allowed.specifier for allowed in ALLOWED if allowed.name == name]
    assert bounds
    assert not any(version in bound for bound in bounds)
