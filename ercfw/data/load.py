"""A recipe's conversations: the dataset's splits, each with the streams that the recipe asks for."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ercfw.contract.conversation import SPLITS, UNLABELLED, Conversation
from ercfw.contract.feature_table import FeatureTable, FittedOn
from ercfw.contract.interfaces import Dataset, Provenance
from ercfw.contract.stamps import SIMULATED
from ercfw.contract.stored_streams import StoredStreams, presence
from ercfw.data.cross_fit import without_part
from ercfw.data.extraction.extract import Progress
from ercfw.data.leakage import check_fitted
from ercfw.data.missing_modalities import kept_of, without, without_stored
from ercfw.data.modality_sources import StreamSource, find_source
from ercfw.data.train_statistics import count_classes
from ercfw.errors import InputError, Mistake, did_you_mean
from ercfw.recipe.queries import DEFAULT, brings, feature_part, selected_metric
from ercfw.recipe.schema import Missing, Part, Recipe
from ercfw.registry.catalog import Catalog
from ercfw.registry.make import make_part
from ercfw.system.gc_pause import collector_paused


@dataclass(frozen=True)
class Data:
    """All that an experiment reads.

    Attributes:
        splits: conversations with their streams.
        targets: the class names of each target.
        provenance: where the conversations came from.
        streams: where each modality came from and what it was fitted on, for reports.
        stamps: words that must stand on everything a run leaves behind.
        warnings: what a reader should know.
    """

    splits: Mapping[str, Sequence[Conversation]]
    targets: Mapping[str, tuple[str, ...]]
    provenance: Provenance
    streams: Mapping[str, Mapping[str, Any]]
    stamps: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


@collector_paused()
def make_dataset(part: Part, catalog: Catalog) -> Dataset:
    """The dataset of a ``[data]`` table."""
    return make_part(catalog, "dataset", "data", part)


def read_dataset(part: Part, catalog: Catalog) -> tuple[Dataset, tuple[str, ...]]:
    """The dataset of a ``[data]`` table, and what it warned of while it was read."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        dataset = make_dataset(part, catalog)
    return dataset, tuple(str(warning.message) for warning in caught)


def load_data(recipe: Recipe, catalog: Catalog, dataset: Dataset, progress: Progress, processes: int = 1) -> Data:
    """Splits, streams and what is to be said of them.

    Args:
        recipe: what is asked for.
        catalog: the plugins that make it.
        dataset: the recipe's.
        progress: told of what is extracted.
        processes: how many may extract features side by side.

    Raises:
        InputError: the conversations or a stream are not fit for the recipe.
    """
    splits: dict[str, Sequence[Conversation]] = {name: list(dataset.split(name)) for name in SPLITS}
    _check_splits(splits)
    if recipe.data.leave_out is not None:
        splits["train"] = without_part(splits["train"], recipe.data.leave_out)
    check_tables(recipe, dataset)
    _check_no_real_files(recipe, dataset)
    sources = {
        name: source
        for name in recipe.data.modalities
        if (source := find_source(recipe, catalog, dataset, splits, name, progress, processes)) is not None
    }
    tables = {name: source.table for name, source in sources.items()}
    with_streams = attach(splits, recipe.data.modalities, tables, recipe.data.missing)
    stamps = [SIMULATED] if dataset.provenance.simulated else []
    doubts: list[str] = []
    for name, source in sources.items():
        found = check_fitted(name, source.fitted_on, with_streams, dataset.source_train, recipe.data.allow_fitted_dev)
        stamps += [stamp for stamp in (*source.stamps, *found.stamps) if stamp not in stamps]
        doubts += [*source.warnings(name), *found.warnings]
    present = {name: _present(with_streams, name) for name in recipe.data.modalities}
    doubts += [*_class_warnings(splits["train"], dataset.targets), *_stream_warnings(present)]
    streams = {name: _about(source, present[name]) for name, source in sources.items()}
    provenance = replace(dataset.provenance, files={**dataset.provenance.files, **_feature_files(recipe, tables)})
    return Data(with_streams, dataset.targets, provenance, streams, tuple(stamps), tuple(doubts))


def _about(source: StreamSource, present: Mapping[str, str]) -> dict[str, Any]:
    """What reports say of a stream."""
    return {"made_by": source.table.made_by, "fitted_on": _said(source.fitted_on), "present": present}


def _class_warnings(train: Sequence[Conversation], targets: Mapping[str, tuple[str, ...]]) -> Iterable[str]:
    for target, spec in count_classes(train, targets).items():
        for name, count in zip(spec.classes, spec.counts, strict=True):
            if not count:
                yield f"class '{name}' of '{target}' has no utterance in train"
            if name.lower() in {other.lower() for other in spec.classes if other != name}:
                yield f"class '{name}' of '{target}' differs from another one in capital letters only"
        if len(spec.classes) == 1:
            yield f"'{target}' has a single class, so every prediction is right"


def _present(splits: Mapping[str, Sequence[Conversation]], modality: str) -> dict[str, str]:
    """In how many utterances of each split a modality is present."""
    found = {split: presence(conversations, modality) for split, conversations in splits.items()}
    return {split: f"{int(present.sum())} of {len(present)}" for split, present in found.items()}


