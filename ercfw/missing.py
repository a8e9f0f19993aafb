"""``[data.missing]``: utterances that are made to lack modalities, the same ones in every run."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import tomlkit
from numpy.typing import NDArray

from ercfw.conversations import Conversation, ConversationStream, UtteranceId
from ercfw.recipe import Missing
from ercfw.streams import StoredModality
from ercfw.system.files import write_text
from ercfw.toml import Tables
from ercfw.variants import Source

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
WHOLE = 2.0**64


def kept(ids: Sequence[UtteranceId], modality: str, missing: Missing) -> NDArray[np.bool_]:
    """``[N]`` which utterances keep a modality.

    It hangs on the seed and the names of utterance and modality alone, so it is the same in any order and for any
    model, and what a small share takes away, a larger one does, too.
    """
    if modality in missing.lacking:
        return np.zeros(len(ids), dtype=bool)
    places = [_place(f"{missing.seed}/{modality}/{conversation}/{utterance}") for conversation, utterance in ids]
    return np.array(places) >= missing.share


def _place(text: str) -> float:
    """A number from 0 to 1 that is as good as drawn by lot."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / WHOLE


def kept_of(splits: Mapping[str, Sequence[Conversation]], modality: str, missing: Missing) -> NDArray[np.bool_]:
    """Likewise of all splits after one another; utterances of splits that ``missing`` does not name keep all."""
    parts = [np.zeros(0, dtype=bool)]
    for split, conversations in splits.items():
        ids = [id for conversation in conversations for id in conversation.ids]
        parts.append(kept(ids, modality, missing) if split in missing.splits else np.ones(len(ids), dtype=bool))
    return np.concatenate(parts)


def without_stored(stored: StoredModality, keeps: NDArray[np.bool_]) -> StoredModality:
    """A modality as it is stored, absent where an utterance does not keep it: ``[R]``."""
    lengths = None if stored.lengths is None else np.where(keeps, stored.lengths, 0)
    return replace(stored, present=stored.present & keeps, lengths=lengths)


def without(stream: ConversationStream, keeps: NDArray[np.bool_]) -> ConversationStream:
    """A conversation's own stream, absent where an utterance does not keep it: ``[U]``."""
    there = keeps.reshape(-1, *[1] * (stream.values.ndim - 1))  # [U, 1, ...]
    lengths = None if stream.lengths is None else np.where(keeps, stream.lengths, 0)
    return ConversationStream(np.where(there, stream.values, 0), stream.present & keeps, lengths)


def missing_variants(modalities: Sequence[str]) -> list[dict[str, Any]]:
    """``[[variant]]`` tables: shares from 0 to 0.7 in training and scoring; subsets of modalities in scoring alone.

    The subset of all is the share of 0.
    """
    shares = [{"name": f"share {share}", "set": {"data": {"missing": {"share": share}}}} for share in SHARES]
    subsets: list[dict[str, Any]] = []
    for size in range(len(modalities) - 1, 0, -1):
        for there in combinations(modalities, size):
            lacking = [name for name in modalities if name not in there]
            table = {"lacking": lacking, "splits": ["dev", "test"]}
            subsets.append({"name": f"{' + '.join(there)} at scoring", "set": {"data": {"missing": table}}})
    return [*shares, *subsets]


def write_missing_recipe(source: Source, tables: Tables, out: Path) -> Path:
    """A recipe of its own with those variants, ``OUT/RECIPE-missing.toml``.

    Args:
        source: the recipe that is tried, which plugin files are relative to.
        tables: its, resolved.
        out: where runs are left.
    """
    own = {**tables, "title": f"{tables.get('title')}, modalities missing"}
    own["plugins"] = [str((source.path.parent / path).resolve()) for path in tables.get("plugins", [])]
    own["variant"] = missing_variants(tables["data"]["modalities"])
    path = out / f"{source.path.stem}-missing.toml"
    document = tomlkit.document()
    for key, value in sorted(own.items(), key=lambda item: isinstance(item[1], (dict, list))):
        document[key] = value
    write_text(path, tomlkit.dumps(document))
    return path
