"""Control characters in texts: most are letters or punctuation that a program decoded wrongly."""

import re

from ercfw.errors import InputError

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Every control character except tabs and line ends."""
_SPACES = "\x0b\x0c\x1c\x1d\x1e\x1f"
"""Separators of lines, pages and records: Excel writes a line break in a cell as U+000B."""
_MISREAD = re.compile("\xe2[\x80-\x84][\x80-\xbf]|\xf0\x9f[\x80-\xbf]{2}")
"""UTF-8 of punctuation or of an emoji that was decoded as Latin-1; no language writes these characters in a row."""
_LETTER = re.compile("[\xc2\xc3][\x80-\xbf]")
"""The same of a letter. These two characters may be right, so they are decoded only beside such punctuation."""


class Repair:
    """Replaces control characters by what they stand for, and counts them.

    U+0080 to U+009F are characters of cp1252 that were decoded as Latin-1, such as the quotes in MELD's first files.
    They may also be parts of UTF-8 that was decoded as Latin-1. Separators become spaces. All other control characters
    are removed, because tokenizers ignore or mistake them and nobody sees them.

    Attributes:
        replaced: the number of characters that were replaced by letters or punctuation.
        removed: the number of other control characters.
    """

    def __init__(self) -> None:
        self.replaced = 0
        self.removed = 0

    def __call__(self, text: str) -> str:
        """Return the text without control characters, except tabs and line ends."""
        if CONTROL.search(text) is None:
            return text
        if _MISREAD.search(text):
            text = _LETTER.sub(self._decode, _MISREAD.sub(self._decode, text))
        return CONTROL.sub(self._replace, text)

    def warnings(self, where: object) -> list[str]:
        """Return what was repaired, for the reader to show once per file."""
        found = []
        if self.replaced:
            what = "control characters replaced by the letters or punctuation that they stand for in cp1252 or UTF-8"
            found.append(f"{where}: {what}: {self.replaced}")
        if self.removed:
            found.append(f"{where}: control characters without a meaning, removed: {self.removed}")
        return found

    def _decode(self, found: re.Match[str]) -> str:
        self.replaced += 1
        return found[0].encode("latin1").decode("utf-8")

    def _replace(self, found: re.Match[str]) -> str:
        character = found[0]
        meant = character.encode("latin1").decode("cp1252", errors="ignore") if character >= "\x80" else ""
        if meant:
            self.replaced += 1
            return meant
        self.removed += 1
        return " " if character in _SPACES else ""


def check_text(where: str, text: str) -> None:
    """Check that a text can be encoded. A program may give, or a pickle hold, halves of characters.

    Raises:
        InputError: it contains the half of a character.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        what = f"contains U+{ord(text[error.start]):04X}, which is half of a character and no text"
        raise InputError.at(where, what, "remove it, or replace it by the whole character") from error
