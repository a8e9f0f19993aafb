"""A card beside exported files: what their layout has no room for, so that nothing is lost on the way back."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ercfw.contract.conversation import UtteranceId
from ercfw.contract.feature_table import FeatureTable, FittedOn
from ercfw.contract.published import Published
from ercfw.data.exchange.keys import ANYBODYS
from ercfw.errors import InputError
from ercfw.system.files import sha256, write_text
from ercfw.system.validation import in_short

NAME = "ercfw.json"


class Stream(BaseModel):
    """One exported stream: the modality it came from, its origin, and the utterances that lack it."""

    model_config = ConfigDict(strict=True)

    modality: str
    made_by: dict[str, Any]
    fitted_on: FittedOn
    absent: tuple[UtteranceId, ...]


class Card(BaseModel):
    """What was exported: the corpus, what labels mean, dev's conversations, each file's sha256, each slot's stream."""

    model_config = ConfigDict(strict=True)

    format: Literal[1] = 1
    corpus: str
    classes: tuple[str, ...]
    dev: tuple[str, ...]
    files: dict[str, str]
    streams: dict[str, Stream]


def write_card(
    folder: Path, published: Published, paths: Sequence[Path], tables: Mapping[str, tuple[str, FeatureTable]]
) -> Path:
    """Write the card of these files.

    Args:
        folder: where they are.
        published: what they hold.
        paths: the files.
        tables: of each slot the modality it was filled with, and its values.
    """
    streams = {
        slot: Stream(
            modality=modality,
            made_by=dict(table.made_by),
            fitted_on=table.fitted_on,
            absent=tuple(id for id, present in zip(table.ids, table.present, strict=True) if not present),
        )
        for slot, (modality, table) in tables.items()
    }
    files = {path.name: sha256(path) for path in paths}
    dev = tuple(str(key) for key in published.lists["dev"])
    card = Card(corpus=published.corpus or ANYBODYS, classes=published.classes, dev=dev, files=files, streams=streams)
    said = card.model_dump()
    for stream in said["streams"].values():
        fitted = stream["fitted_on"]
        stream["fitted_on"] = fitted if isinstance(fitted, str) else sorted(fitted)
    write_text(folder / NAME, json.dumps(said, sort_keys=True) + "\n")
    return folder / NAME


def read_card(paths: Sequence[Path], warnings: list[str]) -> Card | None:
    """The card of these files; None where there is none, or they have changed since (which is told).

    Raises:
        InputError: it is damaged.
    """
    path = paths[0].parent / NAME
    if not path.is_file():
        return None
    try:
        card = Card.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError.at(path, f"cannot be read: {in_short(error)}", "export again, or remove it") from error
    changed = [p.name for p in paths if card.files.get(p.name) != sha256(p)]
    if changed:
        warnings.append(
            f"{path}: {', '.join(changed)} has changed since it was exported; what the card says is not used"
        )
        return None
    return card
