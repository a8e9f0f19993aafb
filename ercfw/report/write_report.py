"""The HTML page of finished runs, as ``ercfw report`` writes it."""

import os
from collections.abc import Sequence
from pathlib import Path

from ercfw.registry.trust import PluginFiles
from ercfw.report import plots
from ercfw.report.html import as_html
from ercfw.report.page import make_page
from ercfw.report.plots.glyphs import hint_of_glyphs
from ercfw.results.finished_run import Group
from ercfw.system.files import write_text
from ercfw.system.names import shortened, slug
from ercfw.system.progress import Progress
from ercfw.system.writable import PICTURES


def default_path(folders: Sequence[Path]) -> Path:
    """Return ``report.html`` in the folder that all these have in common."""
    return Path(os.path.commonpath([folder.absolute() for folder in folders])) / "report.html"


def write_page(
    groups: Sequence[Group], path: Path, progress: Progress, plugin_files: PluginFiles, pictures: Path | None = None
) -> Sequence[str]:
    """Write the page, and each of its pictures as PNG, SVG and PDF into the folder ``pictures`` if there is one.

    Returns:
        Warnings about what failed while the page was made, and about letters that its pictures lack.

    Raises:
        InputError: the groups cannot be compared, or their files cannot be read.
        RunError: a file cannot be written.
    """
    page = make_page(groups, progress, plugin_files)
    write_text(path, as_html(page))
    hints: list[str] = []
    if pictures is not None:
        with hint_of_glyphs(hints.append):
            for number, picture in enumerate(page.pictures, 1):
                for ending in PICTURES:
                    plots.save(picture.figure, pictures / f"{number:02}-{shortened(slug(picture.name))}{ending}")
    return [*page.warnings, *hints]
