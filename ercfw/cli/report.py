"""``ercfw report``."""

import os
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from ercfw.cli.app import NoPluginFiles, app, check_folder


@app.command(epilog="ercfw report runs/mosi/base/seed-0 --open  |  ercfw report runs/mosi  |  "
             "ercfw report runs/mosi/base runs/mosi/text --out mosi.html --pictures paper")  # fmt: skip
def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, of variants, or of recipes.", metavar="RUN...")],
    out: Annotated[Path | None, typer.Option(help="The file; report.html in the runs' folder unless set.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="A folder for every picture, as PNG and SVG.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    no_plugin_files: NoPluginFiles = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say only warnings, errors and results.")] = False,
) -> None:
    """Make one HTML page of finished runs: scores, pictures, and every conversation with its answers and attention."""
    if out is not None:
        check_folder("--out", out.absolute().parent)
    if pictures is not None:
        check_folder("--pictures", pictures)
    from ercfw.recipe.recipe_file import slug
    from ercfw.report import plots
    from ercfw.report.html import as_html
    from ercfw.report.page import make_page
    from ercfw.results.finished_run import find_groups
    from ercfw.system.files import write_text
    from ercfw.system.terminal import Terminal

    groups = find_groups(runs)
    path = out or Path(os.path.commonpath([folder.absolute() for folder in runs])) / "report.html"
    with Terminal(quiet=quiet).progress() as bars:
        page = make_page(groups, bars.or_lines, not no_plugin_files)
    write_text(path, as_html(page))
    if pictures is not None:
        for number, picture in enumerate(page.pictures, 1):
            for ending in ("png", "svg"):
                plots.save(picture.figure, pictures / f"{number:02}-{slug(picture.name)}.{ending}")
    print(f"report: {path}")
    if show:
        webbrowser.open(path.absolute().as_uri())
