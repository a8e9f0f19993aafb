"""Make one feature store per modality from the files of another project, with rows in the order of the corpus."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import UtteranceId
from ercfw.contract.feature_table import FeatureTable
from ercfw.contract.interfaces import Dataset
from ercfw.contract.published_features import Key, Published, PublishedFrames
from ercfw.data.exchange.keys import splits_of
from ercfw.data.exchange.manifest import Manifest
from ercfw.data.exchange.match_rows import RowMatch
from ercfw.errors import InputError, shown


def stores_of(
    published: Published, dataset: Dataset, matched: RowMatch, manifest: Manifest | None, provenance: Mapping[str, Any]
) -> dict[str, FeatureTable]:
    """Return one store per stream, with rows in the order of the corpus."""
    stores: dict[str, FeatureTable] = {}
    for slot, values in published.streams.items():
        found = _by_utterance(published, slot, values, matched)
        stores |= _store(slot, found, dataset, manifest, {**provenance, "stream": slot})
    for slot, frames in published.frames.items():
        stores |= _store_of_frames(slot, published, frames, dataset, matched, {**provenance, "stream": slot})
    for slot, splits in published.rows.items():
        found = _by_row(published, slot, splits, dataset)
        stores |= _store(slot, found, dataset, manifest, {**provenance, "stream": slot})
    for slot, vectors in published.named.items():
        stores |= _store(slot, vectors, dataset, manifest, {**provenance, "stream": slot})
    return stores


def _store(
    slot: str,
    found: Mapping[UtteranceId, NDArray[np.generic]],
    dataset: Dataset,
    manifest: Manifest | None,
    provenance: Mapping[str, Any],
) -> dict[str, FeatureTable]:
    """Return the store of a stream under its modality; nothing for a stream that holds only zeros."""
    ids = _ids(found, dataset)
    first = next(iter(found.values()))
    zeros = np.zeros(first.shape, first.dtype)  # [D]
    values = np.stack([found.get(id, zeros) for id in ids])  # [N, D]
    if not values.any():
        return {}
    exported = manifest.streams.get(slot) if manifest else None
    absent = set(exported.absent) if exported else {id for id, row in zip(ids, values, strict=True) if not row.any()}
    return {
        exported.modality if exported else slot: FeatureTable(
            ids=ids,
            values=values,
            present=np.array([id not in absent for id in ids]),
            provenance=exported.made_by if exported else provenance,
            fitted_on=exported.fitted_on if exported else "unknown",
            where=f"stream '{slot}'",
        )
    }


def _store_of_frames(
    slot: str,
    published: Published,
    frames: PublishedFrames,
    dataset: Dataset,
    matched: RowMatch,
    provenance: Mapping[str, Any],
) -> dict[str, FeatureTable]:
    """Return the store of frames under its modality; nothing if no utterance has any.

    The values are copied only if the utterances of the corpus have another order.

    Raises:
        InputError: the lengths do not fit the utterances or the values.
    """
    given: dict[UtteranceId, int] = {}
    for key, lengths in frames.lengths.items():
        where = f"{published.paths[0]}: '{slot}', conversation {key}"
        if len(lengths) != len(matched.ids[key]):
            raise InputError.at(where, f"has {len(lengths)} lengths for {len(matched.ids[key])} utterances")
        given.update(zip(matched.ids[key], lengths, strict=True))
    if sum(given.values()) != len(frames.values):
        what = f"has {len(frames.values)} frames, but the lengths add up to {sum(given.values())}"
        raise InputError.at(f"{published.paths[0]}: '{slot}'", what)
    if not len(frames.values):
        return {}
    ids = _ids(given, dataset)
    values = frames.values  # [F, D]
    if [id for id in ids if id in given] != list(given):
        ends = dict(zip(given, np.cumsum(list(given.values())).tolist(), strict=True))
        values = np.concatenate([values[ends[id] - given[id] : ends[id]] for id in ids if id in given])  # [F, D]
    numbers = np.array([given.get(id, 0) for id in ids], np.int64)  # [R]
    return {slot: FeatureTable(ids, values, numbers > 0, numbers, provenance, where=f"stream '{slot}'")}


def _ids(found: Mapping[UtteranceId, object], dataset: Dataset) -> tuple[UtteranceId, ...]:
    """Return the utterances of a store in the order of the corpus: those of its conversations, and those found."""
    needed = {id for conversations in splits_of(dataset).values() for c in conversations for id in c.ids}
    return tuple(id for id in dataset.rows if id in found or id in needed)


def _by_utterance(
    published: Published, slot: str, values: Mapping[Key, NDArray[np.generic]], matched: RowMatch
) -> dict[UtteranceId, NDArray[np.generic]]:
    """Return the row of each utterance from a format that names conversations."""
    found: dict[UtteranceId, NDArray[np.generic]] = {}
    widths: dict[int, Key] = {}
    for key, ids in matched.ids.items():
        if key not in values:  # the stream lacks this split
            continue
        array = values[key]
        where = f"{published.paths[0]}: '{slot}', conversation {key} ({ids[0][0]})"
        if array.ndim != 2 or len(array) != len(ids):
            raise InputError.at(where, f"has values of shape {list(array.shape)} for {len(ids)} utterances")
        if widths and array.shape[1] not in widths:
            raise InputError.at(where, f"is {array.shape[1]} wide, but conversation {next(iter(widths.values()))} "
                                       f"{next(iter(widths))}")  # fmt: skip
        widths.setdefault(array.shape[1], key)
        found.update(zip(ids, array, strict=True))
    return found


def _by_row(
    published: Published, slot: str, splits: Mapping[str, NDArray[np.generic]], dataset: Dataset
) -> dict[UtteranceId, NDArray[np.generic]]:
    """Return the row of each utterance from a format whose rows are in the order of the annotations.

    The rows may leave out the utterances whose clips are known to be broken.
    """
    found: dict[UtteranceId, NDArray[np.generic]] = {}
    corpus = splits_of(dataset)
    for split, values in splits.items():
        ids = [id for c in corpus[split] for id in c.ids]  # type: ignore[index]
        whole = [id for id in ids if id not in dataset.broken]
        fitting = next((names for names in (ids, whole) if len(names) == len(values)), None)
        if fitting is None:
            what = f"has {len(values)} rows of {split}; the corpus has {len(ids)}, or {len(whole)} without broken clips"
            raise InputError.at(f"{published.paths[0]}: '{slot}'", shown(what))
        found.update(zip(fitting, values, strict=True))
    return found
