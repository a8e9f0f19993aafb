"""Fonts for the texts of pictures: installed fonts give the letters that matplotlib's own font lacks."""

import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, findSystemFonts, fontManager, get_font
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

MOST_NAMED = 8
"""Maximum number of letters that a hint names."""
BOXES = ("lastresort", "adobeblank", "unicodebmpfallback")
"""Beginnings of the names of fonts that draw every letter as a box."""
REGULAR = ("regular", "book", "roman", "normal", "medium", "w3")
"""Styles of a font that is neither bold nor italic."""


class MissingGlyphs(UserWarning):
    """A picture shows boxes in place of letters that no installed font has."""

    def __init__(self, letters: Iterable[str]) -> None:
        self.letters = frozenset(letters)
        named = sorted(self.letters)[:MOST_NAMED]
        more = f" and {len(self.letters) - len(named)} more" if len(self.letters) > len(named) else ""
        super().__init__(
            f"pictures have boxes for {' '.join(named)}{more}, because no installed font has these letters; "
            "install one that has them, such as Noto Sans CJK for Chinese, Japanese and Korean"
        )


@contextmanager
def hint_of_glyphs(show: Callable[[str], None]) -> Iterator[None]:
    """Call ``show`` once, after the block, if its pictures lacked letters, in place of a warning for each of them."""
    letters: set[str] = set()
    with warnings.catch_warnings():
        before = warnings.showwarning

        def collect(message: Warning | str, category: type[Warning], *rest: object) -> None:
            if isinstance(message, MissingGlyphs):
                letters.update(message.letters)
            else:
                before(message, category, *rest)  # type: ignore[arg-type]

        warnings.simplefilter("always", MissingGlyphs)
        warnings.showwarning = collect  # type: ignore[assignment]
        yield
    if letters:
        show(str(MissingGlyphs(letters)))


@contextmanager
def complete_fonts(figure: Figure) -> Iterator[frozenset[str]]:
    """Give a figure's texts fonts with all their letters, and yield the letters that no installed font has.

    matplotlib's own warnings about these letters are not shown during the block.
    """
    texts: list[Text] = figure.findobj(Text)
    default = get_font(findfont(FontProperties()))
    missing = frozenset(
        sign for text in texts for sign in text.get_text() if _is_drawn(sign) and not _has(default, sign)
    )
    families, left = _fallback(missing) if missing else ((), missing)
    for text in texts if families else ():
        text.set_fontfamily(list(dict.fromkeys([*text.get_fontfamily(), *families])))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from")
        warnings.filterwarnings("ignore", r"Matplotlib currently does not support .* natively")
        yield left


def _is_drawn(sign: str) -> bool:
    """Return whether a sign needs a glyph; spaces, joiners and selectors of a form do not."""
    return unicodedata.category(sign)[0] not in "CZ" and not 0xFE00 <= ord(sign) <= 0xFE0F


def _has(font: FT2Font, sign: str) -> bool:
    return bool(font.get_char_index(ord(sign)))


@dataclass(frozen=True)
class _Font:
    """An installed font and the letters that it can add."""

    path: Path
    family: str
    style: str
    letters: frozenset[str]

    @property
    def rank(self) -> tuple[bool, bool, str, Path]:
        """Return a key that puts regular fonts without serifs first."""
        return self.style.lower() not in REGULAR, "sans" not in self.family.lower(), self.family, self.path


@cache
def _fallback(missing: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the families of as few installed fonts as have these letters, and the letters that none has.

    The fonts are searched anew, because matplotlib's list of them may be older than a font.
    """
    known = {Path(entry.fname) for entry in fontManager.ttflist}
    opened = (_open(path, missing) for path in {*known, *map(Path, findSystemFonts())})
    fonts = sorted((font for font in opened if font is not None and font.letters), key=lambda font: font.rank)
    families: list[str] = []
    while best := max(fonts, key=lambda font: len(font.letters & missing), default=None):
        if not best.letters & missing:
            break
        if best.path not in known:
            fontManager.addfont(best.path)
        families.append(best.family)
        missing -= best.letters
    return tuple(families), missing


def _open(path: Path, letters: frozenset[str]) -> _Font | None:
    """Return a font that draws letters of any size; None for bitmaps, boxes and damaged files."""
    try:
        font = FT2Font(str(path))
        is_box = font.family_name.lower().replace(" ", "").lstrip(".").startswith(BOXES)
    except (OSError, RuntimeError, UnicodeError, ValueError):
        return None
    if is_box or not font.scalable:
        return None
    return _Font(path, font.family_name, font.style_name, frozenset(sign for sign in letters if _has(font, sign)))
