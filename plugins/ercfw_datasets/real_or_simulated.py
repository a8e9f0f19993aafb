"""The decision whether a corpus is read from its files, or conversations in its shape are simulated instead."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from ercfw import InputError, is_file, is_folder


def real_root(root: Path | None, default: Path, corpus: str) -> Path | None:
    """Return the folder from which to read a corpus; None = there is nothing real to read.

    A folder that the recipe names is always read, and so is a default folder that contains anything. Missing files are
    then errors of the reader, so that real and simulated data never mix.

    Raises:
        InputError: if the named folder does not exist, what is at the default place cannot be read, or
            ``ERCFW_REQUIRE_REAL=1`` is set and there is nothing real.
    """
    if root is not None:
        if not is_folder(root):
            raise InputError.missing(
                "[data] root", f"there is no folder {root}", f"set it to the folder of {corpus}'s files"
            )
        return root
    if is_file(default):
        raise InputError.at(default, "is a file", f"replace it with the folder of {corpus}'s files, or remove it")
    if is_folder(default) and any(not path.name.startswith(".") for path in default.iterdir()):
        return default
    if os.environ.get("ERCFW_REQUIRE_REAL", "0") not in ("", "0"):
        raise InputError.missing(
            "[data] root",
            f"{corpus} is not at {default}, and ERCFW_REQUIRE_REAL forbids simulated data in its place",
            "set root to the folder of its files",
        )
    return None


def check_can_be_simulated(targets: Sequence[str], simulated: Collection[str], default: Path) -> None:
    """Check that simulated conversations have all targets of a recipe.

    Args:
        targets: those of the recipe.
        simulated: those that can be simulated.
        default: the folder that would contain the corpus.

    Raises:
        InputError: if one of them cannot be simulated.
    """
    real = next((name for name in targets if name not in simulated), None)
    if real is not None:
        what = f"'{real}' cannot be simulated, and nothing is at {default}"
        raise InputError.missing("[data] targets", what, "set root to the folder of the corpus' files")
