"""The building blocks of a report, independent of its output format."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Grid:
    """A table whose first column names the rows.

    Attributes:
        header: the headings of the columns.
        rows: the cells of each row.
        bold: the cells in bold, as (row, column).
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    bold: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Paragraph:
    """Plain text.

    Attributes:
        text: the text.
        is_lead: whether it is about the whole section, not only about the table or picture after it.
    """

    text: str
    is_lead: bool = False


@dataclass(frozen=True)
class Bullets:
    """A bulleted list."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Code:
    """Text to enter in a terminal."""

    text: str


@dataclass(frozen=True)
class Picture:
    """A picture.

    Attributes:
        name: the name of its file, without the suffix.
        description: what it shows; the caption on a page.
        figure: the drawn figure.
    """

    name: str
    description: str
    figure: Figure


@dataclass(frozen=True)
class PictureFile:
    """A picture in a file beside the report.

    Attributes:
        name: the name of the file.
    """

    name: str


@dataclass(frozen=True)
class Card:
    """A headline number.

    Attributes:
        name: what the number is.
        value: the number.
        notes: what to compare it with, each with its number: its interval, controls, other splits.
    """

    name: str
    value: str
    notes: Sequence[tuple[str, str]] = ()


Block = Grid | Paragraph | Bullets | Code | Picture | PictureFile


@dataclass(frozen=True)
class Section:
    """A heading, and the blocks below it."""

    title: str
    blocks: Sequence[Block]
