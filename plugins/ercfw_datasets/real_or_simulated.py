"""The decision whether a corpus is read from its files, or conversations in its shape are simulated instead."""

import os
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
            raise InputError.at(
                "[data] root", f"there is no folder {root}", f"set it to the folder of {corpus}'s files"
            )
        return root
    if is_file(default):
        raise InputError.at(default, "is a file", f"replace it with the folder of {corpus}'s files, or remove it")
    if is_folder(default) and any(not path.name.startswith(".") for path in default.iterdir()):
        return default
    if os.environ.get("ERCFW_REQUIRE_REAL", "0") not in ("", "0"):
        raise InputError.at(
            "[data] root",
            f"{corpus} is not at {default}, and ERCFW_REQUIRE_REAL forbids simulated data in its place",
            "set root to the folder of its files",
        )
    return None
