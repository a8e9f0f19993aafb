"""Read the options of optimisers and schedules, whose constructors follow torch's conventions and not ercfw's.

All parameters but those that the core passes are options, keyword-only or not. Their type hints may name tensors and
functions, which a recipe cannot hold, or be missing.
"""

import inspect
import re
import sys
import types
import typing
from collections import abc
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import torch
from pydantic import PydanticUserError, TypeAdapter
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ercfw.errors import Mistake

OF_TRAIN = ("lr", "weight_decay", "momentum")
"""The settings of an optimiser that are keys of ``[train]``."""
COMPUTED = ("total_steps", "T_max")
"""Numbers of steps of a schedule that the core knows if the recipe leaves them out."""
WAYS = ("foreach", "fused", "capturable", "differentiable")
"""How torch runs the step of an optimiser; not an option, since it does not change what is computed."""
PASSED: Mapping[type, tuple[str, ...]] = {
    Optimizer: ("params", *OF_TRAIN, *WAYS),
    LRScheduler: ("optimizer", "last_epoch", "verbose"),
}
"""Parameters that are no options, for each base class."""
FACTORS = ("epochs", "steps_per_epoch")
"""Parameters of a schedule that stand in for ``total_steps``, which the core knows."""
UNREADABLE = object()
_PARAMETER = r"^    (\w+)\s*(?:\([^)]*\))? *: *(.*(?:\n(?: {5,}.*|\s*(?=\n {5,})))*)"
"""A parameter in a docstring: its name, perhaps its type in brackets, and its description."""


def torch_base(cls: Any) -> type | None:
    """Return the base class of an optimiser or a schedule; None for any other class."""
    return next((base for base in PASSED if isinstance(cls, type) and issubclass(cls, base)), None)


def check_torch_part(cls: Any, base: type) -> None:
    """Check that the core can construct an optimiser or a schedule, and that it implements its method.

    Raises:
        TypeError: it cannot, or it does not.
    """
    method, needed = ("step", ("params", "lr")) if base is Optimizer else ("get_lr", ("optimizer",))
    parameters = inspect.signature(cls).parameters
    for name in needed:
        if name not in parameters:
            raise TypeError(f"must be constructed with {', '.join(needed)} and options: it has no '{name}'")
    if base is LRScheduler and getattr(cls, "each", "epoch") not in ("step", "epoch"):
        raise TypeError(f"has each = {cls.each!r}, but must be 'step' or 'epoch'")
    if method == "step" and cls.step is base.step:  # type: ignore[attr-defined]
        raise TypeError("does not implement step")
    if method == "get_lr" and cls.get_lr is base.get_lr and cls.step is base.step:  # type: ignore[attr-defined]
        raise TypeError("does not implement get_lr")


def torch_fields(cls: Any, base: type) -> dict[str, tuple[Any, Any]]:
    """Return the type and the default of each option of an optimiser or a schedule; ``...`` = no default.

    Raises:
        TypeError: an option without a default has a type that a recipe cannot hold.
    """
    fields: dict[str, tuple[Any, Any]] = {}
    parameters = inspect.signature(cls).parameters
    passed = (*PASSED[base], *(FACTORS if "total_steps" in parameters else ()))
    for name, parameter in parameters.items():
        if name in passed or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        given = parameter.default is not parameter.empty
        hint = _readable(_hint(cls, name, parameter))
        if hint is UNREADABLE and given:
            hint = _of_default(parameter.default)
        if hint is UNREADABLE and not given:
            raise TypeError(f"{cls.__qualname__}: option '{name}' has no type that a recipe can hold")
        if hint is UNREADABLE:
            continue  # a function or a tensor that is left out
        if name in COMPUTED and base is LRScheduler:
            hint, given, default = hint | None, True, parameter.default if given else None
        else:
            default = parameter.default
        # A default such as 0 for a float becomes one, as if the recipe had set it.
        fields[name] = (hint, TypeAdapter(hint).validate_python(default) if given else ...)
    return fields


def misplaced(cls: Any, options: Collection[str], table: str) -> list[Mistake]:
    """Return a mistake for each key that belongs into ``[train]``, or that the core decides itself."""
    if torch_base(cls) is not Optimizer:
        return []
    at_home = [Mistake(f"[{table}] {key}", "is a key of [train]", f"move it there: [train] {key}")
               for key in OF_TRAIN if key in options]  # fmt: skip
    ways = [Mistake(f"[{table}] {key}", "does not change the result; ercfw sets it", "remove it")
            for key in WAYS if key in options]  # fmt: skip
    return at_home + ways


def meanings_of(docstring: str) -> dict[str, str]:
    """Return the description of each parameter in a section ``Args:`` of a docstring that follows torch's style."""
    section = re.search(r"^Args:\n((?: +.*\n|\n(?= ))*)", f"{inspect.cleandoc(docstring)}\n", re.MULTILINE)
    found = re.findall(_PARAMETER, section[1], re.MULTILINE) if section else []
    return {name: " ".join(text.split()) for name, text in found}


def _hint(cls: Any, name: str, parameter: inspect.Parameter) -> Any:
    """Return the type hint of a parameter, evaluated; ``UNREADABLE`` if there is none, or it names an unknown type."""
    if parameter.annotation is parameter.empty:
        return UNREADABLE
    try:
        return get_type_hints(cls.__init__, include_extras=True)[name]
    except (NameError, KeyError, TypeError, AttributeError):
        pass  # one name that is imported for type checkers only spoils the hints of all parameters
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    try:
        return eval(parameter.annotation, {**vars(typing), **vars(abc), **vars(sys.modules[cls.__init__.__module__])})
    except Exception:  # evaluating text may raise anything
        return UNREADABLE


def _readable(hint: Any) -> Any:
    """Return a type hint without what a recipe cannot hold, and with tuples for other sequences."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is torch.Tensor or hint is Any or hint is Callable or origin is Callable or origin is type(Callable):
        return UNREADABLE
    if origin in (Union, types.UnionType):
        left = [each for each in map(_readable, arguments) if each is not UNREADABLE]
        return UNREADABLE if not left or left == [type(None)] else Union[tuple(left)]  # noqa: UP007
    if origin in (Iterable, Sequence):
        return _readable(tuple[arguments[0], ...])  # type: ignore[valid-type]
    if origin is tuple:
        inner = [each if each is ... else _readable(each) for each in arguments]
        hint = UNREADABLE if UNREADABLE in inner else tuple[tuple(inner)]  # type: ignore[misc]
    if hint is UNREADABLE or (origin is Annotated and arguments[0] is torch.Tensor):
        return UNREADABLE
    try:
        TypeAdapter(hint).json_schema()
    except (PydanticUserError, TypeError, ValueError):
        return UNREADABLE
    return hint


def _of_default(default: Any) -> Any:
    """Return the type of values like a default; whole numbers may stand for any number."""
    if isinstance(default, bool | str):
        return type(default)
    if isinstance(default, int):
        return int | float
    if isinstance(default, float):
        return float
    if isinstance(default, tuple) and default and all(isinstance(each, int | float) for each in default):
        return tuple[(float,) * len(default)]  # type: ignore[misc]
    return UNREADABLE
