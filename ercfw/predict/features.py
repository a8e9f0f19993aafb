"""Streams of new conversations: given as features, extracted, or absent if neither is possible."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import Conversation
from ercfw.contract.data_info import ModalitySpec, StreamKind
from ercfw.contract.feature_table import FeatureTable
from ercfw.contract.stored_streams import presence
from ercfw.data.cues.attach import lacks_cues
from ercfw.data.load import attach
from ercfw.data.modality_sources import cut_warning, run_extractor, silent_warning
from ercfw.errors import InputError, Mistake, did_you_mean
from ercfw.predict.saved_run import SavedRun
from ercfw.recipe.queries import extracted
from ercfw.registry.make import make_part
from ercfw.system.progress import Progress

NEEDS = {"text": "text", "audio": "sound", "visual": "picture"}


def add_streams(
    run: SavedRun,
    conversations: Sequence[Conversation],
    tables: Mapping[str, FeatureTable],
    warnings: list[str],
    progress: Progress,
    processes: int,
) -> Sequence[Conversation]:
    """Add every stream that the model reads; a stream that the data lacks is marked absent, with a warning.

    Raises:
        InputError: a feature table does not fit the model, or the data has no modality that the model reads.
        RunError: an extractor failed.
    """
    known = run.info.modalities
    check_known(run, tables)
    found: dict[str, FeatureTable] = {}
    for name, spec in known.items():
        if name in tables:
            found[name] = _complete(tables[name], conversations)
        elif all(name in conversation.streams for conversation in conversations):
            continue
        elif why := _why_absent(run, name, conversations):
            warnings.append(f"'{name}' is absent: {why}")
            found[name] = absent(spec, conversations)
        else:
            found[name] = _extract(run, name, conversations, warnings, progress, processes)
        check_fits(found[name], spec, name)
        warnings += _source_warnings(run, name, found[name])
    attached = attach({"test": conversations}, list(known), found)["test"]
    there = np.stack([presence(attached, name) for name in known])  # [M, N]
    if not there.any():
        nothing = Mistake("the input", "has none of the modalities that the model reads", ", ".join(known))
        raise InputError([nothing, *(Mistake("the input", warning) for warning in warnings)])
    warnings += _presence_warnings(list(known), there)
    return attached


def check_known(run: SavedRun, modalities: Iterable[str]) -> None:
    """Check that features belong to modalities that the model reads.

    Raises:
        InputError: the model does not read one of them.
    """
    known = run.info.modalities
    for name in modalities:
        if name not in known:
            raise InputError.at(f"features {name}", "the model does not read this modality", did_you_mean(name, known))


def absent(spec: ModalitySpec, conversations: Sequence[Conversation]) -> FeatureTable:
    """Return a table in which the modality is absent from every utterance."""
    ids = tuple(id for conversation in conversations for id in conversation.ids)
    nobody = np.zeros(len(ids), dtype=bool)
    if spec.kind == "vector":
        return FeatureTable(ids, np.broadcast_to(np.float32(0), (len(ids), spec.dim)), nobody)
    values = np.zeros(0, np.int64) if spec.kind == "tokens" else np.zeros((0, spec.dim), np.float32)
    return FeatureTable(ids, values, nobody, np.zeros(len(ids), np.int64), vocabulary=spec.dim)


def check_fits(table: FeatureTable, spec: ModalitySpec, modality: str) -> None:
    """Check that a table has the kind and width that the model was trained on.

    Raises:
        InputError: the kind or the width differs.
    """
    kind = _kind(table)
    fits = kind == spec.kind and (table.dim <= spec.dim if kind == "tokens" else table.dim == spec.dim)
    if not fits:
        what = f"is of kind {kind} and width {table.dim}"
        expected = f"the model was trained on '{modality}' of kind {spec.kind} and width {spec.dim}"
        raise InputError.at(table.where, what, expected)


def _kind(table: FeatureTable) -> StreamKind:
    return "vector" if table.lengths is None else "tokens" if table.values.ndim == 1 else "frames"


def _complete(table: FeatureTable, conversations: Sequence[Conversation]) -> FeatureTable:
    """Add an absent row for each utterance that is not in the table.

    Raises:
        InputError: none of the utterances is in the table.
    """
    ids = [id for conversation in conversations for id in conversation.ids]
    known = frozenset(table.ids)
    missing = tuple(id for id in ids if id not in known)
    if len(missing) == len(ids):
        theirs, ours = ("/".join(table.ids[0]) if table.ids else "missing"), "/".join(ids[0])
        what = f"has no row for any utterance: its first id is {theirs}, that of the input is {ours}"
        raise InputError.at(table.where, what, "ids are pairs (conversation, utterance)")
    if not missing:
        return table
    nothing = np.zeros(len(missing), np.int64)
    values = table.values
    if table.lengths is None:
        values = np.concatenate([values, np.zeros((len(missing), values.shape[1]), values.dtype)])  # [R, D]
    return replace(
        table,
        ids=table.ids + missing,
        values=values,
        present=np.append(table.present, nothing.astype(bool)),  # [R]
        lengths=None if table.lengths is None else np.append(table.lengths, nothing),  # [R]
    )


def _why_absent(run: SavedRun, modality: str, conversations: Sequence[Conversation]) -> str:
    """Return why the data lacks a modality, or an empty string if the modality can be extracted."""
    if modality not in extracted(run.recipe):
        return f"the model has no extractor for it, and no features are given (--features {modality}=FILE)"
    reads = make_part(run.extractor(modality)).reads
    there = (
        any(text.strip() for c in conversations for text in c.texts) if reads == "text" else _has_clips(conversations)
    )
    return "" if there else f"the input has no {NEEDS[reads]}"


def _has_clips(conversations: Sequence[Conversation]) -> bool:
    return any(clip is not None for conversation in conversations for clip in conversation.clips)


def _extract(
    run: SavedRun,
    modality: str,
    conversations: Sequence[Conversation],
    warnings: list[str],
    progress: Progress,
    processes: int,
) -> FeatureTable:
    part = run.extractor(modality)
    extractor, made = run_extractor(part, conversations, progress, processes)
    cut = cut_warning(modality, extractor, made)
    silent = silent_warning(modality, extractor, part, conversations, progress, processes)
    warnings += filter(None, (extractor.notice, cut, silent))
    if lacks_cues(extractor, conversations):
        what = "reads cues, but the input has none, so the model reads other prompts than in training"
        warnings.append(f"'{modality}' {what} (give a table with the column cues)")
    warnings += [f"{modality}: {' '.join(id)}: {why}" for id, why in made.broken.items()]
    return made.table


def changed_extractor(run: SavedRun, modality: str, fingerprint: str | None) -> Iterator[str]:
    """Yield a warning if the features of a modality were made differently from those used in training."""
    before = run.provenance.get(modality, {}).get("fingerprint")
    if None not in (before, fingerprint) and before != fingerprint:
        yield f"'{modality}' comes from another extractor, version or weights than in training; its values may differ"


def _source_warnings(run: SavedRun, modality: str, table: FeatureTable) -> Iterator[str]:
    """Yield warnings that a stream may differ from the one used in training, or may leak labels."""
    yield from changed_extractor(run, modality, table.provenance.get("fingerprint"))
    fitted = 0 if isinstance(table.fitted_on, str) else len(table.fitted_on & set(table.ids))
    if fitted:
        count = f"{fitted} of these utterances"
        yield f"'{modality}' was fitted on the labels of {count}, so their predictions are too good"


def _presence_warnings(modalities: Sequence[str], there: NDArray[np.bool_]) -> Iterator[str]:
    """Yield warnings about modalities that are partly absent, and utterances without any; ``there`` is ``[M, N]``."""
    for name, present in zip(modalities, there, strict=True):
        if present.any() and not present.all():
            yield f"'{name}' is absent in {int((~present).sum())} of {len(present)} utterances"
    nothing = int((~there.any(0)).sum())
    if nothing:
        yield f"utterances without any modality that the model reads: {nothing}; they are predicted from the others"
