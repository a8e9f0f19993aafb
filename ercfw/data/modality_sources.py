"""Find the values of each modality: they come from an extractor, a feature file, or the dataset itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ercfw.contract.conversation import Conversation, UtteranceId
from ercfw.contract.feature_table import FeatureTable, FittedOn, read_features
from ercfw.contract.interfaces import ClipExtractor, Dataset, Extractor
from ercfw.contract.optional_parts import SupportsCutTexts
from ercfw.data.cues.attach import check_cues
from ercfw.data.extraction.extract import Extraction, extract
from ercfw.data.extraction.silence import silence_warning
from ercfw.data.extraction.workers import WorkerPool
from ercfw.errors import in_table
from ercfw.recipe.queries import feature_part, table_of
from ercfw.recipe.schema import FeaturePart, Recipe
from ercfw.registry.catalog import load_catalog
from ercfw.registry.make import make_part
from ercfw.registry.options import written_options
from ercfw.registry.resolve import ResolvedPart, resolve_part
from ercfw.registry.trust import PluginFiles, admit
from ercfw.system.progress import Progress
from ercfw.system.validation import as_json

MAX_NAMED = 3
"""The number of broken clips that a warning names."""


@dataclass(frozen=True)
class StreamSource:
    """The values of one modality and their origin.

    Attributes:
        table: the values.
        fitted_on: what the values were fitted on, as the table or the recipe declares it.
        stamps: marks that everything made from the values must carry.
        broken: the utterances whose clip could not be read, with the reason.
        notice: what users of the extractor must know; may be empty.
        cut: a warning that counts the texts of which only the beginning is read; may be empty.
        silent: a warning that counts the clips whose sound is digital silence; may be empty.
    """

    table: FeatureTable
    fitted_on: FittedOn
    stamps: tuple[str, ...] = ()
    broken: Mapping[UtteranceId, str] = field(default_factory=dict)
    notice: str = ""
    cut: str = ""
    silent: str = ""

    def warnings(self, modality: str) -> list[str]:
        """Return the warnings about this modality."""
        notices = [notice for notice in (self.notice, self.cut, self.silent) if notice]
        if not self.broken:
            return notices
        clips = [f"{conversation} {utterance}: {why}" for (conversation, utterance), why in self.broken.items()]
        more = f", and {len(clips) - MAX_NAMED} more" if len(clips) > MAX_NAMED else ""
        named = "; ".join(clips[:MAX_NAMED]) + more
        return [*notices, f"stream '{modality}': clips that could not be read: {len(clips)} ({named})"]


@dataclass(frozen=True)
class ExtractorFactory:
    """A callable that makes an extractor in another process.

    Attributes:
        table: the name of the extractor's table in the recipe.
        content: the table as JSON.
        plugin_files: the plugin files of the recipe.
    """

    table: str
    content: str
    plugin_files: tuple[Path, ...]

    def __call__(self) -> Extractor:
        """Make the extractor."""
        part = FeaturePart.model_validate_json(self.content)
        files = admit(self.plugin_files, PluginFiles.TRUSTED, f"[{self.table}]")
        made: Extractor = make_part(resolve_part(load_catalog(files), "extractor", self.table, part))
        return made


def run_extractor(
    part: ResolvedPart[Extractor],
    conversations: Sequence[Conversation],
    progress: Progress,
    processes: int = 1,
) -> tuple[Extractor, Extraction]:
    """Run an extractor over these conversations.

    Only extractors of clips run in several processes. An extractor of text is a network that uses all cores by itself.
    """
    extractor, name = make_part(part), part.component.name
    workers = WorkerPool(processes, _factory(part)) if processes > 1 and isinstance(extractor, ClipExtractor) else None
    return extractor, extract(extractor, name, conversations, progress, workers)


def _factory(part: ResolvedPart[Extractor]) -> ExtractorFactory:
    content = as_json({"use": part.component.name, **written_options(part.options)})
    return ExtractorFactory(part.table, content, part.plugin_files)


def silent_warning(
    modality: str,
    extractor: Extractor,
    part: ResolvedPart[Extractor],
    conversations: Sequence[Conversation],
    progress: Progress,
    processes: int = 1,
) -> str:
    """Return a warning that counts the clips of a modality whose sound is digital silence; empty if there is none."""
    found = silence_warning(extractor, _factory(part), conversations, progress, processes)
    return found and f"stream '{modality}': {found}"


def cut_warning(modality: str, extractor: Extractor, made: Extraction) -> str:
    """Return a warning that counts the texts of which an extractor read only the beginning; empty if it cut none."""
    if not made.cut or not isinstance(extractor, SupportsCutTexts):
        return ""
    named = ", ".join(" ".join(id) for id in made.cut[:MAX_NAMED])
    more = f" and {len(made.cut) - MAX_NAMED} more" if len(made.cut) > MAX_NAMED else ""
    what = f"texts of which only the beginning is read: {len(made.cut)} of {len(made.table.ids)} ({named}{more})"
    return f"stream '{modality}': {what}; {extractor.longest_text}"


def find_source(
    recipe: Recipe,
    extractors: Mapping[str, ResolvedPart[Extractor]],
    dataset: Dataset,
    splits: Mapping[str, Sequence[Conversation]],
    modality: str,
    progress: Progress,
    processes: int = 1,
) -> StreamSource | None:
    """Return the values of a modality and their origin; None where the conversations already carry it.

    Raises:
        InputError: the modality has no source, or the values do not fit the data.
    """
    if modality in extractors:
        if dataset.provenance.simulated:
            return _simulated_source(extractors[modality], dataset, modality)
        conversations = [c for in_split in splits.values() for c in in_split]
        check_cues(extractors[modality], conversations)
        extractor, made = run_extractor(extractors[modality], conversations, progress, processes)
        cut = cut_warning(modality, extractor, made)
        silent = silent_warning(modality, extractor, extractors[modality], conversations, progress, processes)
        about = (extractor.stamps, made.broken, extractor.notice, cut, silent)
        return StreamSource(made.table, made.table.fitted_on, *about)
    part = feature_part(recipe, modality)
    if part is not None and part.file is not None:
        with in_table(f"[features.{table_of(recipe.features, modality)}] file"):
            return _table_source(part, dataset, read_features(Path(part.file), dataset.rows))
    if all(modality in c.streams for in_split in splits.values() for c in in_split):
        return None
    with in_table("[data]"):
        return _table_source(part, dataset, dataset.features(modality))


def _simulated_source(part: ResolvedPart[Extractor], dataset: Dataset, modality: str) -> StreamSource:
    """Draw simulated values of the kind and width that the extractor declares."""
    extractor = make_part(part)
    table = dataset.draw(modality, extractor.dim, extractor.kind == "tokens")
    return StreamSource(table, table.fitted_on, extractor.stamps)


def _table_source(part: FeaturePart | None, dataset: Dataset, table: FeatureTable) -> StreamSource:
    """Return the source of a table; ``fitted_on`` of the recipe overrides that of a real table."""
    if part is None or part.fitted_on is None or dataset.provenance.simulated:
        return StreamSource(table, table.fitted_on)
    return StreamSource(table, dataset.source_train if part.fitted_on == "train" else part.fitted_on)
