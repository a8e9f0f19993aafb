"""Speaker fields that hold a list of names, such as ``['Ann', 'Bob']``."""

import ast
import re

ESCAPE = r"\\(?:['\"\\nrt]|x[0-9a-f]{2}|u(?!d[89a-f])[0-9a-f]{4}|U00(?:0[0-9a-f]|10)[0-9a-f]{4})"
NAME = rf"(?:'(?:[^'\\\r\n]|{ESCAPE})*'|\"(?:[^\"\\\r\n]|{ESCAPE})*\")"
LIST = re.compile(rf"\[ *{NAME}(?: *, *{NAME})* *\]")
"""One or more quoted names, as Python writes a list of strings."""


def joint_speaker(field: str) -> str:
    """Return one name for the speakers of a field; several who speak together are a speaker of their own.

    Their names are sorted and joined: ``['Bob', 'Ann']`` and ``['Ann', 'Bob']`` are both ``Ann and Bob``. What Ann
    or Bob says alone belongs to another speaker.

    Raises:
        ValueError: if the field is not a list of quoted names, or a name is empty.
    """
    text = field.strip()
    names = {name.strip() for name in ast.literal_eval(text)} if LIST.fullmatch(text) else {""}
    if "" in names:
        raise ValueError(f"'{text}' is not a list of names; write ['Ann'], or ['Ann', 'Bob'] if both speak")
    return " and ".join(sorted(names))
