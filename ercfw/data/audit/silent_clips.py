"""Find clips whose sound is digital silence."""

from collections.abc import Iterator, Mapping

from ercfw.contract.conversation import SPLITS
from ercfw.contract.interfaces import Dataset, Extractor
from ercfw.data.audit.finding import Finding
from ercfw.data.modality_sources import silent_warning
from ercfw.errors import InputError
from ercfw.recipe.schema import FeaturePart
from ercfw.registry.catalog import load_catalog
from ercfw.registry.make import make_part
from ercfw.registry.resolve import ResolvedPart, resolve_part
from ercfw.system.progress import Progress


def _any_listener() -> Mapping[str, ResolvedPart[Extractor]]:
    catalog = load_catalog()
    for name in sorted(catalog.names("extractor")):
        if hasattr(catalog.find("extractor", name, "use").factory, "is_silent"):
            part: ResolvedPart[Extractor] = resolve_part(catalog, "extractor", "features", FeaturePart(use=name))
            return {"audio": part}
    return {}


def check_silence(
    dataset: Dataset, extractors: Mapping[str, ResolvedPart[Extractor]], progress: Progress
) -> Iterator[Finding]:
    """Yield the number of silent clips of each split, for each extractor of sound that a recipe names.

    Without a recipe, the first installed extractor that knows silent clips finds them.
    """
    for modality, part in (extractors or _any_listener()).items():
        try:
            extractor = make_part(part)
            for split in SPLITS:
                silent = silent_warning(modality, extractor, part, dataset.split(split), progress)
                if silent:
                    yield Finding("doubtful", split, silent)
        except InputError as error:
            yield Finding("note", f"stream '{modality}'", f"silent clips are unknown: {error}")
