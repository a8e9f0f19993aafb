"""The manifest of exported files: what their format cannot hold, so that an import restores everything."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ercfw.contract.conversation import UtteranceId
from ercfw.contract.feature_table import FeatureTable, FittedOn
from ercfw.contract.published_features import Published
from ercfw.data.exchange.keys import ANYBODYS
from ercfw.errors import InputError
from ercfw.system.files import is_file, read_bytes, sha256, write_text
from ercfw.system.validation import in_short

NAME = "ercfw.json"


class ExportedStream(BaseModel):
    """One exported stream: its modality, its origin, and the utterances that lack it."""

    model_config = ConfigDict(strict=True)

    modality: str
    made_by: dict[str, Any]
    fitted_on: FittedOn
    absent: tuple[UtteranceId, ...]


class Manifest(BaseModel):
    """The manifest of an export.

    Attributes:
        format: the version of this file.
        corpus: the name of the dataset.
        classes: the classes of the labels 0, 1, ...
        dev: the conversations of dev.
        files: the sha256 of each file.
        streams: the stream of each slot.
    """

    model_config = ConfigDict(strict=True)

    format: Literal[1] = 1
    corpus: str
    classes: tuple[str, ...]
    dev: tuple[str, ...]
    files: dict[str, str]
    streams: dict[str, ExportedStream]


def write_manifest(
    folder: Path, published: Published, paths: Sequence[Path], tables: Mapping[str, tuple[str, FeatureTable]]
) -> Path:
    """Write the manifest of exported files.

    Args:
        folder: the folder of the files.
        published: the content of the files.
        paths: the files.
        tables: the modality and the values of each slot.
    """
    streams = {
        slot: ExportedStream(
            modality=modality,
            made_by=dict(table.provenance),
            fitted_on=table.fitted_on,
            absent=tuple(id for id, present in zip(table.ids, table.present, strict=True) if not present),
        )
        for slot, (modality, table) in tables.items()
    }
    files = {path.name: sha256(path) for path in paths}
    dev = tuple(str(key) for key in published.lists["dev"])
    corpus, classes = published.corpus or ANYBODYS, published.classes
    fields = Manifest(corpus=corpus, classes=classes, dev=dev, files=files, streams=streams).model_dump()
    for stream in fields["streams"].values():
        fitted = stream["fitted_on"]
        stream["fitted_on"] = fitted if isinstance(fitted, str) else sorted(fitted)
    write_text(folder / NAME, json.dumps(fields, sort_keys=True) + "\n")
    return folder / NAME


def read_manifest(paths: Sequence[Path]) -> tuple[Manifest | None, tuple[str, ...]]:
    """Read the manifest of these files.

    Returns:
        The manifest, and warnings. The manifest is None if there is none, or if the files have changed since they were
        exported.

    Raises:
        InputError: the manifest is damaged.
    """
    path = paths[0].parent / NAME
    if not is_file(path):
        return None, ()
    try:
        manifest = Manifest.model_validate_json(read_bytes(path))
    except (OSError, ValidationError) as error:
        raise InputError.at(path, f"cannot be read: {in_short(error)}", "export again, or remove it") from error
    changed = [p.name for p in paths if manifest.files.get(p.name) != sha256(p)]
    if changed:
        return None, (f"{path}: is ignored, because these files have changed since the export: {', '.join(changed)}",)
    return manifest, ()
