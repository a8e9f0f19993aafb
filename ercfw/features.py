"""The feature store: a modality's values, the utterances they belong to, what made them and from what."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ercfw.conversations import ConversationStream, UtteranceId
from ercfw.errors import InputError
from ercfw.files import replacing, sha256

FittedOn = Literal["nothing", "unknown"] | frozenset[UtteranceId]
"""The utterances whose labels the maker of a stream had seen."""

FORMAT = 1


@dataclass(frozen=True)
class FeatureTable:
    """One modality of any number of utterances; a row an utterance.

    Attributes:
        ids: R utterances.
        values: ``[R, D]`` float32 vectors; or, with ``lengths``, the frames ``[F, D]`` float32 or tokens
            ``[F]`` int64 of all rows after one another.
        present: ``[R]`` bool, False where the utterance lacks the modality.
        lengths: ``[R]`` int64 frames or tokens of each row; None for vectors.
        made_by: what made the values: extractor, settings, versions.
        fitted_on: the utterances whose labels were used to make them.
        where: the file, for messages.
    """

    ids: tuple[UtteranceId, ...]
    values: NDArray[Any]
    present: NDArray[np.bool_]
    lengths: NDArray[np.int64] | None = None
    made_by: Mapping[str, Any] = field(default_factory=dict)
    fitted_on: FittedOn = "unknown"
    where: str = "features"

    def __post_init__(self) -> None:
        if self.values.ndim != 2 and (self.values.ndim != 1 or self.lengths is None):
            raise InputError.at(self.where, f"holds values of shape {list(self.values.shape)}", "[rows, D] are needed")
        rows = len(self.values) if self.lengths is None else len(self.lengths)
        if not len(self.ids) == len(self.present) == rows:
            raise InputError.at(self.where, f"{rows} rows of values, but {len(self.ids)} utterance ids")
        if self.lengths is not None and int(self.lengths.sum()) != len(self.values):
            raise InputError.at(
                self.where, f"{len(self.values)} frames, but the lengths add up to {int(self.lengths.sum())}"
            )
        if self.values.dtype.kind == "f" and not np.isfinite(self.values).all():
            row = self._row_of(np.argwhere(~np.isfinite(self.values))[0][0])
            raise InputError.at(self.where, f"utterance {'/'.join(self.ids[row])} holds NaN or infinity (as float32)")
        if len(self._row) != len(self.ids):
            double = next(id for i, id in enumerate(self.ids) if self._row[id] != i)
            raise InputError.at(self.where, f"utterance {'/'.join(double)} has more than one row")

    @cached_property
    def _row(self) -> dict[UtteranceId, int]:
        return {id: row for row, id in enumerate(self.ids)}

    @cached_property
    def _start(self) -> NDArray[np.int64]:
        assert self.lengths is not None
        return np.concatenate([[0], np.cumsum(self.lengths)])

    def _row_of(self, place: int) -> int:
        return place if self.lengths is None else int(np.searchsorted(self._start, place, side="right") - 1)

    @property
    def dim(self) -> int:
        """D; for tokens the size of the vocabulary (the largest id and one)."""
        if self.values.ndim == 1:
            return int(self.values.max(initial=0)) + 1
        return int(self.values.shape[1])

    def stream(self, ids: Sequence[UtteranceId]) -> ConversationStream:
        """The rows of these utterances, as a conversation carries them.

        Raises:
            InputError: an utterance has no row.
        """
        missing = [id for id in ids if id not in self._row]
        if missing:
            raise InputError.at(
                self.where,
                f"has no row for utterance {'/'.join(missing[0])} ({len(missing)} of this conversation)",
                "every utterance needs a row; mark it absent if it lacks the modality",
            )
        rows = np.array([self._row[id] for id in ids], dtype=np.int64)
        if self.lengths is None:
            values = np.where(self.present[rows, None], self.values[rows], 0).astype(np.float32)
            return ConversationStream(values, self.present[rows])
        lengths = np.where(self.present[rows], self.lengths[rows], 0)
        shape = (len(rows), max(1, int(lengths.max(initial=0))), *self.values.shape[1:])
        padded = np.zeros(shape, dtype=np.int64 if self.values.ndim == 1 else np.float32)
        for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            padded[place, :length] = self.values[self._start[row] : self._start[row] + length]
        return ConversationStream(padded, self.present[rows], lengths)

    def save(self, path: Path) -> None:
        """Write a safetensors file, whole or not at all."""
        tensors = {"values": np.ascontiguousarray(self.values), "present": self.present.astype(np.uint8)}
        if self.lengths is not None:
            tensors["lengths"] = self.lengths
        fitted = self.fitted_on if isinstance(self.fitted_on, str) else sorted(self.fitted_on)
        about = {"format": FORMAT, "ids": self.ids, "made_by": self.made_by, "fitted_on": fitted}
        with replacing(path) as temporary:
            save_file(tensors, temporary, metadata={"ercfw": json.dumps(about, sort_keys=True)})

    @classmethod
    def load(cls, path: Path) -> "FeatureTable":
        """Read what ``save`` wrote.

        Raises:
            InputError: no such file, not a feature store, or one of another format.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                about = json.loads((file.metadata() or {}).get("ercfw", "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if about.get("format") != FORMAT:
                raise ValueError(f"it says nothing of format {FORMAT} in its metadata")
            return cls(
                ids=tuple((conversation, utterance) for conversation, utterance in about["ids"]),
                values=tensors["values"],
                present=tensors["present"].astype(bool),
                lengths=tensors.get("lengths"),
                made_by=about["made_by"],
                fitted_on=_fitted_on(about["fitted_on"]),
                where=str(path),
            )
        except (OSError, SafetensorError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise InputError.at(path, f"is not a feature store: {error}", "FeatureTable.save writes one") from error


def _fitted_on(said: Any) -> FittedOn:
    if said == "nothing" or said == "unknown":
        return "nothing" if said == "nothing" else "unknown"
    return frozenset((conversation, utterance) for conversation, utterance in said)


def read_features(path: Path, rows: Sequence[UtteranceId]) -> FeatureTable:
    """A modality's values from a file.

    A ``.safetensors`` feature store names its utterances; a ``.npy`` array (or the only array of a
    ``.npz``) has a row for each of ``rows``, every utterance of the source in its order, and it is unknown
    what it was fitted on. The file's hash joins what made the values.

    Raises:
        InputError: the file is missing, unreadable, of a wrong shape or type, or holds NaN.
    """
    if not path.is_file():
        raise InputError.at(path, "there is no such feature file")
    if path.suffix == ".safetensors":
        table = FeatureTable.load(path)
        return replace(table, made_by={**table.made_by, "file": path.name, "sha256": sha256(path)})
    values = _read_array(path)
    if values.ndim != 2 or not values.shape[1] or values.dtype.kind not in "fiu":
        raise InputError.at(
            path,
            f"holds {values.dtype} of shape {list(values.shape)}",
            "numbers of shape [rows, D] are needed",
        )
    if len(values) != len(rows):
        raise InputError.at(path, f"has {len(values)} rows, but the source has {len(rows)} utterances")
    return FeatureTable(
        ids=tuple(rows),
        values=_as_float32(values),
        present=np.ones(len(values), dtype=bool),
        made_by={"file": path.name, "sha256": sha256(path)},
        where=str(path),
    )


def _as_float32(values: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
        return values.astype(np.float32)


def _read_array(path: Path) -> NDArray[Any]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            if len(loaded.files) != 1:
                raise InputError.at(path, f"holds {len(loaded.files)} arrays", "one is needed")
            array: NDArray[Any] = loaded[loaded.files[0]]
            return array
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        reason = "it is, or holds, a pickle, which is not opened" if "pickle" in str(error) else error
        raise InputError.at(path, f"cannot be read as a numpy array: {reason}") from error
