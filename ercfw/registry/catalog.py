"""Find plugins, set broken ones aside, and look up the names that plugins offer."""

import importlib.metadata
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pluggy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ercfw.contract import hooks, interfaces, training_parts
from ercfw.contract.file_format import FileFormat
from ercfw.errors import InputError, Mistake, cause_of, did_you_mean
from ercfw.recipe.train_tables import SHORT_SCHEDULES
from ercfw.registry.options import options_model
from ercfw.registry.plugin_errors import Origin, check_api, check_hooks, check_version, with_hint
from ercfw.registry.plugin_file import PluginFile
from ercfw.registry.torch_parts import check_torch_part, torch_base
from ercfw.registry.wiring import arguments_for, wired_places

GROUP = "ercfw"
CHOICE = "ERCFW_PLUGINS"
"""The environment variable that selects which installed plugins are loaded."""
KINDS: Mapping[str, tuple[str, Any]] = {
    "dataset": ("provide_datasets", interfaces.Dataset),
    "format": ("provide_formats", FileFormat),
    "extractor": ("provide_extractors", interfaces.Extractor),
    "encoder": ("provide_encoders", interfaces.Encoder),
    "context": ("provide_contexts", interfaces.Context),
    "fusion": ("provide_fusions", interfaces.FusionBlock),
    "head": ("provide_heads", interfaces.Head),
    "loss": ("provide_losses", interfaces.Loss),
    "metric": ("provide_metrics", None),
    "model": ("provide_models", interfaces.Model),
    "optimizer": ("provide_optimizers", Optimizer),
    "schedule": ("provide_schedules", LRScheduler),
    "sampler": ("provide_samplers", training_parts.Sampler),
    "callback": ("provide_callbacks", training_parts.Callback),
}
RENAMED_HOOKS: Mapping[str, str] = {"provide_layouts": "provide_formats"}
"""The deprecated names of ``provide_*`` hooks, which still work, with the current name of each."""
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Component:
    """Something a plugin offers: ``kind`` and ``name`` as recipes write them, and its class (or function)."""

    kind: str
    name: str
    factory: Any
    plugin: str


@dataclass
class Plugin:
    """A plugin that was found.

    Attributes:
        name: the name of the entry point or of the file.
        version: the version of its distribution; for a file, the start of its hash.
        origin: where it was found.
        components: what it offers; empty if it is broken.
        failure: why it is broken; None if it works.
        warnings: problems that do not stop it from working: unknown hooks, deprecated hooks.
    """

    name: str
    version: str
    origin: str
    components: list[Component] = field(default_factory=list)
    failure: str | None = None
    warnings: list[str] = field(default_factory=list)
    manager: pluggy.PluginManager | None = None


