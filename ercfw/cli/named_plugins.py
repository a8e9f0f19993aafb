"""Plugin files that a command names with ``--plugin``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ercfw.errors import InputError

if TYPE_CHECKING:
    from ercfw.registry.catalog import Catalog

NamedPlugins = Annotated[list[Path] | None, typer.Option("--plugin", help="A plugin file to load; repeatable.")]


def load_named(paths: list[Path] | None) -> "Catalog":
    """Load the installed plugins and these files, which the user trusts by naming them.

    Raises:
        InputError: a file is missing or broken.
    """
    from ercfw.registry.catalog import load_catalog
    from ercfw.registry.plugin_file import plugin_files
    from ercfw.registry.trust import PluginFiles, admit

    files = plugin_files([str(path) for path in paths or []], Path(), "--plugin")
    catalog = load_catalog(admit(files, PluginFiles.TRUST, "--plugin"))
    if broken := catalog.broken_files("--plugin"):
        raise InputError(broken)
    return catalog
