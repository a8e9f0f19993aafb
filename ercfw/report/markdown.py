"""Render sections as Markdown."""

from collections.abc import Iterable, Sequence

from ercfw.report.blocks import Block, Bullets, Code, Grid, Paragraph, Picture, PictureFile, Section


def as_markdown(title: str, stamps: Iterable[str], sections: Iterable[Section]) -> str:
    """Return a whole document, with each of ``stamps`` highlighted below its title."""
    lines = [f"# {title}", ""]
    for stamp in stamps:
        lines += [f"> {stamp}", ""]
    for section in sections:
        lines += section_lines(section)
    return "\n".join(lines).rstrip() + "\n"


def section_lines(section: Section) -> list[str]:
    """Return the lines of a section, the last one empty."""
    return [f"## {section.title}", "", *(line for block in section.blocks for line in [*_lines(block), ""])]


def _lines(block: Block) -> list[str]:
    match block:
        case Grid(header, rows, bold):
            cells = [
                [f"**{cell}**" if (y, x) in bold else cell for x, cell in enumerate(row)] for y, row in enumerate(rows)
            ]
            return markdown_table(header, cells)
        case Paragraph(text, _):
            return [text]
        case Bullets(lines):
            return [f"- {line}" for line in lines]
        case Code(text):
            return ["```", text, "```"]
        case PictureFile(name):
            return [f"![{name}]({name})"]
        case Picture(_, description, _):
            return [f"(picture: {description})"]


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    safe = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in (header, *rows)]
    lines = [f"| {' | '.join(row)} |" for row in safe]
    return [lines[0], "|---" * len(header) + "|", *lines[1:]]
