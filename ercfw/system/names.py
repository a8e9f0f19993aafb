"""Names of files and folders, made from names that people give, in any script."""

import re
import unicodedata

LONGEST_NAME = 200
"""Maximum number of bytes of a folder's name in UTF-8; file systems allow 255, and a hash must fit behind it."""
RESERVED = re.compile(r"con|prn|aux|nul|(com|lpt)[1-9]")
"""Names that Windows gives to devices; a folder with such a name could not be copied there."""


def slug(name: str) -> str:
    """Return a name as the name of a folder: ``w/o SWFC`` -> ``w-o-swfc``, ``仅 text`` -> ``仅-text``.

    It keeps the letters, digits and symbols of every script, and of ASCII the letters and digits. Forms that look the
    same, such as full-width letters or accents that are signs of their own, give the same name.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    found = "-".join(re.sub(r"[^a-z0-9]", _beyond_ascii, folded).split())
    return f"{found}_" if RESERVED.fullmatch(found) else found


def _beyond_ascii(sign: re.Match[str]) -> str:
    """Return a sign that a folder's name keeps; a space for any other."""
    is_kept = not sign[0].isascii() and unicodedata.category(sign[0])[0] in "LMNS"
    return sign[0] if is_kept else " "


def size(name: str) -> int:
    """Return the number of bytes of a file's name."""
    return len(name.encode("utf-8", "surrogatepass"))


def shortened(name: str) -> str:
    """Return the beginning of a file's name, at most ``LONGEST_NAME`` bytes."""
    return name.encode("utf-8", "surrogatepass")[:LONGEST_NAME].decode("utf-8", "ignore")
