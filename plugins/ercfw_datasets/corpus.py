"""A dataset made of annotations and of a source of streams."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from ercfw import Conversation, Dataset, FeatureTable, InputError, Split, UtteranceId, read_features
from ercfw_datasets.annotations import TARGET, Annotations
from ercfw_datasets.clips import doubtful

SUFFIXES = (".safetensors", ".npy", ".npz")


class Streams(Protocol):
    """Where the values of a corpus' modalities come from.

    Attributes:
        modalities: what it can give.
        files: sha256 of each file read so far.
    """

    modalities: tuple[str, ...]
    files: Mapping[str, str]

    def features(self, modality: str) -> FeatureTable:
        """The corpus' own values of a modality."""
        ...

    def draw(self, modality: str, width: int, tokens: bool = False) -> FeatureTable:
        """Simulated vectors of any width, or tokens of as many kinds."""
        ...


class FeatureFiles:
    """One file a modality, ``<root>/<modality>.safetensors``, ``.npy`` or ``.npz``.

    Args:
        root: the folder.
        rows: every utterance of the source, in the order of a file without ids.
        expected: modalities that are listed though their file may yet be missing.
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
        """Read a modality's file.

        Raises:
            InputError: there is none, there are several, or it cannot be read.
        """
        choices = [self._root / f"{modality}{suffix}" for suffix in SUFFIXES]
        paths = [path for path in choices if path.is_file()]
        if len(paths) > 1:
            raise InputError.at(
                paths[0],
                f"stands beside {paths[1].name}",
                f"keep one of them, or say which: [features.{modality}] file",
            )
        if not paths:
            raise InputError.at(
                choices[0],
                f"there is no feature file for '{modality}'",
                f"put one there (.safetensors, .npy, .npz), or say where it comes from: [features.{modality}]",
            )
        table = read_features(paths[0], self._rows)
        self.files = {**self.files, str(paths[0]): table.made_by["sha256"]}
        return table

    def draw(self, modality: str, width: int, tokens: bool = False) -> FeatureTable:
        """Refused: real labels are never mixed with simulated streams."""
        raise InputError.at(f"[features.{modality}]", "streams are drawn for simulated conversations only")


class Corpus(Dataset):
    """Annotated conversations whose streams come from files, or are drawn."""

    def __init__(self, annotations: Annotations, streams: Streams) -> None:
        self.targets = {TARGET: annotations.classes}
        self.modalities = streams.modalities
        self.provenance = annotations.provenance
        self.broken = annotations.broken
        self._annotations, self._streams = annotations, streams

    def split(self, name: Split) -> Sequence[Conversation]:
        """The conversations of a split, without streams.

        Raises:
            InputError: there are none.
        """
        chosen = [c for c in self._annotations.conversations if c.split == name]
        if not chosen:
            raise InputError.at(f"[data] {name}", f"no conversation is in the {name} split")
        return chosen

    @property
    def rows(self) -> Sequence[UtteranceId]:
        """Every utterance of the source, those left out of the conversations too."""
        return self._annotations.rows

    @property
    def source_train(self) -> frozenset[UtteranceId]:
        """What the makers of the corpus call train."""
        return self._annotations.source_train

    def check_clips(self) -> list[str]:
        """What is doubtful about the clips, one line a doubt: lengths and annotated times that do not agree.

        Every file is opened, which takes minutes on a large corpus; so nothing but this asks for it.

        Raises:
            InputError: PyAV is not installed.
        """
        return doubtful(self._annotations.conversations, self.broken)

    def features(self, modality: str) -> FeatureTable:
        """The values of a modality.

        Raises:
            InputError: the file is missing or unreadable.
        """
        table = self._streams.features(modality)
        self.provenance = replace(self.provenance, files={**self._annotations.provenance.files, **self._streams.files})
        return table

    def draw(self, modality: str, width: int, tokens: bool = False) -> FeatureTable:
        """Simulated vectors of that width, or tokens of as many kinds; refused for real conversations."""
        return self._streams.draw(modality, width, tokens)
