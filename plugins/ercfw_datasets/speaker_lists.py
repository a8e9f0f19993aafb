"""Speaker fields that hold a list of names, such as ``['Ann', 'Bob']``."""

import re

NAME = r"'(?:[^'\\]|\\['\"\\])*'|\"(?:[^\"\\]|\\['\"\\])*\""
ONE = re.compile(NAME)
LIST = re.compile(rf"\[\s*(?:{NAME})(?:\s*,\s*(?:{NAME}))*\s*\]")
"""One or more quoted names, as Python writes a list of strings."""
ESCAPED = re.compile(r"\\(.)")


def joint_speaker(field: str) -> str:
    """Return one name for the speakers of a field; several who speak together are a speaker of their own.

    Their names are sorted and joined: ``['Bob', 'Ann']`` and ``['Ann', 'Bob']`` are both ``Ann and Bob``. This joint
    speaker is neither Ann nor Bob, as for models that read the field as it is.

    Raises:
        ValueError: if the field is not a list of quoted names, or a name is empty.
    """
    text = field.strip()
    quoted = ONE.findall(text) if LIST.fullmatch(text) else []
    names = {ESCAPED.sub(r"\1", name[1:-1]).strip() for name in quoted}
    if not names or "" in names:
        raise ValueError(f"'{text}' is not a list of names; write ['Ann'], or ['Ann', 'Bob'] if both speak")
    return " and ".join(sorted(names))
