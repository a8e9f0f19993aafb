"""The command line under the names that ercfw 0.2 deprecated; remove this file, with its uses, in ercfw 0.4."""

from typing import Annotated

import typer

from ercfw.cli.app import show_warnings
from ercfw.errors import InputError

FormerLayout = Annotated[str | None, typer.Option("--layout", hidden=True)]


def current_kind(kind: str) -> str:
    """Return the current name of a kind; show a warning if the name is a former one."""
    from ercfw.contract import former_names

    return former_names.current_kind(kind, lambda warning: show_warnings([str(warning)]))


def chosen_format(format_name: str | None, layout: str | None) -> str | None:
    """Return the value of ``--format``, or that of ``--layout``, its former name, with a warning.

    Raises:
        InputError: both options are given.
    """
    from ercfw.contract.former_names import former_name

    if layout is None:
        return format_name
    if format_name is not None:
        raise InputError.at("--layout", "is the former name of --format, which is given too", "remove --layout")
    show_warnings([str(former_name("--layout", instead="--format"))])
    return layout
