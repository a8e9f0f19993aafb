"""Cross-fitting: runs of which each leaves out a part of the training split, so that together they have seen
every training conversation, and for every one there is one that has not.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ercfw.checkpoint import read_about
from ercfw.contract.conversation import Conversation
from ercfw.errors import InputError
from ercfw.recipe.queries import part_of
from ercfw.recipe.toml import Tables
from ercfw.system.files import is_file


def without_part(train: Sequence[Conversation], leave_out: str) -> list[Conversation]:
    """The training split without a part.

    The parts hang on the conversations' names alone, and differ by at most one conversation in size.

    Raises:
        InputError: there is no such part, or fewer conversations than parts.
    """
    part, parts = part_of(leave_out)
    if len(train) < parts:
        what = f"names one of {parts} parts, but train has {len(train)} conversations"
        raise InputError.at("[data] leave_out", what)
    dealt = sorted((c.id for c in train), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    left_out = set(dealt[part - 1 :: parts])
    return [conversation for conversation in train if conversation.id not in left_out]


def runs_without_parts(folder: Path) -> list[Path]:
    """The runs that ``--cross-fit`` left beside this one: of the same recipe and seed, a part left out of each.

    Raises:
        InputError: there are none, or not all parts.
    """
    recipe = _recipe(folder)
    whole_path = folder.resolve()  # "." has no name, and a name alone no folder above it
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
        what = "has no complete set of runs that leave out a part beside it"
        raise InputError.at(folder, what, "ercfw run RECIPE --cross-fit 5")
    return list(whole[-1].values())


def _recipe(folder: Path) -> Tables:
    path = folder / "model.safetensors"
    if not is_file(path):
        raise InputError.at(f"run {folder}", "holds no finished run", "the folder that a run has left")
    recipe: Tables = read_about(path)["recipe"]
    return recipe
