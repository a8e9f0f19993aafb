r"""Tables of results as LaTeX (booktabs, siunitx, tabularx): the scores, and the F1 of the classes by itself."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ercfw.contract.metric import Scale
from ercfw.results.comparison.result_table import Cell, ResultLine, ResultTable
from ercfw.results.comparison.significance import Difference
from ercfw.results.points import difference, interval, p_value, points
from ercfw.system.names import slug

MISSING = "{--}"
SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "<": r"$<$",
    ">": r"$>$",
} | {sign: rf"\{sign}" for sign in "&%$#_{}"}
PREAMBLE = r"""% \usepackage{booktabs, siunitx, tabularx}
% \sisetup{separate-uncertainty, detect-weight, mode = text}
"""
LAST_LATIN = 0x24F
OF_EACH = {"f1": "F1 of each class", "label-f1": "F1 of each label", "ccc-each": "CCC of each number"}
OTHER_SCRIPTS = """% Some names are in a script that pdfLaTeX lacks. Compile with LuaLaTeX and a font that has it:
% \\usepackage{fontspec} \\setmainfont{...}
"""
IN_ONE_COLUMN = 1
"""Number of score columns that fit a column of a two-column article beside the differences."""


def as_latex(table: ResultTable) -> str:
    """Return the table as LaTeX: one with the scores and differences, and one with the F1 of the classes."""
    split = len(table.classes)
    title = " ".join([table.title, *table.stamps, table.target, table.split])
    scores = [line.cells[split:] for line in table.lines]
    wide = "*" if len(table.metrics) > IN_ONE_COLUMN else ""
    stamps = "".join(f" [{stamp}]" for stamp in table.stamps)
    caption = f"{table.title}: {table.target}, {table.split}{stamps}."
    parts = [PREAMBLE]
    if table.metrics:
        notes = [caption, *table.score_notes, *table.difference_notes, *table.notes]
        columns = _Columns(table.metrics, scores, _differences(table))
        parts.append(_environment(table, f"table{wide}", _label(title), columns, " ".join(notes)))
    if table.classes:
        columns = _Columns(table.classes, [line.cells[:split] for line in table.lines], {})
        notes = [f"{caption} {OF_EACH.get(table.each, table.each)}.", *table.score_notes, *table.notes]
        parts.append(_environment(table, "table*", _label(f"{title} classes"), columns, " ".join(notes)))
    text = "\n".join(parts)
    return (OTHER_SCRIPTS if any(sign.isalpha() and ord(sign) > LAST_LATIN for sign in text) else "") + text


def _label(title: str) -> str:
    """Return a label in ASCII, which every TeX reads; a hash stands for other letters."""
    name = slug(title)
    if name.isascii():
        return name
    return "-".join([*re.findall("[a-z0-9]+", name), hashlib.sha256(name.encode()).hexdigest()[:8]])


class _Columns(NamedTuple):
    """Columns of scores under their headings, and columns of text."""

    headings: Sequence[str]
    scores: Sequence[Sequence[Cell | None]]
    others: Mapping[str, Sequence[str]]


def _differences(table: ResultTable) -> dict[str, list[str]]:
    """Return the columns of the differences: the difference, its interval and its p; none without differences."""
    if not any(line.difference is not None for line in table.lines):
        return {}
    return {
        r"$\Delta$": [_value(line.difference, table.main_scale) for line in table.lines],
        r"95\,\% interval": [_interval(line.difference, table.main_scale) for line in table.lines],
        "$p$": [_p(line.difference) for line in table.lines],
    }


def _value(found: Difference | None, scale: Scale) -> str:
    return f"${difference(found.value, scale)}$" if found is not None else ""


def _interval(found: Difference | None, scale: Scale) -> str:
    return f"${interval(found.low, found.high, scale, signed=True)}$" if found is not None else ""


def _p(found: Difference | None) -> str:
    return f"${p_value(found.p)}$" if found is not None else ""


def _environment(table: ResultTable, environment: str, label: str, columns: _Columns, caption: str) -> str:
    """Return one table with these columns."""
    scales = [table.scale(heading) for heading in columns.headings]
    forms = [_number_column(*each) for each in zip(zip(*columns.scores, strict=True), scales, strict=False)]
    forms += ["r"] * len(columns.others)
    head = ["", *(f"{{{escaped(heading)}}}" for heading in columns.headings), *columns.others]
    scored = [place for place, cells in enumerate(columns.scores) if any(cell is not None for cell in cells)]
    rows = [
        [
            escaped(table.lines[n].name),
            *map(_score, columns.scores[n], scales),
            *(other[n] for other in columns.others.values()),
        ]
        for n in scored
    ]
    return "\n".join(
        [
            rf"\begin{{{environment}}}",
            r"\centering",
            r"\small",
            r"\setlength{\tabcolsep}{3pt}",
            # Names of lines take the width that the numbers leave, and wrap there.
            rf"\begin{{tabularx}}{{\linewidth}}{{@{{}}>{{\raggedright\arraybackslash}}X{''.join(forms)}@{{}}}}",
            r"\toprule",
            _row(head),
            r"\midrule",
            *_by_origin([table.lines[n] for n in scored], rows),
            r"\bottomrule",
            r"\end{tabularx}",
            rf"\caption{{{escaped(caption)}}}",
            rf"\label{{tab:{label}}}",
            rf"\end{{{environment}}}",
            "",
        ]
    )


def _by_origin(lines: Sequence[ResultLine], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the rows, with a rule where quoted lines end or begin."""
    before: ResultLine | None = None
    for line, row in zip(lines, rows, strict=True):
        if before is not None and before.is_quoted != line.is_quoted:
            yield r"\midrule"
        yield _row(row)
        before = line


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _number_column(cells: Sequence[Cell | None], scale: Scale) -> str:
    """Return siunitx's column for scores as long as these."""
    shown = [cell for cell in cells if cell is not None]
    places = [points(cell.mean, scale=scale).partition(".") for cell in shown]
    whole, decimals = max((len(digits) for digits, _, _ in places), default=2), 2 if scale.in_points else 3
    uncertain = max((len(_deviation(cell, scale)) for cell in shown), default=0)
    return f"S[table-format={whole}.{decimals}{f'({uncertain})' if uncertain else ''}]"


def _deviation(cell: Cell, scale: Scale) -> str:
    """Return a deviation in units of the score's last digit, as siunitx reads it; empty with one seed."""
    units = 10000 if scale.in_points else 1000
    return f"{units * cell.deviation:.0f}" if cell.deviation is not None else ""


def _score(cell: Cell | None, scale: Scale) -> str:
    if cell is None:
        return MISSING
    deviation = f"({_deviation(cell, scale)})" if cell.deviation is not None else ""
    return (r"\bfseries " if cell.is_best else "") + points(cell.mean, scale=scale) + deviation


def escaped(text: str) -> str:
    """Return a text with the signs that TeX would take for its own escaped."""
    return "".join(SPECIAL.get(sign, sign) for sign in text)
