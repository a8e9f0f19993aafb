"""A dataset that consists of annotations and a source of streams."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from ercfw import Conversation, Dataset, FeatureTable, InputError, Split, UtteranceId, is_file, read_features
from ercfw_datasets.annotations import Annotations
from ercfw_datasets.clips import clip_warnings

SUFFIXES = (".safetensors", ".npy", ".npz")


class Streams(Protocol):
    """The source of the values of a corpus' modalities.

    Attributes:
        modalities: the modalities that it provides.
        files: the sha256 of each file read so far.
    """

    modalities: tuple[str, ...]
    files: Mapping[str, str]

    def features(self, modality: str) -> FeatureTable:
        """Return the corpus' own values of a modality."""
        ...

    def draw(self, modality: str, width: int, tokens: bool = False) -> FeatureTable:
        """Return simulated vectors of any width, or tokens from a vocabulary of that size."""
        ...


class FeatureFiles:
    """One file per modality: ``<root>/<modality>.safetensors``, ``.npy`` or ``.npz``.

    Args:
        root: the folder.
        rows: every utterance of the source, in the order of the rows of a file without ids.
        expected: modalities to list even if their file is still missing.
    """

    def __init__(self, root: Path, rows: Sequence[UtteranceId], expected: Sequence[str] = ()) -> None:
        found = sorted(
            path.stem
            for path in root.iterdir()
            if path.suffix in SUFFIXES and re.fullmatch(r"[A-Za-z0-9_-]+", path.stem)
        )
        self.modalities = tuple(dict.fromkeys([*expected, *found]))
        self.files: Mapping[str, str] = {}
        self._root, self._rows = root, rows

    def features(self, modality: str) -> FeatureTable:
        """Read the file of a modality.

        Raises:
            InputError: if there is no such file, there are several, or it cannot be read.
        """
        choices = [self._root / f"{modality}{suffix}" for suffix in SUFFIXES]
        paths = [path for path in choices if is_file(path)]
        if len(paths) > 1:
            raise InputError.at(
                paths[0],
                f"{paths[1].name} exists, too",
                f"keep one of them, or choose one with [features.{modality}] file",
            )
        if not paths:
            raise InputError.at(
                choices[0],
                f"there is no feature file for '{modality}'",
                f"put one there (.safetensors, .npy, .npz), or name its source in [features.{modality}]",
            )
        table = read_features(paths[0], self._rows)
        self.files = {**self.files, str(paths[0]): table.provenance["sha256"]}
        return table

    def draw(self, modality: str, width: int, tokens: bool = False) -> FeatureTable:
        """Raise an error: real labels are never combined with simulated streams.

        Raises:
            InputError: always.
        """
        raise InputError.at(f"[features.{modality}]", "only simulated conversations can have simulated streams")


class Corpus(Dataset):
    """Annotated conversations whose streams are read from files or simulated."""

    def __init__(self, annotations: Annotations, streams: Streams) -> None:
        self.targets = annotations.targets
        self.modalities = streams.modalities
        self.provenance = annotations.provenance
        self.broken = annotations.broken
        self._annotations, self._streams = annotations, streams

    def split(self, name: Split) -> Sequence[Conversation]:
        """Return the conversations of a split, without streams.

        Raises:
            InputError: if the split has no conversations.
        """
        chosen = [c for c in self._annotations.conversations if c.split == name]
        if not chosen:
            raise InputError.at(f"[data] {name}", f"there is no conversation in the {name} split")
        return chosen

    @property
    def rows(self) -> Sequence[UtteranceId]:
        """Every utterance of the source, including those that are left out of the conversations."""
        return self._annotations.rows

    @property
    def source_train(self) -> frozenset[UtteranceId]:
        """The utterances that the makers of the corpus call train."""
        return self._annotations.source_train

    def check_clips(self) -> list[str]:
        """Return warnings about clips whose lengths and annotated times do not agree, one line each.

        Every file is opened, which takes minutes on a large corpus, so this check runs on request only.

        Raises:
            InputError: if PyAV is not installed.
        """
        return clip_warnings(self._annotations.conversations, self.broken)

    def features(self, modality: str) -> FeatureTable:
        """Return the values of a modality.

        Raises:
            InputError: if the file is missing or cannot be read.
        """
        table = self._streams.features(modality)
        self.provenance = replace(self.provenance, files={**self._annotations.provenance.files, **self._streams.files})
        return table

    def draw(self, modality: str, width: int, tokens: bool = False) -> FeatureTable:
        """Return simulated vectors of that width, or tokens from a vocabulary of that size.

        Raises:
            InputError: if the conversations are real.
        """
        return self._streams.draw(modality, width, tokens)
