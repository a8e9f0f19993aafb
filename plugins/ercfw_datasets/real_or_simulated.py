"""Whether a corpus' own files are read, or conversations in its shape are drawn in their place."""

import os
from pathlib import Path

from ercfw import InputError, is_folder


def real_root(root: Path | None, default: Path, corpus: str) -> Path | None:
    """The folder to read a corpus from; None when nothing real was named or is at the default place.

    A folder that was named is read whatever is in it, and so is a default place with anything in it: what
    is missing there is an error of the reader, so that real and simulated data never mix.

    Raises:
        InputError: the environment says ``ERCFW_REQUIRE_REAL=1``, and there is nothing real.
    """
    if root is not None:
        if not is_folder(root):
            raise InputError.at("[data] root", f"there is no folder {root}", f"the folder of {corpus}'s files")
        return root
    if default.is_dir() and any(not path.name.startswith(".") for path in default.iterdir()):
        return default
    if os.environ.get("ERCFW_REQUIRE_REAL", "0") not in ("", "0"):
        raise InputError.at(
            "[data] root",
            f"{corpus} is not at {default}, and ERCFW_REQUIRE_REAL forbids simulated data in its place",
            "set root to the folder of its files",
        )
    return None
