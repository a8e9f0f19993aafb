"""Where the values of each modality come from: an extractor, a file, or the dataset itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ercfw.contract.conversation import Conversation, UtteranceId
from ercfw.contract.feature_table import FeatureTable, FittedOn, read_features
from ercfw.contract.interfaces import ClipExtractor, Dataset, Extractor
from ercfw.data.extraction.extract import Extraction, Progress, extract
from ercfw.data.extraction.workers import WorkerPool
from ercfw.errors import in_table
from ercfw.recipe.queries import _key, feature_part
from ercfw.recipe.schema import FeaturePart, Recipe
from ercfw.registry.catalog import Catalog, load_catalog
from ercfw.registry.make import make_part

FIRST = 3
"""Broken clips that a warning names."""


@dataclass(frozen=True)
class StreamSource:
    """Where one modality came from.

    Attributes:
        table: its values.
        fitted_on: what they were fitted on, by the table's word or the recipe's.
        stamps: words that must stand on everything made from them.
        broken: the utterances whose clip could not be read, and why.
        notice: what whoever uses its extractor must know.
    """

    table: FeatureTable
    fitted_on: FittedOn
    stamps: tuple[str, ...] = ()
    broken: Mapping[UtteranceId, str] = field(default_factory=dict)
    notice: str = ""

    def warnings(self, modality: str) -> list[str]:
        """What a reader should know."""
        notices = [self.notice] if self.notice else []
        if not self.broken:
            return notices
        first = [f"{conversation} {utterance}: {why}" for (conversation, utterance), why in self.broken.items()]
        more = f", and {len(first) - FIRST} more" if len(first) > FIRST else ""
        told = f"stream '{modality}': clips that could not be read: {len(first)} ({'; '.join(first[:FIRST])}{more})"
        return [*notices, told]


@dataclass(frozen=True)
class ExtractorFactory:
    """Makes a recipe's extractor of a modality in another process.

    Attributes:
        recipe: as JSON.
        files: its plugin files.
        modality: whose extractor it is.
    """

    recipe: str
    files: tuple[Path, ...]
    modality: str

    def __call__(self) -> Extractor:
        """The extractor."""
        return make_extractor(Recipe.model_validate_json(self.recipe), load_catalog(self.files), self.modality)


def make_extractor(recipe: Recipe, catalog: Catalog, modality: str) -> Extractor:
    """The extractor that the recipe names for a modality."""
    part = feature_part(recipe, modality)
    assert part is not None
    return make_part(catalog, "extractor", f"features.{_key(recipe, modality)}", part)


def run_extractor(
    recipe: Recipe,
    catalog: Catalog,
    conversations: Sequence[Conversation],
    modality: str,
    progress: Progress,
    processes: int = 1,
) -> tuple[Extractor, Extraction]:
    """A modality of these conversations by the recipe's extractor; several processes are for clips.

    What reads words is a network that keeps all cores busy by itself.
    """
    part = feature_part(recipe, modality)
    assert part is not None
    assert part.use is not None
    extractor = make_extractor(recipe, catalog, modality)
    recruit = ExtractorFactory(recipe.model_dump_json(by_alias=True), catalog.files, modality)
    crew = WorkerPool(processes, recruit) if processes > 1 and isinstance(extractor, ClipExtractor) else None
    return extractor, extract(extractor, part.use, conversations, progress, crew)


def find_source(
    recipe: Recipe,
    catalog: Catalog,
    dataset: Dataset,
    splits: Mapping[str, Sequence[Conversation]],
    modality: str,
    progress: Progress,
    processes: int = 1,
) -> StreamSource | None:
    """Where a modality comes from; None when the conversations carry it.

    Raises:
        InputError: nothing brings it, or what brings it is not fit for the data.
    """
    part = feature_part(recipe, modality)
    if part is not None and part.use is not None:
        if dataset.provenance.simulated:
            return _drawn(recipe, catalog, dataset, modality)
        conversations = [c for in_split in splits.values() for c in in_split]
        extractor, made = run_extractor(recipe, catalog, conversations, modality, progress, processes)
        return StreamSource(made.table, made.table.fitted_on, extractor.stamps, made.broken, extractor.notice)
    if part is not None and part.file is not None:
        with in_table(f"[features.{_key(recipe, modality)}] file"):
            return _as_recipe_says(part, dataset, read_features(Path(part.file), dataset.rows))
    if all(modality in c.streams for in_split in splits.values() for c in in_split):
        return None
    with in_table("[data]"):
        return _as_recipe_says(part, dataset, dataset.features(modality))


def _drawn(recipe: Recipe, catalog: Catalog, dataset: Dataset, modality: str) -> StreamSource:
    """Simulated values of the kind and width that the extractor promises."""
    extractor = make_extractor(recipe, catalog, modality)
    table = dataset.draw(modality, extractor.dim, extractor.kind == "tokens")
    return StreamSource(table, table.fitted_on, extractor.stamps)


def _as_recipe_says(part: FeaturePart | None, dataset: Dataset, table: FeatureTable) -> StreamSource:
    """What a table was fitted on: what it says itself, unless the recipe speaks of real values."""
    if part is None or part.fitted_on is None or dataset.provenance.simulated:
        return StreamSource(table, table.fitted_on)
    return StreamSource(table, dataset.source_train if part.fitted_on == "train" else part.fitted_on)
