"""The features of a recipe, extracted before its runs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ercfw.contract.conversation import SPLITS, Conversation
from ercfw.data.cues.attach import add_cues, check_cues
from ercfw.data.load import read_dataset
from ercfw.data.modality_sources import cut_warning, run_extractor, silent_warning
from ercfw.errors import InputError, with_warnings
from ercfw.experiment.plan import Job
from ercfw.system.progress import Progress


@dataclass(frozen=True)
class ExtractedFeatures:
    """The extracted features.

    Attributes:
        modalities: one table per modality: its extractor, width, counts and file, ready for JSON.
        warnings: the warnings of the dataset and the notices of the extractors.
    """

    modalities: Sequence[dict[str, Any]]
    warnings: Sequence[str]


def extract_features(
    job: Job, progress: Progress, processes: int, to: Path | None, check_clips: bool = False
) -> ExtractedFeatures:
    """Run every extractor of a recipe on its conversations; features in the cache are not extracted again.

    Args:
        job: the recipe.
        progress: called as utterances are finished.
        processes: the number of processes that extract in parallel.
        to: a folder for one feature file per modality; None = only the cache.
        check_clips: whether every clip is opened and checked.

    Raises:
        InputError: the recipe names no extractor, or its conversations are simulated.
    """
    if not job.parts.extractors:
        raise InputError.at("[features]", "names no extractor", 'such as [features.text] use = "minilm"')
    dataset, given = read_dataset(job.parts.dataset)
    warnings = list(given)
    broken: list[str] = []
    with with_warnings(warnings), with_warnings(broken):
        if dataset.provenance.simulated:
            raise InputError.at(
                "[data]", f"is {dataset.provenance.source}: nothing to extract from", "set data.root to a real corpus"
            )
        with_cues = add_cues({split: dataset.split(split) for split in SPLITS}, job.recipe.data.cues, dataset)
        warnings += with_cues.warnings
        conversations = [c for split in SPLITS for c in with_cues.value[split]]
        modalities = []
        for name in job.parts.extractors:
            modalities.append(modality := _extract_modality(job, conversations, name, progress, processes, to))
            warnings += [modality["notice"]] if modality["notice"] else []
            warnings += [modality[key] for key in ("cut", "silent") if modality[key]]
            if not modality["present"] and not modality["broken"]:
                warnings.append(f"stream '{name}': no utterance has what {modality['extractor']} reads")
            broken += [f"{name}: {utterance}: {why}" for utterance, why in modality["broken"].items()]
        warnings += dataset.check_clips() if check_clips else []
    return ExtractedFeatures(modalities, warnings)


def _extract_modality(
    job: Job, conversations: Sequence[Conversation], name: str, progress: Progress, processes: int, to: Path | None
) -> dict[str, Any]:
    began, part = time.perf_counter(), job.parts.extractors[name]
    check_cues(part, conversations)
    extractor, extraction = run_extractor(part, conversations, progress, processes)
    file = None if to is None else to / f"{name}.safetensors"
    if file is not None:
        extraction.table.save(file)
    return {
        "modality": name,
        "extractor": part.component.name,
        "dim": extractor.dim,
        "utterances": len(extraction.table.ids),
        "present": int(extraction.table.present.sum()),
        "broken": {f"{conversation} {utterance}": why for (conversation, utterance), why in extraction.broken.items()},
        "stamps": list(extractor.stamps),
        "notice": extractor.notice,
        "cut": cut_warning(name, extractor, extraction),
        "silent": silent_warning(name, extractor, part, conversations, progress, processes),
        "file": None if file is None else str(file),
        "seconds": round(time.perf_counter() - began, 2),
    }
