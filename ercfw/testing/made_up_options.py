"""Values for the options of a part that have no default, so that it can be checked without them."""

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from ercfw.registry.options import options_model

VALUES: tuple[Any, ...] = (
    0.5,
    8,
    1,
    2,
    4,
    16,
    0,
    0.1,
    0.01,
    64,
    1000,
    -1,
    False,
    None,
    [],
    {},
    [8],
    [8, 8],
    [8, 8, 8],
    [0.5],
)
"""Values to try; text is left out, since it could mean anything, such as a path."""


class OptionsNeededError(ValueError):
    """A part can be checked only with options that its author knows.

    Attributes:
        names: the options that need a value.
        what: why, in words that follow the name of the part.
    """

    def __init__(self, names: Sequence[str], what: str) -> None:
        self.names, self.what = tuple(names), what
        values = ", ".join(f"'{name}': ..." for name in names) or "'key': value"
        super().__init__(f"{what}; pass options={{{values}}}")

    @property
    def words(self) -> str:
        """Return how a command line gives the options."""
        return " ".join(f"{name}=VALUE" for name in self.names) or "KEY=VALUE"


@dataclass(frozen=True)
class MadeUpOptions:
    """Values for the options that have neither a value nor a default.

    Attributes:
        values: those that may serve by their type, as a recipe holds them.
        arguments: the same, as the constructor takes them.
        unknown: the names of the other options, which only the author can give a value.
    """

    values: Mapping[str, Any]
    arguments: Mapping[str, Any]
    unknown: Sequence[str]


def made_up_options(factory: Any, options: Mapping[str, Any]) -> MadeUpOptions:
    """Make a value for each option that has none, if its type tells one that may serve.

    A function, such as a metric, has no options. Nor has a class whose options cannot be read, which a check reports.

    Args:
        factory: the class of the part.
        options: the options that have a value.
    """
    found = {name: next(_valid(field), None) for name, field in _required(factory).items() if name not in options}
    made = {name: pair for name, pair in found.items() if pair is not None}
    return MadeUpOptions(
        {name: value for name, (value, _) in made.items()},
        {name: argument for name, (_, argument) in made.items()},
        [name for name, pair in found.items() if pair is None],
    )


def needed(unknown: Sequence[str]) -> OptionsNeededError:
    """Return the error that asks for the options that only the author can give a value."""
    names = " and ".join(f"'{name}'" for name in unknown)
    return OptionsNeededError(unknown, f"no default and no made-up value for {names}")


def _required(factory: Any) -> dict[str, FieldInfo]:
    """Return the options of a part that have no default."""
    if not inspect.isclass(factory):
        return {}
    cls: Any = factory
    try:
        fields = options_model(cls).model_fields
    except TypeError:
        return {}
    return {name: field for name, field in fields.items() if field.is_required()}


def _valid(field: FieldInfo) -> Iterator[tuple[Any, Any]]:
    """Yield the values to try that an option accepts from a recipe, each also as the constructor takes it."""
    kind: Any = field.annotation
    for constraint in field.metadata:
        kind = Annotated[kind, constraint]
    adapter = TypeAdapter(kind)
    for value in (*_listed(adapter), *VALUES):
        try:
            yield value, adapter.validate_json(json.dumps(value), strict=True)
        except ValidationError:
            continue


def _listed(adapter: TypeAdapter[Any]) -> list[Any]:
    """Return the values that a type lists, as ``Literal`` does."""
    try:
        schema = adapter.json_schema()
    except PydanticUserError:  # the type has no such form
        return []
    listed = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return list(listed)
