"""Conformance checks of installed parts, found by name, as ``ercfw check`` runs them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ercfw.contract.data_info import StreamKind
from ercfw.errors import InputError, did_you_mean
from ercfw.registry.catalog import Catalog, Component
from ercfw.registry.options import constructor_arguments, read_options
from ercfw.testing import CHECKS, Report, check_part
from ercfw.testing.made_up_options import OptionsNeededError, made_up_options, needed


@dataclass(frozen=True)
class CheckSettings:
    """Settings of the checks.

    Attributes:
        reads: the kind of streams that an encoder or a model reads; None = the first with which it runs.
        dims: the modalities that are read, and their widths; none = the checks' own.
        clip: a video or sound file for an extractor.
        slow: whether checks run that take seconds.
    """

    reads: StreamKind | None = None
    dims: Mapping[str, Any] | None = None
    clip: Path | None = None
    slow: bool = False


def check_named(name: str, options: Mapping[str, Any], catalog: Catalog, settings: CheckSettings) -> list[Report]:
    """Check every part of this name, or of this ``KIND/NAME``.

    Args:
        name: the part's name.
        options: its options, by name.
        catalog: where the part is looked up.
        settings: what the checks use.

    Raises:
        InputError: there is no such part, or an option or a width is not valid.
    """
    found = _find(name, catalog)
    for key, width in (settings.dims or {}).items():
        if not isinstance(width, int) or width < 1:
            raise InputError.at(f"--modality {key}", f"'{width}' is not a width", "such as text=64")
    if options and len(found) > 1:
        kinds = ", ".join(f"{component.kind}/{name}" for component in found)
        raise InputError.at(f"check {name}", "options apply to one part, but several have this name", kinds)
    given = [_constructor_arguments(component, options, f"check {name}") for component in found]
    return [_check(component, arguments, settings) for component, arguments in zip(found, given, strict=True)]


def _check(component: Component, arguments: Mapping[str, Any], settings: CheckSettings) -> Report:
    """Check one part.

    Raises:
        InputError: an option needs a value that cannot be made up.
    """
    try:
        return check_part(
            component.kind,
            component.factory,
            arguments,
            reads=settings.reads,
            dims=settings.dims or None,
            clip=settings.clip,
            slow=settings.slow,
        )
    except OptionsNeededError as error:
        raise _ask(component, error) from error


def _ask(component: Component, error: OptionsNeededError) -> InputError:
    """Return the message that asks for the options of a part."""
    part = f"{component.kind}/{component.name}"
    return InputError.at(f"check {part}", error.what, f"ercfw check {part} {error.words}")


def _constructor_arguments(component: Component, options: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the given options as the part's constructor takes them.

    Raises:
        InputError: options are wrong; the message lists every mistake.
    """
    if component.kind == "metric" and not isinstance(component.factory, type):
        if options:
            hint = "a metric that is a function has no options"
            raise InputError.at(f"{where} {min(options)}", "there is no such key", hint)
        return {}
    made_up = made_up_options(component.factory, options)
    if made_up.unknown:
        raise _ask(component, needed(made_up.unknown))
    read = constructor_arguments(read_options(component.factory, {**made_up.values, **options}, where))
    return {key: read[key] for key in options}


def _find(name: str, catalog: Catalog) -> list[Component]:
    where = f"check {name}"
    kind, slash, bare = name.rpartition("/")
    if slash and kind not in CHECKS:
        raise InputError.at(where, f"there is no kind '{kind}'", did_you_mean(kind, CHECKS))
    if slash:
        return [catalog.find(kind, bare, where)]
    found = [catalog.find(each, name, where) for each in CHECKS if name in catalog.names(each)]
    if not found:
        names = sorted({component for each in CHECKS for component in catalog.names(each)})
        raise InputError.at(where, "there is no such part", catalog.instead(name, names))
    return found
