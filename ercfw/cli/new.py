"""``ercfw new plugin``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ercfw.cli.app import app
from ercfw.cli.kind_argument import singular
from ercfw.system.writable import check_folder

new_app = typer.Typer(
    name="new",
    help="Create a part of your own: new plugin.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(new_app)


@new_app.callback()
def _group() -> None:
    """Create a part of your own."""


@new_app.command(
    epilog="ercfw new plugin my-gate --kind fusion  |  ercfw new plugin my-gate --kind fusion --single-file"
)
def plugin(
    name: Annotated[str, typer.Argument(help="The name that recipes will use, such as my-gate.")],
    kind: Annotated[str, typer.Option(help="What it is: 'ercfw ls' lists the kinds.")],
    to: Annotated[Path | None, typer.Option(help="The folder; NAME by default, or here for a single file.")] = None,
    target: Annotated[
        Literal["classes", "regression", "multilabel"],
        typer.Option(help="The kind of target of a dataset, or that a head, loss, metric or model serves."),
    ] = "classes",
    single_file: Annotated[bool, typer.Option("--single-file", help="One file and a recipe, no package.")] = False,
) -> None:
    """Write a working part with passing tests, for you to change."""
    from ercfw.registry.catalog import load_catalog
    from ercfw.registry.scaffold import new_plugin, new_single_file
    from ercfw.registry.trust import PluginFiles, admit

    folder = to or (Path() if single_file else Path(name))
    check_folder("--to", folder.absolute().parent)
    write = new_single_file if single_file else new_plugin
    written = write(load_catalog(), name, singular(kind), folder, target)
    if single_file:
        admit([path for path in written if path.suffix == ".py"], PluginFiles.TRUST, f"new plugin {name}")
    for path in written:
        print(path)
