"""The former names of what is called format: file formats of other projects were called layouts before ercfw 0.2.

Each name still works and warns. Remove this file, with everything that uses it, in ercfw 0.4.
"""

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ercfw.contract.deprecated import deprecation

former_name = partial(deprecation, since="0.2", remove_in="0.4")
FORMER_KINDS: Mapping[str, str] = {"layout": "format"}
"""The current name of each kind that has a former one."""


def current_kind(kind: str, warn: Callable[[DeprecationWarning], object]) -> str:
    """Return the current name of a kind; call ``warn`` with a warning if the name is a former one."""
    if kind not in FORMER_KINDS:
        return kind
    warn(former_name(f"the kind '{kind}'", instead=f"'{FORMER_KINDS[kind]}'"))
    return FORMER_KINDS[kind]


class AcceptsPublicLayout:
    """A base class of datasets: a subclass that sets ``public_layout`` sets ``public_format`` by its former name."""

    public_format: str

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Warn at the statement of the class; a class that sets both names supports older versions of ercfw too."""
        super().__init_subclass__(**arguments)
        if "public_layout" in vars(cls) and "public_format" not in vars(cls):
            old, new = f"{cls.__name__}.public_layout", f"{cls.__name__}.public_format"
            warnings.warn(former_name(old, instead=new), stacklevel=3)  # ABCMeta.__new__ is between
            cls.public_format = vars(cls)["public_layout"]
