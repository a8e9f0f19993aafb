"""Checks that options are typed and documented."""

import inspect
import re
from typing import Any

from ercfw.registry.options import options_model
from ercfw.testing.outcome import CheckFailed


def check_documented(factory: Any) -> None:
    """Check that each option of a part has a type that a recipe can hold, and is named in the docstring of its class.

    Docstrings of base classes count too.

    Raises:
        CheckFailed: an option has no such type, or is not named.
    """
    try:
        options = options_model(factory).model_fields
    except TypeError as error:
        raise CheckFailed(str(error)) from error
    documented = " ".join(inspect.getdoc(cls) or "" for cls in inspect.getmro(factory)[:-1])
    missing = [name for name in options if not re.search(rf"\b{name}\b", documented)]
    if missing:
        raise CheckFailed(f"the docstring does not name option {', '.join(missing)}")
