"""Check plugins and describe their errors, with hints on how to fix them."""

import importlib.metadata
from collections.abc import Mapping
from typing import Any, NamedTuple

from pluggy import PluginManager, PluginValidationError

from ercfw.contract.hooks import PLUGIN_API
from ercfw.errors import cause_of, did_you_mean
from ercfw.system.version import VERSION

API = "ercfw_plugin_api"
"""The attribute by which a plugin states the version of the plugin interface that it was written for."""


class Origin(NamedTuple):
    """The distribution that installed a plugin: its name, its version, and the requirements that concern ercfw."""

    name: str
    version: str
    requires: list[str]

    @classmethod
    def of(cls, dist: importlib.metadata.Distribution) -> "Origin":
        """Read the metadata of a distribution: the standard library parses them anew for each attribute."""
        # Parsing all requirements would take a quarter of the time of loading the plugins.
        ours = [line for line in dist.requires or [] if line.lower().startswith("ercfw")]
        return cls(dist.name, dist.version, ours)


def check_version(origin: Origin) -> None:
    """Check that the declared requirements of a plugin's distribution allow this version of ercfw.

    Raises:
        TypeError: it requires another version.
    """
    if not origin.requires:
        return
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    for needed in map(Requirement, origin.requires):
        if canonicalize_name(needed.name) != "ercfw" or (needed.marker and not needed.marker.evaluate({"extra": ""})):
            continue
        if not needed.specifier.contains(VERSION, prereleases=True):
            plugin = f"{origin.name} {origin.version}"
            raise TypeError(f"{plugin} requires {needed}, but ercfw {VERSION} is installed: change one version")


def check_api(plugin: Any) -> None:
    """Check that a plugin was not written for a newer plugin interface; stating a version is optional.

    Raises:
        TypeError: it was written for a newer one, or the version that it states is invalid.
    """
    stated = getattr(plugin, API, PLUGIN_API)
    if type(stated) is not int or stated < 1:
        raise TypeError(f"{API} is {stated!r}, but must be a whole number from 1 to {PLUGIN_API}")
    if stated > PLUGIN_API:
        raise TypeError(
            f"was written for plugin API {stated}, but ercfw {VERSION} has plugin API {PLUGIN_API}: upgrade ercfw, "
            "or install an older version of the plugin"
        )


def check_hooks(manager: PluginManager, plugin: str, renamed: Mapping[str, str]) -> list[str]:
    """Return warnings about the hooks that a plugin implements: unknown ones, and deprecated ones.

    Args:
        manager: the manager with which the plugin is registered.
        plugin: the name of the plugin.
        renamed: the deprecated hooks with their current names; a plugin that implements both, to support older
            versions of ercfw, causes no warning.

    Raises:
        TypeError: it implements no hook of this version of ercfw.
    """
    callers = manager.get_hookcallers(manager.get_plugin(plugin)) or []
    if not callers:
        raise TypeError("implements no hook of ercfw (is @hookimpl missing?)")
    implemented = {caller.name for caller in callers}
    known = [name for name, caller in vars(manager.hook).items() if caller.has_spec()]
    unknown, warnings = [], []
    for caller in callers:
        if caller.spec is not None:
            if caller.spec.warn_on_impl and renamed.get(caller.name) not in implemented:
                warnings.append(str(caller.spec.warn_on_impl))
        elif not all(implementation.optionalhook for implementation in caller.get_hookimpls()):
            unknown.append(f"there is no hook '{caller.name}' in ercfw {VERSION} ({did_you_mean(caller.name, known)})")
    if unknown and not implemented.intersection(known):
        raise TypeError(f"implements no hook of ercfw: {unknown[0]}")
    silence = "it is never called; @hookimpl(optionalhook=True) silences this warning"
    return warnings + [f"{text}: {silence}" for text in unknown]


def with_hint(error: BaseException) -> str:
    """Return the error from loading a plugin as one line, with a hint where the fix is known."""
    text = cause_of(error)
    if isinstance(error, PluginValidationError):
        first, *_, last = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"{first}: {last}"
    if not isinstance(error, ImportError) or not error.name:
        return text
    if error.name.partition(".")[0] == "ercfw":
        return f"{text}; ercfw {VERSION} has no such name: use another version of ercfw or of the plugin"
    if isinstance(error, ModuleNotFoundError):
        return f"{text}; install the package that provides '{error.name}'"
    return text
