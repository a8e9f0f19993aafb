"""Read options: the keyword-only parameters of a constructor are the only schema of what a recipe may set.

Optimisers and schedules follow torch's conventions instead: see ``torch_parts``.
"""

import inspect
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, get_type_hints

from pydantic import PydanticUserError, ValidationError, create_model

from ercfw.errors import InputError
from ercfw.recipe.schema import CORE_KEYS
from ercfw.registry.torch_parts import torch_base, torch_fields
from ercfw.system.validation import Strict, as_json, mistakes_of

_CLASHES = {"model_config", "schema", "copy", "register", "construct", "dict", "json", "validate"}


@cache
def options_model(cls: Any) -> type[Strict]:
    """Return the options of a part as a pydantic model.

    Raises:
        TypeError: an option has no type hint, a type hint that cannot be read, or a name that the core or pydantic
            reserves.
    """
    base = torch_base(cls)
    fields: dict[str, Any] = _keyword_fields(cls) if base is None else torch_fields(cls, base)
    for name in fields:
        if name in CORE_KEYS | _CLASHES or name.startswith("model_"):
            raise TypeError(f"{cls.__qualname__}: an option cannot be named '{name}', which is reserved")
    try:
        return create_model(cls.__qualname__, __base__=Strict, **fields)
    except PydanticUserError as error:
        reason = str(error).partition(".")[0]
        raise TypeError(f"{cls.__qualname__}: an option has a type that a recipe cannot hold: {reason}") from error


def _keyword_fields(cls: Any) -> dict[str, tuple[Any, Any]]:
    """Return the type and the default of each keyword-only parameter; ``...`` = no default."""
    try:
        hints = get_type_hints(cls.__init__, include_extras=True)
    except NameError as error:
        raise TypeError(f"{cls.__qualname__}: a type hint cannot be read: {error}") from error
    fields: dict[str, tuple[Any, Any]] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        if name not in hints and name not in CORE_KEYS | _CLASHES and not name.startswith("model_"):
            raise TypeError(f"{cls.__qualname__}: option '{name}' has no type hint")
        fields[name] = (hints.get(name), ... if parameter.default is inspect.Parameter.empty else parameter.default)
    return fields


def read_options(cls: Any, options: Mapping[str, Any], where: str, core_keys: Iterable[str] = ()) -> Strict:
    """Return the options of a part, checked, with its defaults.

    They are read as strict JSON: no number from a string, but tuples from lists and paths from strings.

    Args:
        cls: the part's class.
        options: the keys of the part's table that the core does not know.
        where: the table, for messages.
        core_keys: the keys of the table that the core knows; a misspelt key may have been meant for one of them.

    Raises:
        InputError: options are wrong; the message lists every mistake.
    """
    model = options_model(cls)
    try:
        return model.model_validate_json(as_json(options))
    except ValidationError as error:
        keys = [*model.model_fields, *core_keys]
        named = mistakes_of(error, options, lambda loc: f"{where} {'.'.join(map(str, loc))}", lambda loc: keys)
        raise InputError(named) from error


def constructor_arguments(options: Strict) -> dict[str, Any]:
    """Return options as a constructor takes them: copies, so that a part may change what it is given."""
    own = options.model_copy(deep=True)
    return {name: getattr(own, name) for name in type(options).model_fields}


def written_options(options: Strict) -> dict[str, Any]:
    """Return options as a recipe holds them. Keys whose value is None are left out: TOML has no null."""
    return options.model_dump(mode="json", exclude_none=True)
