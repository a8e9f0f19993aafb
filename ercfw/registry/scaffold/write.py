"""Write a new plugin: a package, or a single file with a recipe."""

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

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


def new_plugin(catalog: Catalog, name: str, kind: str, folder: Path) -> list[Path]:
    """Write a package: module, tests, recipe, README and ``pyproject.toml``.

    Args:
        catalog: the installed plugins; their names are taken.
        name: the name of the part in recipes, in kebab-case.
        kind: such as ``fusion``.
        folder: the folder of the package; it must be new or empty.

    Returns:
        the files.

    Raises:
        InputError: the name is invalid or taken, there is no such kind, or the folder is not empty.
    """
    words = _words(catalog, name, kind)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError.at(folder, "exists and is not an empty folder", "name another one: --to FOLDER")
    written = {
        f"{words['module']}.py": _filled(f"{kind}.py", words),
        f"tests/test_{words['module']}.py": _filled("test.py", words),
        "pyproject.toml": _filled("pyproject.toml", words),
        "README.md": _filled("README.md", words),
    }
    if kind != "format":
        written["recipe.toml"] = _recipe(name, kind, [])
    return _write(folder, written)


def new_single_file(catalog: Catalog, name: str, kind: str, folder: Path) -> list[Path]:
    """Write a plugin file and a recipe that uses it; the arguments are those of ``new_plugin``.

    Returns:
        the files.

    Raises:
        InputError: the name is invalid or taken, there is no such kind, or one of the files exists.
    """
    words = _words(catalog, name, kind)
    written = {f"{words['module']}.py": _filled(f"{kind}.py", words)}
    if kind != "format":
        written[f"{words['module']}.toml"] = _recipe(name, kind, [f"./{words['module']}.py"])
    taken = [folder / path for path in written if (folder / path).exists()]
    if taken:
        raise InputError.at(taken[0], "exists already", "name another folder: --to FOLDER")
    return _write(folder, written)


def _write(folder: Path, written: Mapping[str, str]) -> list[Path]:
    for path, text in written.items():
        write_text(folder / path, text)
    return [folder / path for path in written]


def _words(catalog: Catalog, name: str, kind: str) -> dict[str, str]:
    """Return the words to put into the templates."""
    if kind not in KINDS:
        raise InputError.at(f"--kind {kind}", "there is no such kind", did_you_mean(kind, KINDS))
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
    return {"name": name, "kind": kind, "module": module, "Class": made, "function": module, "tested": tested,
            "title": title, "version": VERSION, "run": run}  # fmt: skip


def _filled(template: str, words: Mapping[str, str]) -> str:
    text = files("ercfw.registry.scaffold").joinpath("templates", f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(words)


def _recipe(name: str, kind: str, plugins: list[str]) -> str:
    """Return a recipe of a short run on simulated conversations that uses the part."""
    import tomlkit

    part = {"use": name}
    swapped: dict[str, dict[str, Any]] = {
        "encoder": {"encoder": {"default": part}},
        "context": {"context": {"default": part}},
        "fusion": {"fusion": part},
        "head": {"head": {"emotion": part}},
        "loss": {"loss": {name: {}}},
        "metric": {"train": {**RECIPE["train"], "select": f"emotion.{name}"}},
        "extractor": {"features": {"text": part}},
        "dataset": {"data": {**part, "modalities": ["text"]}},
        "model": {"model": part},
        "optimizer": {"train": {**RECIPE["train"], "optimizer": name}},
        "schedule": {"train": {**RECIPE["train"], "schedule": name}},
        "sampler": {"train": {**RECIPE["train"], "sampler": part}},
        "callback": {"callback": {name: {}}},
    }
    tables = {**RECIPE, **swapped[kind]}
    if kind == "model":
        tables = {key: value for key, value in tables.items() if key not in ("encoder", "fusion", "head")}
    if kind == "dataset":
        del tables["fusion"]
    head = {"schema": 1, "title": f"Try {name}", **({"plugins": plugins} if plugins else {})}
    return tomlkit.dumps({**head, **tables})
