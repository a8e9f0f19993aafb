"""Make a part from its table in a recipe."""

from dataclasses import replace
from typing import Any, Literal, overload

from ercfw.contract.interfaces import Context, Dataset, Encoder, Extractor, FileFormat, FusionBlock, Head, Loss, Model
from ercfw.errors import ErcfwError, InputError, RunError, cause_of
from ercfw.recipe.schema import FeaturePart, Part
from ercfw.registry.catalog import Catalog, construct
from ercfw.registry.options import read_options

AnyPart = Part | FeaturePart


@overload
def make_part(catalog: Catalog, kind: Literal["dataset"], table: str, part: AnyPart) -> Dataset: ...


@overload
def make_part(catalog: Catalog, kind: Literal["format"], table: str, part: AnyPart) -> FileFormat: ...


@overload
def make_part(catalog: Catalog, kind: Literal["extractor"], table: str, part: AnyPart) -> Extractor: ...


@overload
def make_part(catalog: Catalog, kind: Literal["encoder"], table: str, part: AnyPart, *wired: Any) -> Encoder: ...


@overload
def make_part(catalog: Catalog, kind: Literal["context"], table: str, part: AnyPart, *wired: Any) -> Context: ...


@overload
def make_part(catalog: Catalog, kind: Literal["fusion"], table: str, part: AnyPart, *wired: Any) -> FusionBlock: ...


@overload
def make_part(catalog: Catalog, kind: Literal["head"], table: str, part: AnyPart, *wired: Any) -> Head: ...


@overload
def make_part(catalog: Catalog, kind: Literal["loss"], table: str, part: AnyPart, *wired: Any) -> Loss: ...


@overload
def make_part(catalog: Catalog, kind: Literal["model"], table: str, part: AnyPart, *wired: Any) -> Model: ...


def make_part(catalog: Catalog, kind: str, table: str, part: AnyPart, *wired: Any) -> Any:
    """Make a part with its options; a mistake that its constructor raises is reported with the table.

    Args:
        catalog: the catalog in which the part is looked up.
        kind: its kind.
        table: the name of its table in the recipe.
        part: the content of the table.
        wired: a value for each positional parameter of the kind's base class; the part gets those that it takes.

    Raises:
        InputError: an option is wrong.
        RunError: the part's own code failed.
    """
    component = catalog.find(kind, str(part.use), f"[{table}] use")
    options, mistakes = read_options(component.factory, part.options, f"[{table}]")
    if mistakes:
        raise InputError(mistakes)
    try:
        return construct(kind, component.factory, wired, options)
    except InputError as error:
        named = [m if m.where.startswith("[") else replace(m, where=f"[{table}] {m.where}") for m in error.mistakes]
        raise InputError(named) from error
    except (ErcfwError, KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:
        raise RunError(f"[{table}] {kind} '{part.use}' failed: {cause_of(error)}") from error
