"""Validation by pydantic, with one message per mistake in the user's words."""

import json
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from ercfw.errors import MOST_SHOWN, Mistake, did_you_mean, shown

_IN_TOML = {
    "bool_type": "should be true or false",
    "dict_type": "should be a table",
    "list_type": "should be a list",
    "model_type": "should be a table",
    "too_long": "should be a list of at most {max_length}",
    "too_short": "should be a list of at least {min_length}",
    "tuple_type": "should be a list",
}
"""Messages for pydantic's error types, in the words of TOML."""


class Strict(BaseModel):
    """A table that accepts its own keys only."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


def as_json(value: Mapping[str, Any]) -> str:
    """Return the values of a TOML table as JSON; dates become strings."""
    return json.dumps(value, default=str)


Location = tuple[int | str, ...]


def mistakes_of(
    error: ValidationError,
    tables: Mapping[str, Any],
    where: Callable[[Location], str],
    known: Callable[[Location], Iterable[str]],
) -> list[Mistake]:
    """Convert pydantic's errors to mistakes: one per place, since a union reports an error for each of its members.

    Args:
        error: the exception that pydantic raised.
        tables: the tables that were read.
        where: returns the name of a location.
        known: returns the keys of the table at a location, to suggest one for a misspelt key.
    """
    found = list(by_place(error, tables).items())
    in_full = [_mistake(where(loc), details, known(loc[:-1])) for loc, details in found[:MOST_SHOWN]]
    return in_full + [Mistake(shown(where(loc)), "is also invalid") for loc, _ in found[MOST_SHOWN:]]


def by_place(error: ValidationError, tables: Mapping[str, Any]) -> dict[Location, list[ErrorDetails]]:
    """Return pydantic's errors by their place in ``tables``, without places that contain another one with an error."""
    found: dict[Location, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        place = _place(detail["loc"], tables, lacks_last=detail["type"] == "missing")
        found.setdefault(place, []).append(detail)
    outer = {loc[:depth] for loc in found for depth in range(len(loc))}
    return {loc: details for loc, details in found.items() if loc not in outer}


def _place(loc: Location, tables: Any, lacks_last: bool) -> Location:
    """Return a location without what pydantic adds to it, such as the members of a union."""
    place: Location = ()
    for part in loc[:-1] if lacks_last else loc:
        keys = range(len(tables)) if isinstance(tables, list) else tables if isinstance(tables, Mapping) else ()
        if part in keys:
            place, tables = (*place, part), tables[part]
    return (*place, loc[-1]) if lacks_last else place


def in_short(error: Exception) -> str:
    """Return an exception as one line; of several errors that pydantic found, the first."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"lacks '{place}'"
    return f"{place}: {_message(first)}" if place else _message(first)


def _mistake(place: str, details: list[ErrorDetails], known: Iterable[str]) -> Mistake:
    first = details[0]
    if first["type"] == "extra_forbidden":
        return Mistake(place, "there is no such key", did_you_mean(str(first["loc"][-1]), known))
    if first["type"] == "missing":
        return Mistake(place, "is missing", _misspelt(str(first["loc"][-1]), first["input"], known))
    messages = list(dict.fromkeys(_message(detail) for detail in details))
    choices = [messages[0], *(message.removeprefix("should be ") for message in messages[1:])]
    if first["type"] == "value_error" and isinstance(first["input"], Mapping):  # the message names the keys at fault
        return Mistake(place, " or ".join(choices))
    given = str(first["input"]).lower() if isinstance(first["input"], bool) else repr(first["input"])
    return Mistake(place, f"{' or '.join(choices)}, not {given}")


def _misspelt(name: str, table: Any, known: Iterable[str]) -> str:
    """Return a hint if an unknown key of the table resembles the name of the missing one."""
    unknown = table.keys() - set(known) if isinstance(table, Mapping) else ()
    close = get_close_matches(name, map(shown, unknown), n=1)
    return f"is '{close[0]}' a misspelling of it?" if close else ""


def _message(detail: ErrorDetails) -> str:
    if detail["type"] in _IN_TOML:
        return _IN_TOML[detail["type"]].format_map(detail.get("ctx", {}))
    message = detail["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return message[0].lower() + message[1:]
