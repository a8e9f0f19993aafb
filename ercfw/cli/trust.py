"""``ercfw trust``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ercfw.cli.app import app

if TYPE_CHECKING:
    pass


@app.command(epilog="ercfw trust runs/mine  |  ercfw trust mine.toml  |  ercfw trust --forget mine.py  |  ercfw trust")
def trust(
    places: Annotated[
        list[Path] | None,
        typer.Argument(help="Plugin files, recipes, runs, or folders of them; none = list.", metavar="[PATH]..."),
    ] = None,
    forget: Annotated[bool, typer.Option("--forget", help="Trust them no longer.")] = False,
) -> None:
    """Trust plugin files, so that commands may run them.

    This machine remembers their content. A file that changes must be trusted again.
    """
    from ercfw.errors import InputError, shown
    from ercfw.experiment.find_plugin_files import find_plugin_files
    from ercfw.registry import trust as trust_list

    if not places:
        if forget:
            raise InputError.at("--forget", "names no plugin file", "ercfw trust --forget PATH")
        for digest, place in trust_list.trusted().items():
            print(f"{digest}  {shown(place)}")
        return
    files = find_plugin_files(places)
    if forget:
        trust_list.forget(file.sha256 for file in files)
    else:
        trust_list.trust(files)
    for file in files:
        print(f"{'no longer trusted' if forget else 'trusted'}: {shown(str(file.path))} (sha256 {file.sha256})")