def _stream_warnings(present: Mapping[str, Mapping[str, str]]) -> Iterable[str]:
    """Streams that most utterances lack.

    Raises:
        InputError: no utterance of train has one.
    """
    for name, in_split in present.items():
        for split, counts in in_split.items():
            there, utterances = map(int, counts.split(" of "))
            if split == "train" and not there:
                raise InputError.at(f"[data] modalities: {name}", "no utterance of train has it")
            if utterances and there < utterances / 2:
                yield f"stream '{name}' is present in only {counts} utterances of {split}"


def _feature_files(recipe: Recipe, tables: Mapping[str, FeatureTable]) -> dict[str, str]:
    """sha256 of each file that the recipe itself names and that was read."""
    parts = {name: feature_part(recipe, name) for name in tables}
    return {p.file: tables[name].made_by["sha256"] for name, p in parts.items() if p is not None and p.file is not None}


@collector_paused()
def attach(
    splits: Mapping[str, Sequence[Conversation]],
    modalities: Sequence[str],
    tables: Mapping[str, FeatureTable],
    missing: Missing | None = None,
) -> Mapping[str, Sequence[Conversation]]:
    """The conversations with these modalities, read from their tables when they are asked for."""
    ids = [id for conversations in splits.values() for c in conversations for id in c.ids]
    keeps = {name: kept_of(splits, name, missing) for name in modalities} if missing is not None else {}  # [R] each
    stored = {name: tables[name].select(ids) if name in tables else None for name in modalities}
    stored = {n: without_stored(s, keeps[n]) if s is not None and n in keeps else s for n, s in stored.items()}
    attached: dict[str, list[Conversation]] = {split: [] for split in splits}
    row = 0
    for split, conversations in splits.items():
        for conversation in conversations:
            rows = range(row, row := row + len(conversation))
            place = slice(rows.start, rows.stop)
            own = {
                name: without(conversation.streams[name], keeps[name][place]) for name in keeps if stored[name] is None
            }
            streams = StoredStreams(stored, rows, {**conversation.streams, **own})
            attached[split].append(conversation.with_streams(streams))
    return attached


def _check_no_real_files(recipe: Recipe, dataset: Dataset) -> None:
    """Simulated conversations have no real streams."""
    files = [name for name, part in recipe.features.items() if part.file is not None]
    if files and dataset.provenance.simulated:
        where = f"[features.{files[0]}] file"
        raise InputError.at(where, f"is given, but the data is {dataset.provenance.source}", "set data.root")


def _check_splits(splits: Mapping[str, Sequence[Conversation]]) -> None:
    mistakes = [
        Mistake(f"split '{split}': conversation {conversation.id}", "has no utterances")
        for split, conversations in splits.items()
        for conversation in conversations
        if not len(conversation)
    ]
    seen: dict[str, str] = {}
    for split, conversations in splits.items():
        for conversation in conversations:
            if conversation.id in seen:
                where = f"split '{split}': conversation {conversation.id}"
                mistakes.append(Mistake(where, f"is also in split '{seen[conversation.id]}'"))
            seen[conversation.id] = split
    for split in ("train", "dev"):
        labels = [values for conversation in splits[split] for values in conversation.labels.values()]
        if not any((values != UNLABELLED).any() for values in labels):
            mistakes.append(Mistake(f"split '{split}'", "has no labelled utterance", "train and dev need labels"))
    if mistakes:
        raise InputError(mistakes)


def check_tables(recipe: Recipe, dataset: Dataset) -> None:
    """A table for a modality that is left out is ignored; one that nothing brings is a mistake.

    Raises:
        InputError: the recipe names modalities or targets that the data has not.
    """
    known = {*recipe.data.modalities, *dataset.modalities, DEFAULT}
    tables = [("features", name, known) for name in recipe.features]
    tables += [("encoder", name, known | set(recipe.features)) for name in recipe.encoder]
    tables += [("context", name, known | set(recipe.features) | {"joint"}) for name in recipe.context]
    mistakes = [
        Mistake(f"[{kind}.{name}]", f"the data has no modality '{name}'", did_you_mean(name, names))
        for kind, name, names in tables
        if name not in names
    ]
    mistakes += [
        Mistake(
            "[data] modalities",
            f"the data has no modality '{name}', and no [features] table brings it",
            did_you_mean(name, dataset.modalities),
        )
        for name in recipe.data.modalities
        if name not in dataset.modalities and not brings(feature_part(recipe, name))
    ]
    targets = [(f"[head.{name}]", name) for name in recipe.head]
    if recipe.model is not None:
        targets += [(f"[loss.{name}] target", part.target) for name, part in recipe.loss.items() if part.target]
        targets += [("[train] select", selected_metric(recipe).partition(".")[0])]
    mistakes += [
        Mistake(where, f"the data has no target '{name}'", did_you_mean(name, dataset.targets))
        for where, name in targets
        if name not in dataset.targets
    ]
    if mistakes:
        raise InputError(mistakes)


def _said(fitted_on: FittedOn) -> str:
    return fitted_on if isinstance(fitted_on, str) else f"{len(fitted_on)} labelled utterances"
