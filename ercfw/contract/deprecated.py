"""Mark a function or a class as deprecated or experimental; ``docs/policy.md`` says what either promises.

Both decorators warn at the caller's line, once for each such line under Python's default filter. A decorated class
stays the same class: ``isinstance``, subclasses and its signature, which is a recipe's schema, are not affected.
"""

import inspect
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

Named = TypeVar("Named", bound=Callable[..., Any])


class ExperimentalWarning(FutureWarning):
    """The name in use may change or be removed in any version of ercfw."""


def deprecation(what: str, *, since: str, remove_in: str, instead: str) -> DeprecationWarning:
    """Return the warning of a deprecated name; a hook takes it as ``hookspec(warn_on_impl=...)``.

    Args:
        what: the name.
        since: the version of ercfw that deprecated it.
        remove_in: the version that will remove it.
        instead: what to use in its place.
    """
    text = f"{what} is deprecated since ercfw {since} and will be removed in {remove_in}: use {instead}"
    return DeprecationWarning(text)


def deprecated(*, since: str, remove_in: str, instead: str) -> Callable[[Named], Named]:
    """Make every use of a function or class warn that it is deprecated; see ``deprecation``."""
    return lambda named: _warning(
        named, deprecation(named.__qualname__, since=since, remove_in=remove_in, instead=instead)
    )


def experimental(*, since: str) -> Callable[[Named], Named]:
    """Make every use of a function or class warn that it is experimental, since this version of ercfw."""
    may = "it may change or be removed in any version"
    return lambda named: _warning(
        named, ExperimentalWarning(f"{named.__qualname__} is experimental since ercfw {since}: {may}")
    )


def _warning(named: Named, warning: Warning) -> Named:
    if isinstance(named, type):
        _warn_when_made(named, warning)
        return named

    @wraps(named)
    def warned(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(warning, stacklevel=2)
        return named(*args, **kwargs)

    return cast(Named, warned)


def _warn_when_made(cls: Any, warning: Warning) -> None:
    """Put a warning before the class's own constructor, under the same signature."""
    made = cls.__init__
    # object.__init__ refuses the arguments of a class that takes them in __new__ alone, such as a NamedTuple.
    taken_before = made is object.__init__ and cls.__new__ is not object.__new__
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    signature = inspect.signature(cls)
    signature = signature.replace(parameters=[itself, *signature.parameters.values()])

    @wraps(made)
    def warned(self: Any, *args: Any, **kwargs: Any) -> None:
        warnings.warn(warning, stacklevel=2)
        if not taken_before:
            made(self, *args, **kwargs)

    vars(warned)["__signature__"] = signature
    cls.__init__ = warned
