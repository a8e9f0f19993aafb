"""Names of files and folders, made from names that people give."""

import re

LONGEST_NAME = 200
"""Maximum number of characters of a folder's name; a hash must fit behind it."""


def slug(name: str) -> str:
    """Return a name as the name of a folder: ``w/o SWFC`` -> ``w-o-swfc``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
