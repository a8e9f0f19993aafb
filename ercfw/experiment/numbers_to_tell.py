"""The numbers that ``ercfw data cues`` tells: of a recipe's corpus, or of new data."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ercfw.contract.conversation import SPLITS, Conversation
from ercfw.contract.interfaces import Extractor
from ercfw.data.leakage import check_fitted
from ercfw.data.load import attach, read_dataset
from ercfw.data.modality_sources import StreamSource, find_source, run_extractor
from ercfw.data.tables.read import Read
from ercfw.errors import InputError, did_you_mean, with_warnings
from ercfw.experiment.plan import Job
from ercfw.predict.inputs import Files, read_given
from ercfw.predict.transcript import table_forms
from ercfw.recipe.queries import brings, feature_part
from ercfw.registry.resolve import ResolvedPart, resolve_extractor
from ercfw.system.progress import Progress

Splits = Mapping[str, Sequence[Conversation]]


def of_corpus(job: Job, modality: str, progress: Progress, processes: int) -> Read[Splits]:
    """Return the conversations of a recipe's corpus with the modality as their only stream.

    Raises:
        InputError: the data is simulated or lacks the modality, or its values were fitted on dev or test, or must
            carry a stamp.
        RunError: the extractor failed.
    """
    dataset, given = read_dataset(job.parts.dataset)
    warnings = list(given)
    with with_warnings(warnings):
        if dataset.provenance.simulated:
            what = f"is {dataset.provenance.source}: it has nothing to tell"
            raise InputError.at("[data]", what, "set data.root to a real corpus")
        if modality not in dataset.modalities and not brings(feature_part(job.recipe, modality)):
            what = f"the data has no modality '{modality}', and no [features] table provides it"
            raise InputError.at(f"--modality {modality}", what, did_you_mean(modality, dataset.modalities))
        splits: dict[str, Sequence[Conversation]] = {split: list(dataset.split(split)) for split in SPLITS}
        part = _extractor(job, modality)
        extractors = {} if part is None else {modality: part}
        source = find_source(job.recipe, extractors, dataset, splits, modality, progress, processes)
        with_streams = attach(splits, [modality], {} if source is None else {modality: source.table})
        if source is not None:
            warnings += source.warnings(modality)
            _check_no_stamps(modality, source.stamps)
            fitted = check_fitted(modality, source.fitted_on, with_streams, dataset.source_train, allow_dev=False)
            warnings += fitted.warnings
    return Read(with_streams, tuple(warnings))


def of_input(job: Job, modality: str, source: Path, progress: Progress, processes: int) -> Read[Splits]:
    """Return the conversations of new data, read as ``ercfw predict`` reads it, as the split test.

    Raises:
        InputError: the data cannot be read, or the recipe names no extractor of the modality.
        RunError: the extractor failed.
    """
    given = read_given(Files(source), {}, table_forms(job.catalog))
    warnings = list(given.warnings)
    with with_warnings(warnings):
        part = _extractor(job, modality)
        if part is None:
            what = f"no extractor computes '{modality}' of new data"
            raise InputError.at(f"[features.{modality}] use", what, f"such as features.{modality}.use=prosody")
        extractor, made = run_extractor(part, given.conversations, progress, processes)
        about = (extractor.stamps, made.broken, extractor.notice)
        warnings += StreamSource(made.table, made.table.fitted_on, *about).warnings(modality)
        _check_no_stamps(modality, extractor.stamps)
        with_streams = attach({"test": given.conversations}, [modality], {modality: made.table})
    return Read(with_streams, tuple(warnings))


def _extractor(job: Job, modality: str) -> ResolvedPart[Extractor] | None:
    """Return the extractor of a modality, which need not be one that the model reads."""
    part = feature_part(job.recipe, modality)
    extracts = part is not None and part.use is not None
    return resolve_extractor(job.recipe, job.catalog, modality) if extracts else None


def _check_no_stamps(modality: str, stamps: Sequence[str]) -> None:
    """Refuse numbers whose results must carry a stamp: a table of words carries none.

    Raises:
        InputError: they have a stamp.
    """
    if stamps:
        what = f"its numbers are stamped {', '.join(stamps)}, which a table of cues cannot carry"
        raise InputError.at(f"--modality {modality}", what, "use other features")
