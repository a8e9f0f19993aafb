"""Generate the pages of the documentation site that come from other files or from the code: ``make docs``."""

import re
import sys
from importlib.metadata import distribution
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
# The pages describe the code beside them, even if the environment has another checkout installed. MkDocs restores the
# path when it has loaded this file, so the plugins are loaded here too.
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "plugins")]

# ruff: noqa: E402
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import ercfw
from ercfw.registry.catalog import GROUP, KINDS, Component, load_catalog
from ercfw.registry.describe import Description, Option, describe_part

TOP_PAGES = {
    "README.md": "index.md", "examples/README.md": "examples.md", "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}  # fmt: skip
TITLES = {kind: hook.removeprefix("provide_").capitalize() for kind, (hook, _) in KINDS.items()}

CATALOG = load_catalog()


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages; MkDocs calls this function."""
    pages = {name: from_top(source) for source, name in TOP_PAGES.items()}
    pages |= {f"reference/{kind}.md": kind_page(kind) for kind in TITLES}
    pages["reference/python.md"] = python_page()
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Adapt links from ``docs/`` to files outside it; MkDocs calls this function for each page."""
    return markdown.replace("](../examples/README.md)", "](examples.md)")


def from_top(source: str) -> str:
    """Return a page of the top folder with its links adapted to the site."""
    text = (CHECKOUT / source).read_text(encoding="utf-8").replace("](docs/", "](").replace("](LICENSE)", "](#)")
    for name, page in TOP_PAGES.items():
        text = text.replace(f"]({name})", f"]({page})")
    return text


def shipped(kind: str) -> list[Component]:
    """Return the parts of a kind that the plugins of this project provide."""
    ours = {entry.name for entry in distribution("ercfw").entry_points.select(group=GROUP)}
    return [component for component in CATALOG.components(kind) if component.plugin in ours]


def kind_page(kind: str) -> str:
    """Return the page with every shipped part of a kind."""
    parts = "\n\n".join(part_section(describe_part(component)) for component in shipped(kind))
    elsewhere = f"`ercfw show {kind} NAME` shows the same information for any installed part."
    return f"# {TITLES[kind]}\n\n{contract_of(kind)}{elsewhere}\n\n{parts}\n"


def contract_of(kind: str) -> str:
    """Return a sentence that names the class which parts of a kind extend; empty if they extend none."""
    base = KINDS[kind][1]
    if base is None:
        return ""
    if not hasattr(ercfw, base.__name__):
        return f"The contract is torch's own: `{base.__name__}`. "
    return f"The contract is [`{base.__name__}`](python.md#ercfw.{base.__name__}). "


def part_section(part: Description) -> str:
    """Return the section of one part: docstring, table of options, shapes."""
    path = Path(part.file.rpartition(",")[0]).resolve()
    file = path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else "torch"
    rows = "\n".join(map(row, part.options))
    table = f"| Option | Allowed values | Default | Meaning |\n|---|---|---|---|\n{rows}" if rows else "No options."
    signature = f"Constructor arguments: `{', '.join([*part.constructor, '*, options'])}`." if part.constructor else ""
    pieces = [f"## {part.name}", f"`{file}`. {signature}", markdown(part.docstring), table, markdown(part.shapes)]
    return "\n\n".join(piece for piece in pieces if piece)


def markdown(docstring: str) -> str:
    """Convert a docstring to Markdown; only literal blocks and sections need a change."""
    text = re.sub(r"::$", ":", docstring, flags=re.MULTILINE)
    return re.sub(r"^(\s*)(\w+):\n((?:\1 +.*\n?|\n)+)", section, text, flags=re.MULTILINE)


def section(found: re.Match[str]) -> str:
    """Join ``Raises:`` and the lines indented below it to one paragraph."""
    lines = [line.strip() for line in found[3].strip().splitlines()]
    return f"**{found[2]}:** {' '.join(lines)}\n"


def row(option: Option) -> str:
    """Return one row of the table of options."""
    default = "required" if option.default is None else f"`{option.default}`"
    cells = (f"`{option.name}`", option.may_be, default, option.meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def python_page() -> str:
    """Return the page of the Python API: everything in ``ercfw``, the conformance kit, and the plot functions."""
    names = sorted(ercfw.__all__, key=str.lower)
    sections = "\n\n".join(f"::: ercfw.{name}" for name in names)
    about = "The calls that train, compare and predict, and the classes that plugins use. Import them from `ercfw`."
    return f"# Python\n\n{about}\n\n{sections}\n\n::: ercfw.testing\n\n::: ercfw.plots\n"
