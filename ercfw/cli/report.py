"""``ercfw report``."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from ercfw.cli.app import Trust, app, plugin_policy, show_outside
from ercfw.system.writable import PAGES, check_file, check_folder


@app.command(epilog="ercfw report runs/mosi/base/seed-0 --open  |  ercfw report runs/mosi  |  "
             "ercfw report runs/mosi/base runs/mosi/text --out mosi.html --pictures paper")  # fmt: skip
def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, of variants, or of recipes.", metavar="RUN...")],
    out: Annotated[
        Path | None, typer.Option(help="The .html file; report.html in the runs' folder unless set.")
    ] = None,
    pictures: Annotated[Path | None, typer.Option(help="A folder for every picture, as PNG, SVG and PDF.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    trust: Trust = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show only warnings, errors and results.")] = False,
) -> None:
    """Write one HTML page about finished runs.

    It has scores, pictures, and every conversation with its predictions.
    """
    if out is not None:
        check_file("--out", out, PAGES)
    if pictures is not None:
        check_folder("--pictures", pictures)
    from ercfw.report.write_report import default_path, write_page
    from ercfw.results.finished_run import find_groups
    from ercfw.system.terminal import Terminal

    groups = find_groups(runs)
    path = out or default_path(runs)
    terminal = Terminal(quiet=quiet)
    for group in groups:
        show_outside(group.first.folder, terminal.info)
    with terminal.progress() as bars:
        warnings = write_page(groups, path, bars.or_lines, plugin_policy(trust), pictures)
    for warning in warnings:
        terminal.warning(warning)
    print(f"report: {path}")
    if show:
        webbrowser.open(path.absolute().as_uri())
