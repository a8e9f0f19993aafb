"""Render a report as one self-contained HTML file, with its styles, script, pictures and data."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from ercfw.contract.stamps import MEANING, SIMULATED
from ercfw.report.blocks import Block, Bullets, Card, Code, Grid, Paragraph, Picture, PictureFile, Section
from ercfw.report.plots.style import as_svg
from ercfw.system.version import VERSION

FOLDER = files("ercfw.report") / "templates"
NUMBER = re.compile(r"[-+]?[\d.,]+( ?[%sM]| MB)?( ± [\d.]+)?( \[.*\].*)?|-|")
"""A number with its unit, its deviation, or its interval and p-value."""
LETTERS, LONGEST_HEADING, LONGEST_CELL, GAP = 66, 20, 40, 2
"""Numbers of letters: in a line of half a page, in a heading and in a cell before they wrap, and between columns."""


@dataclass(frozen=True)
class Page:
    """The content of a report, from top to bottom.

    Attributes:
        title: the name of what was run.
        subtitle: the protocol, the data and the number of runs.
        stamps: the stamps that the page must show.
        cards: the headline numbers.
        top: the sections before the conversations.
        browser: the conversations, as ``browser_data`` returns them; {} if there are none to show.
        below: the sections after the conversations.
        warnings: what failed while the page was made; the notes of the page hold it, too.
        cards_note: what the intervals of the cards are over.
        unshown: pictures of what the page shows in another form; they can be exported with the others.
    """

    title: str
    subtitle: str
    stamps: Sequence[str]
    cards: Sequence[Card]
    top: Sequence[Section]
    browser: Mapping[str, Any] = field(default_factory=dict)
    below: Sequence[Section] = ()
    warnings: Sequence[str] = ()
    cards_note: str = ""
    unshown: Sequence[Picture] = ()

    @property
    def pictures(self) -> list[Picture]:
        """Return all pictures that can be exported."""
        blocks = [block for section in (*self.top, *self.below) for block in section.blocks]
        return [*(block for block in blocks if isinstance(block, Picture)), *self.unshown]


def as_html(page: Page) -> str:
    """Return the text of the file. All texts of users are escaped, and only the script of the report may run."""
    script = (FOLDER / "report.js").read_text(encoding="utf-8")
    digest = hashlib.sha256(script.encode()).digest()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((FOLDER / "report.html").read_text(encoding="utf-8"))
    anchors: dict[str, int] = {}
    return template.render(
        title=page.title,
        subtitle=page.subtitle,
        stamps=[(stamp, MEANING.get(stamp, "")) for stamp in page.stamps],
        simulated=SIMULATED in page.stamps,
        cards=page.cards,
        cards_note=page.cards_note,
        top=[_section(section, anchors) for section in page.top],
        below=[_section(section, anchors) for section in page.below],
        has_browser=bool(page.browser),
        left_out=page.browser.get("left_out", 0),
        css=(FOLDER / "report.css").read_text(encoding="utf-8"),
        script=script,
        script_hash=base64.b64encode(digest).decode(),
        data=in_script(page.browser or {"splits": []}),
        version=VERSION,
    )


def in_script(data: Mapping[str, Any]) -> str:
    """Return JSON that cannot close the script element that holds it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _section(section: Section, anchors: dict[str, int]) -> dict[str, Any]:
    """Return a section as the template reads it, with a unique anchor."""
    anchor = "on-" + re.sub(r"\W+", "-", section.title.lower()).strip("-")
    anchors[anchor] = anchors.get(anchor, 0) + 1
    panels = _panels(section.blocks)
    is_only = sum(not _is_lead(blocks[0]) for blocks in panels) == 1
    return {
        "title": section.title,
        "anchor": anchor if anchors[anchor] == 1 else f"{anchor}-{anchors[anchor]}",
        "panels": [_panel(blocks, is_only) for blocks in panels],
    }


def _panels(blocks: Sequence[Block]) -> list[list[Block]]:
    """Group blocks to panels, which fill the columns of the page: a table or picture, and the texts before it."""
    panels: list[list[Block]] = [[]]
    for block in blocks:
        panels[-1].append(block)
        if not isinstance(block, Paragraph) or block.is_lead:
            panels.append([])
    return list(filter(None, panels))


def _panel(blocks: Sequence[Block], is_only: bool) -> dict[str, Any]:
    return {"is_wide": is_only or any(map(_is_wide, blocks)), "blocks": list(map(_block, blocks))}


def _is_lead(block: Block) -> bool:
    return isinstance(block, Paragraph) and block.is_lead


def _is_wide(block: Block) -> bool:
    """Return whether a block needs the width of the page."""
    if isinstance(block, Grid):
        headings = [min(LONGEST_HEADING, len(heading)) for heading in block.header]
        rows = [[min(LONGEST_CELL, len(cell)) for cell in row] for row in block.rows]
        letters: int = sum(GAP + max(column) for column in zip(headings, *rows, strict=True))
        return letters > LETTERS
    return _is_lead(block)


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Grid(header, rows, bold):
            cells = [
                [(text, _classes(text, (y, x) in bold)) for x, text in enumerate(row)] for y, row in enumerate(rows)
            ]
            return {"kind": "grid", "header": _headings(header, rows), "rows": cells}
        case Bullets(lines):
            return {"kind": "bullets", "lines": lines}
        case Code(text):
            return {"kind": "code", "text": text}
        case Picture(name, description, figure):
            # Texts, lines and ticks are black: let them follow the light or dark theme of the page.
            svg = as_svg(figure, name).replace("#000000", "currentColor")
            return {"kind": "picture", "description": description, "svg": svg}
        case PictureFile(name):
            return {"kind": "paragraph", "text": name}
        case Paragraph(text, _):
            return {"kind": "paragraph", "text": text}


def _headings(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[tuple[str, bool]]:
    """Return each heading, and whether its column holds only numbers and is therefore aligned to the right."""
    columns = zip(*rows, strict=True) if rows else ([] for _ in header)
    are_numbers = [all(NUMBER.fullmatch(text) for text in column) for column in columns]
    return [
        (heading, x > 0 and is_number) for x, (heading, is_number) in enumerate(zip(header, are_numbers, strict=True))
    ]


def _classes(text: str, is_bold: bool) -> str:
    return " ".join([*(["number"] if NUMBER.fullmatch(text) else []), *(["bold"] if is_bold else [])])
