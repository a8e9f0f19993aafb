"""Export a corpus and its features as files that other projects read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import UNLABELLED, Conversation, Split
from ercfw.contract.feature_table import FeatureTable
from ercfw.contract.file_format import FileFormat
from ercfw.contract.interfaces import Dataset
from ercfw.contract.published_features import Key, Published
from ercfw.data.exchange.class_target import class_target
from ercfw.data.exchange.keys import ANYBODYS, public_keys, splits_of
from ercfw.data.exchange.manifest import write_manifest
from ercfw.errors import InputError, did_you_mean
from ercfw.recipe.part_table import Part
from ercfw.registry.catalog import Catalog
from ercfw.registry.make import make_part
from ercfw.registry.resolve import resolve_part

SENTIMENT = "sentiment"
READ_FROM = ("file", "sha256")
"""The entries that reading a feature file adds to its provenance."""
PLACEHOLDER = np.zeros(1, np.float32)
"""The row of a slot that is left out: readers of the files expect some value."""


@dataclass(frozen=True)
class ExportedStream:
    """A stream that an export wrote.

    Attributes:
        slot: the name of the stream in the files.
        modality: the modality that fills it; None if it is left out.
        width: the width of its vectors.
    """

    slot: str
    modality: str | None
    width: int


@dataclass(frozen=True)
class ExportedFeatures:
    """The result of an export.

    Attributes:
        paths: the files.
        streams: the streams in the files.
    """

    paths: tuple[Path, ...]
    streams: tuple[ExportedStream, ...]


def export_features(
    catalog: Catalog,
    dataset: Dataset,
    format_name: str,
    folder: Path,
    streams: Mapping[str, str],
    without: Sequence[str] = (),
) -> ExportedFeatures:
    """Write a corpus in the format of another project, with a manifest of what the format cannot hold.

    Args:
        catalog: the plugins.
        dataset: the corpus.
        format_name: the name of the format in ``ercfw ls format``.
        folder: the folder that the files are written to.
        streams: the modality that fills a slot, by slot; other slots are filled by the modality of their name.
        without: the slots to leave out; they hold zeros of width 1.

    Raises:
        InputError: a slot has no stream, or the corpus does not fit the format.
    """
    writer: FileFormat = make_part(resolve_part(catalog, "format", "format", Part(use=format_name)))
    _check_slots(writer, streams, without)
    if dataset.provenance.simulated:
        what = f"is {dataset.provenance.source}"
        raise InputError.at("the corpus", what, "export real corpora only: the files cannot mark values as simulated")
    corpus = next((c.name for c in catalog.components("dataset") if c.factory is type(dataset)), ANYBODYS)
    splits = splits_of(dataset)
    keys = public_keys(splits)
    conversations = [c for found in splits.values() for c in found]
    values: dict[str, dict[Key, NDArray[np.generic]]] = {
        slot: {keys[c.id]: np.tile(PLACEHOLDER, (len(c), 1)) for c in conversations} for slot in without
    }
    written = [ExportedStream(slot, None, 1) for slot in without]
    exported: dict[str, tuple[str, FeatureTable]] = {}
    for slot, (modality, table) in _tables(writer, dataset, streams, without).items():
        values[slot], chosen = _values(table, conversations, keys, slot)
        exported[slot] = modality, chosen
        written.append(ExportedStream(slot, modality, table.dim))
    published = _published(dataset, corpus, splits, keys, values)
    paths = writer.write(published, folder)
    return ExportedFeatures((*paths, write_manifest(folder, published, paths, exported)), tuple(written))


def _published(
    dataset: Dataset,
    corpus: str,
    splits: Mapping[Split, Sequence[Conversation]],
    keys: Mapping[str, Key],
    values: Mapping[str, Mapping[Key, NDArray[np.generic]]],
) -> Published:
    """Return the corpus and the values of each slot as a format writes them."""
    conversations = [c for found in splits.values() for c in found]
    target, classes = class_target(dataset)
    return Published(
        paths=(),
        corpus=corpus,
        classes=classes,
        lists={split: [keys[c.id] for c in found] for split, found in splits.items()},
        utterances={keys[c.id]: c.utterances for c in conversations},
        speakers={keys[c.id]: c.speakers for c in conversations},
        labels={keys[c.id]: _labels(c, target) for c in conversations},
        sentences={keys[c.id]: c.texts for c in conversations},
        streams=values,
        sentiments={keys[c.id]: _labels(c, SENTIMENT) for c in conversations} if SENTIMENT in dataset.targets else {},
    )


def _check_slots(writer: FileFormat, streams: Mapping[str, str], without: Sequence[str]) -> None:
    """Check that the format has the slots, and that none is both filled and left out."""
    for option, names in (("--stream", streams), ("--without", without)):
        for slot in names:
            if slot not in writer.slots:
                raise InputError.at(
                    f"{option} {slot}", "this format has no such stream", did_you_mean(slot, writer.slots)
                )
            if option == "--without" and slot in streams:
                raise InputError.at(f"--without {slot}", "--stream also fills this slot", "remove one of the two")


def _tables(
    writer: FileFormat, dataset: Dataset, streams: Mapping[str, str], without: Sequence[str]
) -> dict[str, tuple[str, FeatureTable]]:
    """Return the modality and the values of each slot that is filled."""
    found: dict[str, tuple[str, FeatureTable]] = {}
    for slot in writer.slots:
        modality = streams.get(slot, slot)
        if slot in without or (
            slot not in streams and slot not in writer.needed and not _has_values(dataset, modality)
        ):
            continue
        if modality not in dataset.modalities:
            hint = f"fill it with another modality (--stream {slot}=MODALITY) or with zeros (--without {slot})"
            raise InputError.at(f"stream {slot}", f"the corpus has no modality '{modality}'", hint)
        table = dataset.features(modality)
        if table.lengths is not None:
            raise InputError.at(f"stream {slot}", f"'{modality}' does not have one vector per utterance")
        found[slot] = modality, table
    return found


def _has_values(dataset: Dataset, modality: str) -> bool:
    """Return whether the corpus has values for a slot that the format does not require."""
    if modality not in dataset.modalities:
        return False
    try:
        dataset.features(modality)
    except InputError:
        return False
    return True


def _values(
    table: FeatureTable, conversations: Sequence[Conversation], keys: Mapping[str, Key], slot: str
) -> tuple[dict[Key, NDArray[np.generic]], FeatureTable]:
    """Return the values of each conversation, with zeros where the modality is absent, and their table."""
    ids = [id for c in conversations for id in c.ids]
    stored = table.select(ids)
    present = stored.present
    values = np.where(present[:, None], table.values[stored.starts], np.zeros(1, table.values.dtype))  # [N, D]
    ends = np.cumsum([len(c) for c in conversations])
    split = np.split(values, ends[:-1])
    provenance = {name: value for name, value in table.provenance.items() if name not in READ_FROM} or table.provenance
    chosen = FeatureTable(tuple(ids), values, present, None, provenance, table.fitted_on, where=f"stream {slot}")
    return {keys[c.id]: part for c, part in zip(conversations, split, strict=True)}, chosen


def _labels(conversation: Conversation, target: str) -> list[int]:
    labels: list[int] = conversation.labels[target].tolist()
    if UNLABELLED in labels:
        where = f"conversation {conversation.id}, utterance {conversation.utterances[labels.index(UNLABELLED)]}"
        raise InputError.at(where, f"has no {target}", "these formats need a label for every utterance")
    return labels
