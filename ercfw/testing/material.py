"""The former name of ``ercfw.testing.fixtures``, until ercfw 0.4."""

import warnings
from typing import Any

from ercfw.contract.former_names import former_name
from ercfw.testing import fixtures

_CURRENT = {name: name for name in ("CLASSES", "DIMS", "SIZES", "TARGET", "make_conversations", "pack")}
_CURRENT["tell"] = "data_info"


def __getattr__(name: str) -> Any:
    """Return a fixture, with a warning that gives its current name.

    Raises:
        AttributeError: there is no such fixture.
    """
    if name not in _CURRENT:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    current = _CURRENT[name]
    message = former_name(f"ercfw.testing.material.{name}", instead=f"ercfw.testing.fixtures.{current}")
    warnings.warn(message, stacklevel=2)
    return getattr(fixtures, current)
