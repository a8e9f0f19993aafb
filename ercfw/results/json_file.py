"""JSON files of a run, with the version of their format."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ercfw.errors import InputError
from ercfw.system.files import read_bytes, write_text
from ercfw.system.validation import in_short

SCHEMA = 1
"""Version of the formats of ``metrics.json`` and ``environment.json``."""

Content = TypeVar("Content", bound=BaseModel)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file that people and programs can read.

    Raises:
        RunError: the file cannot be written.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, model: type[Content]) -> Content:
    """Read a JSON file of a run; a file without ``schema`` has version 1.

    Raises:
        InputError: the file cannot be read, does not fit the model, or was written by a newer ercfw.
    """
    hint = "ercfw run --force trains the run again"
    try:
        content = read_bytes(path)
        read = json.loads(content)
        version = read.get("schema", SCHEMA) if isinstance(read, dict) else SCHEMA
        if isinstance(version, int) and version > SCHEMA:
            what = f"has format {version}; this version of ercfw reads formats up to {SCHEMA}"
            raise InputError.at(path, what, "update ercfw")
        return model.model_validate_json(content)
    except ValidationError as error:
        raise InputError.at(path, f"{in_short(error)}, so ercfw did not write this file", hint) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError.at(path, f"cannot be read: {error}", hint) from error
