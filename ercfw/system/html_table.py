"""A plain HTML table, as notebooks show it."""

from collections.abc import Collection, Sequence
from html import escape


def html_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], bold: Collection[tuple[int, int]] = ()
) -> str:
    """Return a table with a caption; ``bold`` lists the (row, column) of bold cells. All text is escaped."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(_cell(text, (y, x) in bold) for x, text in enumerate(row))}</tr>" for y, row in enumerate(rows)
    )
    return f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str, is_bold: bool) -> str:
    return f"<td><b>{escape(text)}</b></td>" if is_bold else f"<td>{escape(text)}</td>"
