"""Write a new plugin: a package, or a single file with a recipe."""

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from ercfw.contract.targets import TargetKind
from ercfw.errors import InputError, did_you_mean
from ercfw.registry.catalog import KINDS, Catalog
from ercfw.system.files import write_text
from ercfw.system.version import VERSION

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
RECIPE: Mapping[str, Mapping[str, Any]] = {
    "data": {"use": "simulated", "conversations": 40, "modalities": ["text", "audio"]},
    "encoder": {"default": {"use": "linear", "width": 32}},
    "fusion": {"use": "concat"},
    "head": {"emotion": {"use": "linear"}},
    "loss": {"cross-entropy": {}},
    "train": {"epochs": 3, "lr": 1e-2},
}
"""A short run on simulated conversations, with a target of classes."""
OTHER_TARGETS: Mapping[str, tuple[str, str, str]] = {
    "regression": ("affect", "mse", "mae"),
    "multilabel": ("moods", "bce", "label-macro-f1"),
}
"""The simulated target of each other kind, with a loss and a metric that serve it."""
OF_TARGETS = ("dataset", "head", "loss", "metric", "model")
"""The kinds of parts that know what a target is."""


def new_plugin(catalog: Catalog, name: str, kind: str, folder: Path, target: TargetKind = "classes") -> list[Path]:
    """Write a package: module, tests, recipe, README and ``pyproject.toml``.

    Args:
        catalog: the installed plugins; their names are taken.
        name: the name of the part in recipes, in kebab-case.
        kind: such as ``fusion``.
        folder: the folder of the package; it must be new or empty.
        target: the kind of target that a dataset has, or that a head, loss, metric or model serves.

    Returns:
        the files.

    Raises:
        InputError: the name is invalid or taken, there is no such kind, the folder is not empty, or parts of this
            kind do not know the targets.
    """
    words = _words(catalog, name, kind, target)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError.at(folder, "exists and is not an empty folder", "name another one: --to FOLDER")
    written = {
        f"{words['module']}.py": _filled(_template(kind, target), words),
        f"tests/test_{words['module']}.py": _filled("test.py", words),
        "pyproject.toml": _filled("pyproject.toml", words),
        "README.md": _filled("README.md", words),
    }
    if kind != "format":
        written["recipe.toml"] = _recipe(name, kind, target, [])
    return _write(folder, written)


def new_single_file(catalog: Catalog, name: str, kind: str, folder: Path, target: TargetKind = "classes") -> list[Path]:
    """Write a plugin file and a recipe that uses it; the arguments are those of ``new_plugin``.

    Returns:
        the files.

    Raises:
        InputError: the name is invalid or taken, there is no such kind, one of the files exists, or parts of this
            kind do not know the targets.
    """
    words = _words(catalog, name, kind, target)
    written = {f"{words['module']}.py": _filled(_template(kind, target), words)}
    if kind != "format":
        written[f"{words['module']}.toml"] = _recipe(name, kind, target, [f"./{words['module']}.py"])
    taken = [folder / path for path in written if (folder / path).exists()]
    if taken:
        raise InputError.at(taken[0], "exists already", "name another folder: --to FOLDER")
    return _write(folder, written)


def _write(folder: Path, written: Mapping[str, str]) -> list[Path]:
    for path, text in written.items():
        write_text(folder / path, text)
    return [folder / path for path in written]


def _words(catalog: Catalog, name: str, kind: str, target: TargetKind) -> dict[str, str]:
    """Return the words to put into the templates."""
    if kind not in KINDS:
        raise InputError.at(f"--kind {kind}", "there is no such kind", did_you_mean(kind, KINDS))
    if target != "classes" and kind not in OF_TARGETS:
        hint = f"leave it out, or write a {', '.join(OF_TARGETS[:-1])} or {OF_TARGETS[-1]}"
        raise InputError.at(f"--target {target}", f"a part of kind {kind} does not know the targets", hint)
    if not NAME.fullmatch(name):
        raise InputError.at(
            f"new plugin {name}",
            "is not a valid name for a part",
            "small letters, digits and hyphens, such as gated-sum",
        )
    if name in catalog.names(kind):
        raise InputError.at(
            f"new plugin {name}",
            f"{kind} '{name}' exists already",
            f"another name; see it with ercfw show {kind} {name}",
        )
    module = name.replace("-", "_")
    title = name.replace("-", " ").capitalize()
    made = "".join(part.capitalize() for part in name.split("-"))
    run = "ercfw data import " + name + " FILES --to FOLDER" if kind == "format" else "ercfw run recipe.toml"
    tested = module if kind == "metric" else made
    serves = "" if target == "classes" else f'\n    serves = ("{target}",)'
    return {"name": name, "kind": kind, "module": module, "Class": made, "function": module, "tested": tested,
            "title": title, "version": VERSION, "run": run, "serves": serves}  # fmt: skip


def _template(kind: str, target: TargetKind) -> str:
    """Return the template of a part: its own for a kind of target, if there is one."""
    own = f"{kind}-{target}.py"
    return own if files("ercfw.registry.scaffold").joinpath("templates", f"{own}.txt").is_file() else f"{kind}.py"


def _filled(template: str, words: Mapping[str, str]) -> str:
    text = files("ercfw.registry.scaffold").joinpath("templates", f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(words)


def _recipe(name: str, kind: str, target: TargetKind, plugins: list[str]) -> str:
    """Return a recipe of a short run on simulated conversations that uses the part."""
    import tomlkit

    base = {**RECIPE}
    asked = "emotion"
    if target != "classes":
        asked, loss, metric = OTHER_TARGETS[target]
        base["data"] = {**RECIPE["data"], "targets": [asked]}
        base["head"], base["loss"] = {asked: {"use": "linear"}}, {loss: {}}
        base["train"] = {**RECIPE["train"], "select": f"{asked}.{metric}"}
    part, train = {"use": name}, base["train"]
    swapped: dict[str, dict[str, Any]] = {
        "encoder": {"encoder": {"default": part}},
        "context": {"context": {"default": part}},
        "fusion": {"fusion": part},
        "head": {"head": {asked: part}},
        "loss": {"loss": {name: {}}},
        "metric": {"train": {**train, "select": f"{asked}.{name}"}},
        "extractor": {"features": {"text": part}},
        "dataset": {"data": {**part, "modalities": ["text"]}},
        "model": {"model": part},
        "optimizer": {"train": {**train, "optimizer": name}},
        "schedule": {"train": {**train, "schedule": name}},
        "sampler": {"train": {**train, "sampler": part}},
        "callback": {"callback": {name: {}}},
    }
    tables = {**base, **swapped[kind]}
    if kind == "model":
        tables = {key: value for key, value in tables.items() if key not in ("encoder", "fusion", "head")}
    if kind == "dataset":
        del tables["fusion"]
    head = {"schema": 1, "title": f"Try {name}", **({"plugins": plugins} if plugins else {})}
    return tomlkit.dumps({**head, **tables})