class Catalog:
    """The components of all working plugins, by kind and name.

    Attributes:
        plugins: all plugins that were found, including broken ones.
        files: the plugins that come from plugin files.
    """

    def __init__(self, plugins: Iterable[Plugin], files: Iterable[Path] = ()) -> None:
        self.plugins = list(plugins)
        self.files = tuple(files)
        self._owners: dict[tuple[str, str], list[Component]] = {}
        for component in (component for plugin in self.plugins for component in plugin.components):
            self._owners.setdefault((component.kind, component.name), []).append(component)

    def names(self, kind: str) -> list[str]:
        """Return the names of a kind, sorted."""
        return sorted(name for owned, name in self._owners if owned == kind)

    def components(self, kind: str) -> list[Component]:
        """Return the components of a kind whose name only one plugin claims, sorted."""
        return [self._owners[kind, n][0] for n in self.names(kind) if len(self._owners[kind, n]) == 1]

    def find(self, kind: str, name: str, where: str) -> Component:
        """Return the component with this name.

        Raises:
            InputError: no plugin offers it, or several plugins do.
        """
        owners = self._owners.get((kind, name), [])
        if len(owners) == 1:
            return owners[0]
        if owners:
            hint = f"rename it in one of them, or block one with {CHOICE}=-{owners[-1].plugin}"
            raise InputError.at(where, _claimed(owners), hint)
        known = [*self.names(kind), *(SHORT_SCHEDULES if kind == "schedule" else ())]
        raise InputError.at(where, f"there is no {kind} named '{name}'", self.instead(name, known))

    def instead(self, name: str, known: Iterable[str]) -> str:
        """Return a hint for a name that no working plugin offers; a broken plugin may offer it."""
        broken = [f"plugin '{plugin.name}' is broken: {plugin.failure}" for plugin in self.plugins if plugin.failure]
        return "; ".join([*broken, did_you_mean(name, known)])

    def broken_files(self, where: str) -> list[Mistake]:
        """Return a mistake for each plugin file that cannot be loaded."""
        named = {str(path) for path in self.files}
        broken = [plugin for plugin in self.plugins if plugin.failure and plugin.origin in named]
        return [Mistake(where, f"{plugin.origin} cannot be loaded: {plugin.failure}") for plugin in broken]

    @property
    def warnings(self) -> list[str]:
        """Return the warnings about working plugins, each with the plugin's name."""
        return [f"plugin '{plugin.name}': {warning}" for plugin in self.plugins for warning in plugin.warnings]

    def claimed_twice(self) -> list[str]:
        """Return the names that several plugins offer, with those plugins."""
        return [_claimed(owners) for owners in self._owners.values() if len(owners) > 1]

    def call(self, hook: str, **arguments: Any) -> list[str]:
        """Call an event hook of every plugin and return the failures; a failure does not stop the other calls."""
        return self.ask(hook, **arguments)[1]

    def ask(self, hook: str, **arguments: Any) -> tuple[list[Any], list[str]]:
        """Call a hook of every plugin; return the results and the failures."""
        answers, failures = [], []
        for plugin in self.plugins:
            if plugin.manager is None:
                continue
            try:
                answers += getattr(plugin.manager.hook, hook)(**arguments)
            except Exception as error:
                failures.append(f"plugin '{plugin.name}': {hook} failed: {cause_of(error)}")
        return answers, failures


def _claimed(owners: Iterable[Component]) -> str:
    owners = list(owners)
    both = " and ".join(f"'{owner.plugin}'" for owner in owners)
    return f"{owners[0].kind} '{owners[0].name}' is offered by {both}"


def load_catalog(files: Iterable[PluginFile] = ()) -> Catalog:
    """Load the installed plugins and these plugin files, which ``admit`` let through; broken ones are set aside.

    ``ERCFW_PLUGINS=basics,mine`` loads only these installed plugins; ``ERCFW_PLUGINS=-mine`` loads all but that.

    Raises:
        InputError: that variable names a plugin that is not installed.
    """
    entries = _chosen(sorted(_entry_points(), key=lambda entry: entry.name))
    origins = {dist: Origin.of(dist) for dist in {entry.dist for entry in entries if entry.dist}}
    plugins = [_load_entry_point(entry, origins[entry.dist] if entry.dist else None) for entry in entries]
    files = tuple(files)
    return Catalog(plugins + [_load_file(file) for file in files], [file.path for file in files])


