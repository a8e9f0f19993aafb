"""Pages of the documentation site that are made from other files, and from the code: ``make docs``."""

import re
from importlib.metadata import distribution
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import ercfw
from ercfw.catalog import GROUP, KINDS, Component, load_catalog
from ercfw.describe import Description, Option, describe_part

CHECKOUT = Path(__file__).resolve().parents[1]
TOP_PAGES = {
    "README.md": "index.md", "examples/README.md": "examples.md", "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}  # fmt: skip
TITLES = {
    "dataset": "Datasets", "layout": "Layouts", "extractor": "Extractors", "encoder": "Encoders",
    "context": "Contexts", "fusion": "Fusions", "head": "Heads", "loss": "Losses", "metric": "Metrics",
}  # fmt: skip


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """MkDocs' call for further pages."""
    pages = {name: from_top(source) for source, name in TOP_PAGES.items()}
    pages |= {f"reference/{kind}.md": kind_page(kind) for kind in TITLES}
    pages["reference/python.md"] = python_page()
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """MkDocs' call for each page: links from ``docs/`` to what lies outside of it."""
    return markdown.replace("](../examples/README.md)", "](examples.md)")


def from_top(source: str) -> str:
    """A page of the checkout's top folder, its links as they are in the site."""
    text = (CHECKOUT / source).read_text(encoding="utf-8").replace("](docs/", "](").replace("](LICENSE)", "](#)")
    for name, page in TOP_PAGES.items():
        text = text.replace(f"]({name})", f"]({page})")
    return text


def shipped(kind: str) -> list[Component]:
    """The parts of a kind that this project's own plugins offer."""
    ours = {entry.name for entry in distribution("ercfw").entry_points.select(group=GROUP)}
    return [component for component in load_catalog().components(kind) if component.plugin in ours]


def kind_page(kind: str) -> str:
    """Every shipped part of a kind."""
    base = KINDS[kind][1]
    contract = f"Their contract is [`{base.__name__}`](python.md#ercfw.{base.__name__}). " if base else ""
    parts = "\n\n".join(part_section(describe_part(component)) for component in shipped(kind))
    elsewhere = f"`ercfw show {kind} NAME` tells the same of any that is installed."
    return f"# {TITLES[kind]}\n\n{contract}{elsewhere}\n\n{parts}\n"


def part_section(told: Description) -> str:
    """One part: docstring, table of options, shapes."""
    file = Path(told.file.rpartition(",")[0]).resolve().relative_to(CHECKOUT)
    rows = "\n".join(map(row, told.options))
    table = f"| Option | May be | Default | |\n|---|---|---|---|\n{rows}" if rows else "No options."
    made = f"Made with `{', '.join([*told.made_with, '*, options'])}`." if told.made_with else ""
    pieces = [f"## {told.name}", f"`{file}`. {made}", markdown(told.says), table, markdown(told.shapes)]
    return "\n\n".join(piece for piece in pieces if piece)


def markdown(docstring: str) -> str:
    """A docstring as Markdown: literal blocks and sections are all that differ."""
    text = re.sub(r"::$", ":", docstring, flags=re.MULTILINE)
    return re.sub(r"^(\s*)(\w+):\n((?:\1 +.*\n?|\n)+)", section, text, flags=re.MULTILINE)


def section(found: re.Match[str]) -> str:
    """``Raises:`` and what is indented below it, as a paragraph."""
    lines = [line.strip() for line in found[3].strip().splitlines()]
    return f"**{found[2]}:** {' '.join(lines)}\n"


def row(option: Option) -> str:
    """A line of the table of options."""
    default = "must be given" if option.default is None else f"`{option.default}`"
    cells = (f"`{option.name}`", option.may_be, default, option.meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def python_page() -> str:
    """All that imports from ``ercfw``, the conformance kit, and the pictures."""
    names = sorted(ercfw.__all__, key=str.lower)
    sections = "\n\n".join(f"::: ercfw.{name}" for name in names)
    about = "What a plugin is made of; all of it imports from `ercfw`."
    return f"# Python\n\n{about}\n\n{sections}\n\n::: ercfw.testing\n\n::: ercfw.plots\n"
