"""How the core passes its own arguments to a part's constructor: by name, so that a base class can gain a parameter."""

import inspect
from collections.abc import Sequence
from functools import cache
from typing import Any

from ercfw.errors import did_you_mean


def arguments_for(factory: Any, base: Any, wired: Sequence[Any]) -> list[Any]:
    """Return those of the core's arguments that a part takes, in the order in which it takes them.

    Args:
        factory: the part's class.
        base: the base class of its kind, whose constructor names what the core passes; None = the core passes nothing.
        wired: a value for each positional parameter of ``base``.

    Raises:
        TypeError: the part takes something that the core does not pass.
    """
    return [wired[place] for place in wired_places(factory, base)]


@cache
def wired_places(factory: Any, base: Any) -> tuple[int, ...]:
    """Return the place, among the base class's positional parameters, of each one that a part takes.

    A part may take any of them, by name. A part that takes as many parameters as the base class, but under other names,
    gets them in order. It may leave out those that the base class gives a default, which an earlier ercfw did not pass.

    Raises:
        TypeError: it takes something else.
    """
    taken, passed = positional(factory), positional(base) if base is not None else []
    unknown = [name for name in taken if name not in passed]
    if not unknown:
        return tuple(passed.index(name) for name in taken)
    if len(taken) in (len(passed), len(passed) - defaults(base)):
        return tuple(range(len(taken)))
    wanted = f"must be constructed with ({', '.join([*passed, '*'])}, options)"
    fewer = " or fewer of these" if passed else ""
    hint = f" ({did_you_mean(unknown[0], passed)})" if passed else ""
    raise TypeError(f"{wanted}{fewer}: ercfw passes no '{unknown[0]}', and options come after the *{hint}")


def defaults(base: Any) -> int:
    """Return the number of a constructor's positional parameters that have a default."""
    parameters = inspect.signature(base).parameters
    return sum(parameters[name].default is not inspect.Parameter.empty for name in positional(base))


def positional(factory: Any) -> list[str]:
    """Return the names of a constructor's parameters that are not options."""
    parameters = inspect.signature(factory).parameters.values()
    return [p.name for p in parameters if p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]