def construct(kind: str, factory: Any, wired: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Construct a part of a kind.

    ``wired`` holds a value for each positional parameter of its base class; the part gets those that it takes.

    Raises:
        TypeError: the part takes something that the core does not pass.
    """
    return factory(*arguments_for(factory, KINDS[kind][1], wired), **options)


def _chosen(entries: Sequence[importlib.metadata.EntryPoint]) -> Sequence[importlib.metadata.EntryPoint]:
    """Return the entry points that the environment variable selects: all, if it is not set."""
    words = [word.strip() for word in os.environ.get(CHOICE, "").split(",") if word.strip()]
    blocked = {word[1:] for word in words if word.startswith("-")}
    wanted = {word for word in words if not word.startswith("-")}
    known = {entry.name for entry in entries}
    for name in sorted((blocked | wanted) - known):
        raise InputError.at(CHOICE, f"there is no plugin '{name}'", did_you_mean(name, known))
    return [entry for entry in entries if entry.name not in blocked and (not wanted or entry.name in wanted)]


def _entry_points() -> Iterable[importlib.metadata.EntryPoint]:
    return importlib.metadata.entry_points(group=GROUP)


def _load_entry_point(entry: importlib.metadata.EntryPoint, origin: Origin | None) -> Plugin:
    version, name = (origin.version, origin.name) if origin else ("", "")
    return _register(Plugin(entry.name, version, name), lambda: _run_entry_point(entry, origin))


def _run_entry_point(entry: importlib.metadata.EntryPoint, origin: Origin | None) -> Any:
    if origin:
        check_version(origin)
    return entry.load()


def _load_file(file: PluginFile) -> Plugin:
    return _register(Plugin(file.path.stem, file.sha256[:12], str(file.path)), file.execute)


def _register(plugin: Plugin, load: Callable[[], Any]) -> Plugin:
    """Load and check one plugin; any exception marks this plugin, and only this one, as broken."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hooks)
    try:
        loaded = load()
        check_api(loaded)
        if manager.register(loaded, plugin.name) is None:
            raise TypeError("the plugin is blocked")
        warnings = check_hooks(manager, plugin.name, RENAMED_HOOKS)
        for kind in KINDS:
            plugin.components += _components(manager, plugin.name, kind)
        plugin.manager, plugin.warnings = manager, warnings
    except (Exception, SystemExit) as error:
        plugin.components = []
        plugin.failure = with_hint(error)
    return plugin


def _offers(manager: pluggy.PluginManager, hook: str) -> tuple[str, list[Any]]:
    """Return the name of the hook that a plugin implements, current or deprecated, and what the hook returns."""
    for name in [hook, *(old for old, new in RENAMED_HOOKS.items() if new == hook)]:
        if offers := getattr(manager.hook, name)():
            return name, offers
    return hook, []


def _components(manager: pluggy.PluginManager, plugin: str, kind: str) -> Iterable[Component]:
    provides, base = KINDS[kind]
    hook, offers = _offers(manager, provides)
    for offer in offers:
        if not isinstance(offer, dict):
            raise TypeError(f"{hook} returned {type(offer).__name__}, but must return a dict of names and classes")
        for name, factory in offer.items():
            yield Component(kind, _check(kind, base, name, factory), factory, plugin)


def _check(kind: str, base: Any, name: Any, factory: Any) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise TypeError(f"{kind} {name!r}: the name must be kebab-case, such as 'gated-sum'")
    if base is None:
        if not callable(factory):
            raise TypeError(f"{kind} '{name}' is not callable")
        if isinstance(factory, type):
            options_model(factory)
        return name
    if not (isinstance(factory, type) and issubclass(factory, base)):
        home = "torch.optim" if kind == "optimizer" else "torch.optim.lr_scheduler" if kind == "schedule" else "ercfw"
        raise TypeError(f"{kind} '{name}' is not a subclass of {base.__name__}: derive it from {home}.{base.__name__}")
    lacking: frozenset[str] = getattr(factory, "__abstractmethods__", frozenset())
    if lacking:
        raise TypeError(f"{kind} '{name}' does not implement {', '.join(sorted(lacking))}")
    if "forward" in vars(base) and getattr(factory, "forward", None) is vars(base)["forward"]:
        raise TypeError(f"{kind} '{name}' does not implement forward")
    if kind == "schedule" and name in SHORT_SCHEDULES:
        raise TypeError(f"schedule '{name}': the name belongs to ercfw; choose another one")
    _check_constructor(kind, base, name, factory)
    return name


def _check_constructor(kind: str, base: Any, name: str, factory: Any) -> None:
    try:
        if torch_base(base) is None:
            wired_places(factory, base)
        else:
            check_torch_part(factory, base)
    except TypeError as error:
        raise TypeError(f"{kind} '{name}' {error}") from error
    options_model(factory)
