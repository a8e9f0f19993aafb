"""What a report is made of, whatever its form."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Grid:
    """A table; the cells of its first column name the rows.

    Attributes:
        header: the columns' headings.
        rows: cells.
        bold: the places (row, column) of cells that stand out.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    bold: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """Remarks, one after another."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Code:
    """What can be typed."""

    text: str


@dataclass(frozen=True)
class Picture:
    """A picture.

    Attributes:
        name: of its file, without an ending.
        tells: what it shows, for those who do not see it.
        figure: drawn.
    """

    name: str
    tells: str
    figure: Figure


@dataclass(frozen=True)
class PictureFile:
    """A picture in a file beside the report.

    Attributes:
        name: of the file.
    """

    name: str


Block = Grid | Paragraph | Bullets | Code | Picture | PictureFile


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block]
