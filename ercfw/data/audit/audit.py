"""Check a corpus and all of its streams."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from ercfw.contract.conversation import SPLITS
from ercfw.contract.feature_table import FeatureTable
from ercfw.contract.interfaces import Dataset, Extractor
from ercfw.contract.stored_streams import gather
from ercfw.data.audit.annotations import check_annotations
from ercfw.data.audit.feature_values import check_table
from ercfw.data.audit.finding import LEVELS, Finding, Level
from ercfw.data.audit.leakage_check import check_label_leakage
from ercfw.data.audit.long_texts import check_long_texts
from ercfw.data.audit.silent_clips import check_silence
from ercfw.data.cues.attach import add_cues
from ercfw.data.label_form import check_label_form, declared_targets
from ercfw.errors import InputError
from ercfw.registry.resolve import ResolvedPart
from ercfw.system.files import is_file
from ercfw.system.gc_pause import collector_paused
from ercfw.system.progress import Progress


@collector_paused()
def check_corpus(
    dataset: Dataset,
    progress: Progress,
    extractors: Mapping[str, ResolvedPart[Extractor]] = MappingProxyType({}),
    cues: str | None = None,
) -> list[Finding]:
    """Check the annotations of a dataset and the streams that it provides; return the findings, worst first.

    Args:
        dataset: the dataset.
        progress: called for each stream that is checked.
        extractors: the extractors of a recipe, which find texts that are cut and clips that are silent.
        cues: the recipe's file of cues, which its extractors may read.

    Raises:
        InputError: the file of cues does not fit the dataset, or the labels do not have the form that it declares.
    """
    splits = {split: dataset.split(split) for split in SPLITS}
    check_label_form([c for split in SPLITS for c in splits[split]], declared_targets(dataset.targets))
    with_cues = add_cues(splits, cues, dataset)
    conversations = [c for split in SPLITS for c in with_cues.value[split]]
    found = [*check_annotations(dataset, splits), *check_long_texts(conversations, extractors)]
    found += [Finding("doubtful", "cues", warning) for warning in with_cues.warnings]
    found += check_silence(dataset, extractors, progress)
    for done, name in enumerate(dataset.modalities, 1):
        found += _check_stream(dataset, name)
        progress("streams", done, len(dataset.modalities))
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def _check_stream(dataset: Dataset, name: str) -> Iterator[Finding]:
    splits = {split: dataset.split(split) for split in SPLITS}
    try:
        table = stream_table(dataset, name)
        yield from check_table(name, table, dataset.rows, splits)
        yield from check_label_leakage(name, table, dataset, splits)
    except InputError as error:
        for mistake in error.mistakes:
            level: Level = "wrong" if is_file(Path(mistake.where)) else "note"
            yield Finding(level, f"stream '{name}'", f"{mistake.where}: {mistake.what}")


def stream_table(dataset: Dataset, name: str) -> FeatureTable:
    """Return the values of a stream: from its feature file, or from the conversations that carry them.

    Raises:
        InputError: the stream has no values, or they do not fit the corpus.
    """
    conversations = [c for split in SPLITS for c in dataset.split(split)]
    if name not in conversations[0].streams or conversations[0].streams[name].lengths is not None:
        return dataset.features(name)
    carried = gather(conversations, [name])[name]
    ids = tuple(id for c in conversations for id in c.ids)
    return FeatureTable(ids, carried.values, carried.present, where=f"stream '{name}'")
