"""Runs that were each trained without one part of the training split."""

from pathlib import Path

from ercfw.errors import InputError
from ercfw.recipe.identity import without_keys
from ercfw.recipe.queries import part_of
from ercfw.recipe.toml import Tables
from ercfw.results.model_file import read_about
from ercfw.results.run_files import RunFiles
from ercfw.system.files import is_file


def runs_without_parts(folder: Path) -> list[Path]:
    """Return the ``--cross-fit`` runs beside this one: same recipe and seed, each trained without one part.

    Raises:
        InputError: there are none, or the run of a part is missing.
    """
    recipe = _recipe(folder)
    whole_path = folder.resolve()  # "." has no name, and a bare name has no parent folder
    beside = [p.parent for p in sorted(whole_path.parents[1].glob(f"*/{whole_path.name}/model.safetensors"))]
    of: dict[int, dict[int, Path]] = {}
    for other in beside:
        tables = _recipe(other)
        leave_out = tables["data"].pop("leave_out", None)
        if leave_out is not None and tables == recipe:
            part, parts = part_of(leave_out)
            of.setdefault(parts, {})[part] = other
    whole = [found for parts, found in sorted(of.items()) if len(found) == parts]
    if not whole:
        what = "has no complete set of --cross-fit runs beside it"
        raise InputError.at(folder, what, "make them with ercfw run RECIPE --cross-fit 5")
    return list(whole[-1].values())


def _recipe(folder: Path) -> Tables:
    """Return what affects the numbers of a run in its recipe."""
    path = RunFiles(folder).model
    if not is_file(path):
        raise InputError.at(f"run {folder}", "holds no finished run", "name the folder of a finished run")
    return without_keys(read_about(path)["recipe"])
