"""The command group ``ercfw data``."""

import typer

from ercfw.cli.app import app

data_app = typer.Typer(
    name="data",
    help="Corpora, features, cues: import, export, fetch, check, stats.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(data_app)
