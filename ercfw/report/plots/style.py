"""The common style of pictures: class colours, text colours, stamps, and file formats."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from io import StringIO
from itertools import cycle
from math import cos, radians, sin
from pathlib import Path
from textwrap import fill

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ercfw.errors import shown
from ercfw.report.plots.glyphs import MissingGlyphs, complete_fonts
from ercfw.system.files import replacing
from ercfw.system.writable import PICTURES, check_ending

LONGEST_CLASS, LONGEST_TITLE = 40, 400
"""Maximum number of characters of a class name, and of a title, in a picture."""
WIDTH = 4.6
"""Width of a picture in inches: its letters stay readable on a telephone, and fill a column of a paper."""
SMALL = 9
"""Size of the smallest letters in points."""
INK = "#1b1b1f"
RED, SLOPE = "#b3261e", 20
"""Colour and slope, in degrees, of a stamp."""

SPLITS = {"train": "#0072B2", "dev": "#E69F00", "test": "#009E73"}
"""Colours of Okabe and Ito (2008), distinct for colour-blind readers and in greyscale."""

GREY, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#c0c0c0", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, YELLOW, GREY)
"""Colours of Okabe and Ito, and grey."""
OF_EMOTION = {
    "neutral": GREY, "no emotion": GREY,
    "joy": ORANGE, "happiness": ORANGE, "happy": ORANGE, "joyful": ORANGE,
    "sadness": BLUE, "sad": BLUE,
    "anger": VERMILION, "angry": VERMILION, "mad": VERMILION,
    "surprise": SKY,
    "fear": PURPLE, "scared": PURPLE, "frustration": PURPLE, "frustrated": PURPLE,
    "disgust": GREEN, "peaceful": GREEN,
    "excitement": YELLOW, "excited": YELLOW, "powerful": YELLOW,
}  # fmt: skip
"""Colours of emotions, the same in the pictures of every corpus."""
UNDATED: Mapping[str, Mapping[str, None]] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""Metadata without which the same picture would be another file each time."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h")


@dataclass(frozen=True)
class Look:
    """The colour and marker of a class; the marker identifies the class in black and white."""

    colour: str
    marker: str


def looks(classes: Sequence[str]) -> list[Look]:
    """Return one look per class: the fixed colour of the emotion if it has one, else the next free colour."""
    taken = {OF_EMOTION[name.lower()] for name in classes if name.lower() in OF_EMOTION}
    free = cycle([colour for colour in COLOURS if colour not in taken] or COLOURS)
    return [
        Look(OF_EMOTION.get(name.lower()) or next(free), marker)
        for name, marker in zip(classes, cycle(MARKERS), strict=False)
    ]


def names_of(classes: Sequence[str]) -> list[str]:
    """Return class names shortened for a picture."""
    return [shown(name, LONGEST_CLASS) for name in classes]


def name_ticks(axes: Axes, classes: Sequence[str], across: bool = False) -> None:
    """Label an axis with class names, with dollar signs as plain text."""
    places = range(len(classes))
    if across:
        axes.set_xticks(places, names_of(classes), rotation=45, ha="right", parse_math=False)
    else:
        axes.set_yticks(places, names_of(classes), parse_math=False)


def titled(figure: Figure, title: str, stamps: Sequence[str]) -> Figure:
    """Add a title, and stamps across the figure; return the figure."""
    figure.suptitle(fill(shown(title, LONGEST_TITLE), int(11 * figure.get_figwidth())), fontsize=10, parse_math=False)
    if stamps:
        text = ", ".join(stamps)
        size = _fitting(text, figure.get_figwidth(), figure.get_figheight())
        figure.text(
            0.5, 0.5, text, color=RED, alpha=0.16, fontsize=size, weight="bold", ha="center", va="center",
            rotation=SLOPE, zorder=100,
        )  # fmt: skip
    return figure


def _fitting(text: str, width: float, height: float) -> float:
    """Return the font size at which a sloping text fits a picture of this size, in inches."""
    long, across, up = (
        0.75 * len(text),
        cos(radians(SLOPE)),
        sin(radians(SLOPE)),
    )  # a letter is about 3/4 as wide as high
    return min(60.0, 72 * 0.85 * width / (long * across + up), 72 * 0.85 * height / (long * up + across))


def save(figure: Figure, path: Path | str) -> None:
    """Write a picture as PNG, SVG or PDF, by the ending of its name. Its metadata hold the title and stamps.

    Raises:
        InputError: the name has another ending.
        RunError: the file cannot be written.
    """
    path = Path(path)
    check_ending("picture", path, PICTURES)
    kind = path.suffix.lower().removeprefix(".")
    title = " ".join(text.get_text().replace("\n", " ") for text in figure.texts)
    FigureCanvasAgg(figure)
    with replacing(path) as temporary, _settings(path.name), complete_fonts(figure) as missing:
        figure.savefig(temporary, format=kind, dpi=120, metadata={"Title": title, **UNDATED[kind]})
    if missing and kind != "svg":  # whatever shows an SVG draws its texts with its own fonts
        warnings.warn(MissingGlyphs(missing), stacklevel=2)


def _settings(salt: str) -> AbstractContextManager[None]:
    """Keep texts as texts; publishers refuse the type 3 fonts that matplotlib puts into PDF by default."""
    return rc_context({"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": salt})


def as_svg(figure: Figure, salt: str) -> str:
    """Return the ``<svg>`` element without its title, with texts as text; ``salt`` makes its ids unique on a page."""
    FigureCanvasAgg(figure)
    written = StringIO()
    with _settings(salt), complete_fonts(figure), _untitled(figure):
        figure.savefig(written, format="svg", transparent=True, metadata=UNDATED["svg"])
    text = written.getvalue()
    return text[text.index("<svg") :]


@contextmanager
def _untitled(figure: Figure) -> Iterator[None]:
    """Hide the title of a figure: a page has a heading and a caption instead."""
    title = figure.get_suptitle()
    titles = [text for text in figure.texts if title and text.get_text() == title]
    for text in titles:
        text.set(visible=False, in_layout=False)
    try:
        yield
    finally:
        for text in titles:
            text.set(visible=True, in_layout=True)
