"""Find clips whose sound is digital silence, and remember them in the cache."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import Clip, Conversation, UtteranceId
from ercfw.contract.interfaces import ClipExtractor, Extractor
from ercfw.contract.optional_parts import SupportsSilence, SupportsSource
from ercfw.data.extraction.extract import extract
from ercfw.data.extraction.workers import WorkerPool
from ercfw.system.progress import Progress

NAME, LABEL = "silence", "looking for silent clips"
ENOUGH = 500
"""Number of clips from which it pays to start processes: reading a clip takes about as long as starting 1% of one."""
MAX_NAMED = 3
"""Number of silent clips that a warning names."""


class Silence(ClipExtractor):
    """Computes 1 for a clip whose sound is digital silence, and 0 for other sound, by the code of an extractor."""

    reads = "audio"
    dim = 1

    def __init__(self, by: SupportsSilence) -> None:
        self._by = by

    @property
    def fingerprint(self) -> str:
        """Return a hash of the name of the extractor's class; its options do not matter."""
        return sha256(f"{type(self._by).__module__}.{type(self._by).__qualname__}".encode()).hexdigest()

    def extract_clip(self, clip: Clip) -> NDArray[np.float32] | None:
        """Return ``[1]``; None for a clip without sound."""
        silent = self._by.is_silent(clip)
        return None if silent is None else np.array([silent], np.float32)


@dataclass(frozen=True)
class SilenceFactory:
    """A callable that makes a ``Silence`` in another process from the factory of its extractor."""

    extractor: Callable[[], Extractor]

    def __call__(self) -> Silence:
        """Make it."""
        found = detector(self.extractor())
        assert found is not None
        return found


def detector(extractor: Extractor) -> Silence | None:
    """Return what finds the silent clips of an extractor; None if the extractor does not know them."""
    source = extractor.source() if isinstance(extractor, SupportsSource) else extractor
    return Silence(source) if isinstance(source, SupportsSilence) else None


def silence_warning(
    extractor: Extractor,
    factory: Callable[[], Extractor],
    conversations: Sequence[Conversation],
    progress: Progress,
    processes: int,
) -> str:
    """Return a warning that counts the clips whose sound is digital silence; empty if there is none."""
    found, clips = detector(extractor), sum(clip is not None for c in conversations for clip in c.clips)
    if found is None or not clips:
        return ""
    many = processes > 1 and clips >= ENOUGH
    workers = WorkerPool(processes, SilenceFactory(factory)) if many else None
    table = extract(found, NAME, conversations, lambda _, done, total: progress(LABEL, done, total), workers).table
    silent: list[UtteranceId] = [id for id, value in zip(table.ids, table.values[:, 0], strict=True) if value]
    if not silent:
        return ""
    named = ", ".join(" ".join(id) for id in silent[:MAX_NAMED])
    more = f" and {len(silent) - MAX_NAMED} more" if len(silent) > MAX_NAMED else ""
    count = f"{len(silent)} of {int(table.present.sum())}"
    return f"clips whose sound is digital silence: {count} ({named}{more})"
