"""Load the conversations of a recipe: the splits of its dataset, with the streams that the recipe asks for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from ercfw.contract.conversation import SPLITS, Conversation
from ercfw.contract.feature_table import FeatureTable, FittedOn
from ercfw.contract.interfaces import Dataset, Extractor
from ercfw.contract.provenance import Provenance, StreamSummary
from ercfw.contract.stamps import SIMULATED
from ercfw.contract.stored_streams import StoredStreams, presence
from ercfw.contract.targets import Target, has_label
from ercfw.data.cross_fit import without_part
from ercfw.data.cues.attach import add_cues
from ercfw.data.label_form import check_label_form, declared_targets
from ercfw.data.leakage import check_fitted
from ercfw.data.missing_modalities import keep_mask_of_splits, mask_stored, mask_stream
from ercfw.data.modality_sources import StreamSource, find_source
from ercfw.data.tables.read import Read
from ercfw.data.target_warnings import target_warnings
from ercfw.errors import InputError, Mistake, did_you_mean, recorded_warnings, with_warnings
from ercfw.recipe.queries import DEFAULT, brings, feature_part, selected_metric
from ercfw.recipe.schema import Missing, Recipe
from ercfw.registry.make import make_part
from ercfw.registry.resolve import ResolvedPart
from ercfw.system.files import sha256
from ercfw.system.gc_pause import collector_paused
from ercfw.system.progress import Progress


@dataclass(frozen=True)
class Data:
    """All data that an experiment reads.

    Attributes:
        splits: the conversations of each split, with their streams.
        targets: what each target is.
        provenance: where the conversations came from.
        streams: the origin of each modality, what it was fitted on, and how often it is present; for reports.
        stamps: marks that every output of a run must carry.
        warnings: warnings about the data.
    """

    splits: Mapping[str, Sequence[Conversation]]
    targets: Mapping[str, Target]
    provenance: Provenance
    streams: Mapping[str, StreamSummary]
    stamps: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


@collector_paused()
def make_dataset(part: ResolvedPart[Dataset]) -> Dataset:
    """Make the dataset of a ``[data]`` table."""
    return make_part(part)


def read_dataset(part: ResolvedPart[Dataset]) -> tuple[Dataset, tuple[str, ...]]:
    """Make the dataset of a ``[data]`` table and return it with the warnings that it gave."""
    with recorded_warnings() as given:
        dataset = make_dataset(part)
    return dataset, tuple(given)


def load_data(
    recipe: Recipe,
    extractors: Mapping[str, ResolvedPart[Extractor]],
    dataset: Dataset,
    progress: Progress,
    processes: int = 1,
) -> Data:
    """Load the splits and streams of a recipe, with their stamps and warnings.

    Args:
        recipe: the recipe.
        extractors: the extractor of each modality that has one.
        dataset: the dataset of the recipe.
        progress: called for each piece of work that an extractor finishes.
        processes: the largest number of processes that extract features in parallel.

    Raises:
        InputError: the recipe cannot use the conversations or a stream.
    """
    given: list[str] = []
    with with_warnings(given):
        targets = declared_targets(dataset.targets)
        read = _read_splits(recipe, dataset, targets)
        splits = read.value
        given += read.warnings
        check_tables(recipe, dataset)
        _check_no_real_files(recipe, dataset)
        sources: dict[str, StreamSource] = {}
        for name in recipe.data.modalities:
            source = find_source(recipe, extractors, dataset, splits, name, progress, processes)
            if source is not None:
                sources[name] = source
                given += source.warnings(name)
        tables = {name: source.table for name, source in sources.items()}
        with_streams = attach(splits, recipe.data.modalities, tables, recipe.data.missing)
        stamps = [SIMULATED] if dataset.provenance.simulated else []
        for name, source in sources.items():
            leakage = check_fitted(
                name, source.fitted_on, with_streams, dataset.source_train, recipe.data.allow_fitted_dev
            )
            stamps += [stamp for stamp in (*source.stamps, *leakage.stamps) if stamp not in stamps]
            given += leakage.warnings
        presence_of = {name: _count_present(with_streams, name) for name in recipe.data.modalities}
        given += target_warnings(splits["train"], targets)
        _check_present(presence_of)
        given += _stream_warnings(presence_of)
    streams = {name: _summary(source, presence_of[name]) for name, source in sources.items()}
    files = {**dataset.provenance.files, **_feature_files(recipe, tables), **_cue_file(recipe)}
    provenance = replace(dataset.provenance, files=files)
    return Data(with_streams, targets, provenance, streams, tuple(stamps), tuple(given))


def _read_splits(
    recipe: Recipe, dataset: Dataset, targets: Mapping[str, Target]
) -> Read[dict[str, Sequence[Conversation]]]:
    """Return the checked conversations of each split, with the recipe's cues and without what it leaves out.

    Raises:
        InputError: the recipe cannot use the conversations, or its file of cues does not fit them.
    """
    splits: dict[str, Sequence[Conversation]] = {name: list(dataset.split(name)) for name in SPLITS}
    _check_splits(splits, targets)
    with_cues = add_cues(splits, recipe.data.cues, dataset)
    splits = with_cues.value
    if recipe.data.leave_out is not None:
        splits["train"] = without_part(splits["train"], recipe.data.leave_out)
    return Read(splits, with_cues.warnings)


class Presence(NamedTuple):
    """How many utterances of a split have a modality.

    Attributes:
        present: utterances that have it.
        total: all utterances of the split.
    """

    present: int
    total: int

    def __str__(self) -> str:
        return f"{self.present} of {self.total}"


def _summary(source: StreamSource, presence_in: Mapping[str, Presence]) -> StreamSummary:
    return StreamSummary(
        made_by=source.table.provenance,
        fitted_on=_describe_fitted_on(source.fitted_on),
        present={split: str(counts) for split, counts in presence_in.items()},
    )


def _count_present(splits: Mapping[str, Sequence[Conversation]], modality: str) -> dict[str, Presence]:
    """Count in each split how many utterances have a modality."""
    found = {split: presence(conversations, modality) for split, conversations in splits.items()}
    return {split: Presence(int(present.sum()), len(present)) for split, present in found.items()}


def _check_present(presence_of: Mapping[str, Mapping[str, Presence]]) -> None:
    """Check that some utterance of train has each stream."""
    for name, presence_in in presence_of.items():
        if not presence_in["train"].present:
            raise InputError.at("[data] modalities", f"'{name}' is absent from every utterance of train", "remove it")


def _stream_warnings(presence_of: Mapping[str, Mapping[str, Presence]]) -> Iterable[str]:
    """Warn about streams that most utterances of a split lack."""
    for name, presence_in in presence_of.items():
        for split, counts in presence_in.items():
            if counts.present < counts.total / 2:
                yield f"stream '{name}' is present in only {counts} utterances of {split}"


def _feature_files(recipe: Recipe, tables: Mapping[str, FeatureTable]) -> dict[str, str]:
    """Return the sha256 of each feature file that the recipe names."""
    parts = {name: feature_part(recipe, name) for name in tables}
    return {
        p.file: tables[name].provenance["sha256"] for name, p in parts.items() if p is not None and p.file is not None
    }


def _cue_file(recipe: Recipe) -> dict[str, str]:
    """Return the sha256 of the file of cues that the recipe names."""
    return {} if recipe.data.cues is None else {recipe.data.cues: sha256(Path(recipe.data.cues))}


@collector_paused()
def attach(
    splits: Mapping[str, Sequence[Conversation]],
    modalities: Sequence[str],
    tables: Mapping[str, FeatureTable],
    missing: Missing | None = None,
) -> Mapping[str, Sequence[Conversation]]:
    """Return the conversations with these modalities; values are read from the tables when they are used."""
    ids = [id for conversations in splits.values() for c in conversations for id in c.ids]
    masks = {name: keep_mask_of_splits(splits, name, missing) for name in modalities} if missing is not None else {}
    stored = {name: tables[name].select(ids) if name in tables else None for name in modalities}
    stored = {n: mask_stored(s, masks[n]) if s is not None and n in masks else s for n, s in stored.items()}
    attached: dict[str, list[Conversation]] = {split: [] for split in splits}
    row = 0
    for split, conversations in splits.items():
        for conversation in conversations:
            rows = range(row, row := row + len(conversation))
            place = slice(rows.start, rows.stop)
            own = {
                name: mask_stream(conversation.streams[name], masks[name][place])
                for name in masks
                if stored[name] is None
            }
            streams = StoredStreams(stored, rows, {**conversation.streams, **own})
            attached[split].append(conversation.with_streams(streams))
    return attached


def _check_no_real_files(recipe: Recipe, dataset: Dataset) -> None:
    """Refuse feature files for simulated conversations: real values do not belong to them."""
    files = [name for name, part in recipe.features.items() if part.file is not None]
    if files and dataset.provenance.simulated:
        where = f"[features.{files[0]}] file"
        raise InputError.at(
            where, f"is set, but the data is {dataset.provenance.source}", "set data.root to a real corpus"
        )


def _check_splits(splits: Mapping[str, Sequence[Conversation]], targets: Mapping[str, Target]) -> None:
    """Check that conversations are not empty, that each is in one split, and that train and dev have labels."""
    for conversations in splits.values():
        check_label_form(conversations, targets)
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
        if not any(has_label(values).any() for values in labels):
            mistakes.append(Mistake(f"split '{split}'", "has no labelled utterance", "train and dev need labels"))
    if mistakes:
        raise InputError(mistakes)


def check_tables(recipe: Recipe, dataset: Dataset) -> None:
    """Check that the data has every modality and target that the tables of a recipe name.

    A table for a modality that the recipe does not use is ignored. A table for a modality without a source is not.

    Raises:
        InputError: the recipe names a modality without a source, or an unknown target.
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
            f"the data has no modality '{name}', and no [features] table provides it",
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


def _describe_fitted_on(fitted_on: FittedOn) -> str:
    return fitted_on if isinstance(fitted_on, str) else f"{len(fitted_on)} labelled utterances"
