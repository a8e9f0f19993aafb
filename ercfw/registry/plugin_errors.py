"""What would mend a plugin that cannot be loaded."""

import importlib.metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pluggy import PluginValidationError

from ercfw.errors import cause_of
from ercfw.system.version import VERSION


def check_version(dist: importlib.metadata.Distribution) -> None:
    """Whether a plugin's distribution is for this version of ercfw, by what it declares.

    Raises:
        TypeError: it needs another.
    """
    for needed in map(Requirement, dist.requires or []):
        if canonicalize_name(needed.name) != "ercfw" or (needed.marker and not needed.marker.evaluate({"extra": ""})):
            continue
        if not needed.specifier.contains(VERSION, prereleases=True):
            raise TypeError(f"{dist.name} {dist.version} needs {needed}, not {VERSION}: change the version of either")


def with_hint(error: BaseException) -> str:
    """What loading a plugin raised, in one line, and what would mend it where that can be known."""
    text = cause_of(error)
    if isinstance(error, PluginValidationError):
        first, *_, last = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"{first}: {last}"
    if not isinstance(error, ImportError) or not error.name:
        return text
    if error.name.partition(".")[0] == "ercfw":
        return f"{text}; ercfw {VERSION} has no such name: change the version of ercfw or of the plugin"
    if isinstance(error, ModuleNotFoundError):
        return f"{text}; install the package that brings '{error.name}'"
    return text
