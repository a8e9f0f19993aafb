"""A corpus and its feature store to the files that other projects read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import SPLITS, UNLABELLED, Conversation
from ercfw.contract.feature_table import FeatureTable
from ercfw.contract.interfaces import Dataset, FileLayout
from ercfw.contract.published import Key, Published
from ercfw.data.exchange.keys import ANYBODYS, public_keys
from ercfw.data.exchange.manifest import write_card
from ercfw.errors import InputError, did_you_mean
from ercfw.recipe.schema import Part
from ercfw.registry.catalog import Catalog
from ercfw.registry.make import make_part

SENTIMENT = "sentiment"
READ_FROM = ("file", "sha256")
"""What reading a feature store adds to its making; the whole of it for arrays that say nothing of theirs."""
NOTHING = np.zeros(1, np.float32)
"""What stands for a stream that is left out: readers of the files expect something."""


@dataclass(frozen=True)
class ExportedFeatures:
    """What was exported.

    Attributes:
        paths: the files.
        rows: of each slot what fills it, for a table.
    """

    paths: tuple[Path, ...]
    rows: tuple[Mapping[str, Any], ...]


def export_features(
    catalog: Catalog,
    dataset: Dataset,
    layout: str,
    folder: Path,
    streams: Mapping[str, str],
    without: Sequence[str] = (),
) -> ExportedFeatures:
    """Write a corpus in the layout of another project, with a card that keeps what the layout has no room for.

    Args:
        catalog: the plugins.
        dataset: the corpus.
        layout: a layout's name.
        folder: where the files are written.
        streams: of a slot the modality that fills it; other slots are filled by the modality of their name.
        without: slots that are left out: zeros of width 1 stand there.

    Raises:
        InputError: a slot has no stream, or the corpus does not fit the layout.
    """
    writer: FileLayout = make_part(catalog, "layout", "layout", Part(use=layout))
    _check_slots(writer, streams, without)
    if dataset.provenance.simulated:
        what = f"is {dataset.provenance.source}"
        raise InputError.at("the corpus", what, "only real ones are exported: who reads the files could not tell")
    corpus = next((c.name for c in catalog.components("dataset") if c.made_by is type(dataset)), ANYBODYS)
    splits = {split: dataset.split(split) for split in SPLITS}
    keys = public_keys(splits)
    conversations = [c for found in splits.values() for c in found]
    tables = _tables(writer, dataset, streams, without)
    values: dict[str, dict[Key, NDArray[np.generic]]] = {
        slot: {keys[c.id]: np.tile(NOTHING, (len(c), 1)) for c in conversations} for slot in without
    }
    rows = [{"slot": slot, "modality": "-", "width": 1} for slot in without]
    kept: dict[str, tuple[str, FeatureTable]] = {}
    for slot, (modality, table) in tables.items():
        values[slot], chosen = _values(table, conversations, keys, slot)
        kept[slot] = modality, chosen
        rows.append({"slot": slot, "modality": modality, "width": table.dim})
    target, classes = next(iter(dataset.targets.items()))
    published = Published(
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
    paths = writer.write(published, folder)
    return ExportedFeatures((*paths, write_card(folder, published, paths, kept)), tuple(rows))


def _check_slots(writer: FileLayout, streams: Mapping[str, str], without: Sequence[str]) -> None:
    for option, names in (("--stream", streams), ("--without", without)):
        for slot in names:
            if slot not in writer.slots:
                raise InputError.at(
                    f"{option} {slot}", "this layout has no such stream", did_you_mean(slot, writer.slots)
                )
            if option == "--without" and slot in streams:
                raise InputError.at(f"--without {slot}", "--stream fills it")


def _tables(
    writer: FileLayout, dataset: Dataset, streams: Mapping[str, str], without: Sequence[str]
) -> dict[str, tuple[str, FeatureTable]]:
    """Each slot's modality and values."""
    found: dict[str, tuple[str, FeatureTable]] = {}
    for slot in writer.slots:
        modality = streams.get(slot, slot)
        if slot in without or (slot not in streams and slot not in writer.needed and not _there(dataset, modality)):
            continue
        if modality not in dataset.modalities:
            mend = f"--stream {slot}=MODALITY fills it with another, --without {slot} with zeros"
            raise InputError.at(f"stream {slot}", f"the corpus has no modality '{modality}'", mend)
        table = dataset.features(modality)
        if table.lengths is not None:
            raise InputError.at(f"stream {slot}", f"'{modality}' has no single vector an utterance")
        found[slot] = modality, table
    return found


def _there(dataset: Dataset, modality: str) -> bool:
    """Whether a stream that the layout can do without is at hand."""
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
    """The values of each conversation, zeros where the modality is absent, and the table of these utterances."""
    ids = [id for c in conversations for id in c.ids]
    stored = table.select(ids)
    present = stored.present
    values = np.where(present[:, None], table.values[stored.starts], np.zeros(1, table.values.dtype))  # [N, D]
    ends = np.cumsum([len(c) for c in conversations])
    split = np.split(values, ends[:-1])
    origin = {name: said for name, said in table.made_by.items() if name not in READ_FROM} or table.made_by
    chosen = FeatureTable(tuple(ids), values, present, None, origin, table.fitted_on, where=f"stream {slot}")
    return {keys[c.id]: part for c, part in zip(conversations, split, strict=True)}, chosen


def _labels(conversation: Conversation, target: str) -> list[int]:
    labels: list[int] = conversation.labels[target].tolist()
    if UNLABELLED in labels:
        where = f"conversation {conversation.id}, utterance {conversation.utterances[labels.index(UNLABELLED)]}"
        raise InputError.at(where, f"has no {target}", "these layouts have no word for an utterance without a label")
    return labels
