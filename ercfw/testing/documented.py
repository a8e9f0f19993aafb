"""Options: typed as a recipe can hold them, and told of."""

import inspect
import re
from typing import Any

from ercfw.registry.options import options_model
from ercfw.testing.outcome import NotMet


def check_documented(made_by: Any) -> None:
    """Every option of a part has a type that a recipe can hold, and is named in the docstring of its class.

    Raises:
        NotMet: one is not.
    """
    try:
        options = options_model(made_by).model_fields
    except TypeError as error:
        raise NotMet(str(error)) from error
    said = " ".join(inspect.getdoc(cls) or "" for cls in inspect.getmro(made_by)[:-1])
    silent = [name for name in options if not re.search(rf"\b{name}\b", said)]
    if silent:
        raise NotMet(f"the docstring does not name option {', '.join(silent)}")
