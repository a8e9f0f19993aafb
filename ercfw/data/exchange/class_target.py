"""The target whose labels the files of other projects hold."""

from ercfw.contract.interfaces import Dataset
from ercfw.contract.targets import as_target
from ercfw.errors import InputError


def class_target(dataset: Dataset) -> tuple[str, tuple[str, ...]]:
    """Return the first target that consists of classes, and its classes.

    Raises:
        InputError: there is none.
    """
    for name, declared in dataset.targets.items():
        if (target := as_target(declared)).form == "classes":
            return name, target.names
    what = f"has no target of classes, only {', '.join(dataset.targets)}"
    raise InputError.at("the corpus", what, "the files of other projects hold classes only")
