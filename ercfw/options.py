"""A constructor's keyword-only parameters are the schema of what a recipe may set; there is no second one."""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import ErrorDetails

from ercfw.errors import Mistake, did_you_mean

CORE_KEYS = {
    "use", "weight", "target", "modalities", "batch_size", "allow_fitted_dev", "file", "fitted_on",
}  # fmt: skip
"""Keys of a part's table that the core reads itself; no part may name an option so."""

_UNION_TAGS = {"bool", "int", "float", "str", "none"}
_CLASHES = {"model_config", "schema", "copy", "register", "construct", "dict", "json", "validate"}


class Strict(BaseModel):
    """A table that takes what it names and nothing else."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


@cache
def options_model(cls: Any) -> type[Strict]:
    """The options of a part as a pydantic model.

    Raises:
        TypeError: an option has no type hint, or a name that the core or pydantic keeps for itself.
    """
    hints = get_type_hints(cls.__init__, include_extras=True)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        if name in CORE_KEYS | _CLASHES or name.startswith("model_"):
            raise TypeError(f"{cls.__qualname__}: an option may not be named '{name}'")
        if name not in hints:
            raise TypeError(f"{cls.__qualname__}: option '{name}' has no type hint")
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[name] = (hints[name], default)
    return create_model(cls.__qualname__, __base__=Strict, **fields)


def read_options(cls: Any, options: Mapping[str, Any], where: str) -> tuple[dict[str, Any], list[Mistake]]:
    """Options as the constructor takes them, defaults included; or what is wrong with them.

    They are read as strict JSON: no number from a string, but tuples from lists and paths from strings.
    """
    model = options_model(cls)
    try:
        read = model.model_validate_json(as_json(options))
    except ValidationError as error:
        keys = list(model.model_fields)
        return {}, mistakes_of(error, lambda loc: f"{where} {'.'.join(map(str, loc))}", lambda loc: keys)
    return {name: getattr(read, name) for name in model.model_fields}, []


def as_json(value: Mapping[str, Any]) -> str:
    """What TOML gave, as JSON; dates become strings."""
    return json.dumps(value, default=str)


Location = tuple[int | str, ...]


def mistakes_of(
    error: ValidationError, where: Callable[[Location], str], known: Callable[[Location], Iterable[str]]
) -> list[Mistake]:
    """Pydantic's findings in our words: one mistake a place, since a union reports each of its members.

    Args:
        error: what pydantic raised.
        where: names a location.
        known: the keys of the table that a location is in, for a misspelt one.
    """
    found: dict[Location, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        found.setdefault(_place(detail["loc"]), []).append(detail)
    return [_mistake(where(loc), details, known(loc[:-1])) for loc, details in found.items()]


def _place(loc: Location) -> Location:
    """A location without the members of a union that pydantic adds to it."""
    return tuple(part for part in loc if isinstance(part, int) or not ("[" in part or part in _UNION_TAGS))


def _mistake(place: str, details: list[ErrorDetails], known: Iterable[str]) -> Mistake:
    first = details[0]
    if first["type"] == "extra_forbidden":
        return Mistake(place, "there is no such key", did_you_mean(str(first["loc"][-1]), known))
    if first["type"] == "missing":
        return Mistake(place, "is missing")
    messages = list(dict.fromkeys(_message(detail) for detail in details))
    return Mistake(place, f"{' or '.join(messages)}, not {first['input']!r}")


def _message(detail: ErrorDetails) -> str:
    message = detail["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return message[0].lower() + message[1:]
