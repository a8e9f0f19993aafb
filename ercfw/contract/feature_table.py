"""The feature store: the values of a modality, their utterances, and where the values come from."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any, Literal
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, FailFast
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ercfw.contract.conversation import UtteranceId
from ercfw.contract.stored_streams import StoredModality
from ercfw.errors import InputError
from ercfw.system.files import check_regular, is_file, replacing, sha256
from ercfw.system.gc_pause import collector_paused
from ercfw.system.validation import in_short

FittedOn = Literal["nothing", "unknown"] | frozenset[UtteranceId]
"""The utterances whose labels were used to make a stream."""

FORMAT = 1
BLOCK = 1024
"""Number of rows that are checked at a time."""
TYPES = {
    "F16": "<f2", "F32": "<f4", "F64": "<f8", "I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "U8": "<u1",
}  # fmt: skip
"""numpy's name for each safetensors type."""
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class StoreMetadata(BaseModel):
    """The metadata of a feature store; its keys are part of the file format."""

    model_config = ConfigDict(strict=True)

    format: Literal[1]
    ids: Annotated[tuple[UtteranceId, ...], FailFast()]
    made_by: dict[str, Any]
    fitted_on: FittedOn
    vocabulary: int | None = None


@dataclass(frozen=True)
class FeatureTable:
    """One modality of any number of utterances, with one row per utterance.

    Attributes:
        ids: the R utterances.
        values: ``[R, D]`` vectors; or, with ``lengths``, the frames ``[F, D]`` or tokens ``[F]`` of all rows, one
            row after the other. Numbers of any type (read as float32, tokens as int64); may be a memory map.
        present: ``[R]`` bool, False where the utterance lacks the modality.
        lengths: ``[R]`` int64, the number of frames or tokens of each row; None for vectors.
        provenance: what made the values: extractor, settings, versions.
        fitted_on: the utterances whose labels were used to make the values.
        vocabulary: the number of different tokens; None = one more than the largest token here.
        where: the file, for messages.
    """

    ids: tuple[UtteranceId, ...]
    values: NDArray[Any]
    present: NDArray[np.bool_]
    lengths: NDArray[np.int64] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    fitted_on: FittedOn = "unknown"
    vocabulary: int | None = None
    where: str = "features"

    def __post_init__(self) -> None:
        self._check_shapes()
        place = _first_unfit(self.values)
        if place is not None:
            row = int(np.searchsorted(self._starts, place, side="right")) - 1
            raise InputError.at(self.where, f"utterance {'/'.join(self.ids[row])} holds NaN or infinity (as float32)")
        if len(set(self.ids)) != len(self.ids):
            double = next(id for id, times in Counter(self.ids).items() if times > 1)
            raise InputError.at(self.where, f"utterance {'/'.join(double)} has more than one row")

    def _check_shapes(self) -> None:
        tokens = self.values.ndim == 1 and self.values.dtype.kind in "iu" and self.lengths is not None
        if not tokens and (self.values.ndim != 2 or not self.values.shape[1]):
            raise InputError.at(self.where, f"holds values of shape {list(self.values.shape)}", "must be [rows, D]")
        rows = len(self.values) if self.lengths is None else len(self.lengths)
        if not len(self.ids) == self.present.size == rows or self.present.ndim != 1:
            raise InputError.at(self.where, f"{rows} rows of values, but {len(self.ids)} utterance ids")
        if tokens and (self.values < 0).any():
            raise InputError.at(self.where, "holds tokens below 0")
        if tokens and self.vocabulary is not None and int(self.values.max(initial=0)) >= self.vocabulary:
            raise InputError.at(self.where, f"holds tokens beyond its vocabulary of {self.vocabulary}")
        if self.lengths is None:
            return
        if self.lengths.ndim != 1 or self.lengths.dtype.kind not in "iu" or (self.lengths < 0).any():
            raise InputError.at(self.where, "holds lengths that are not whole numbers from 0")
        if (self.lengths > len(self.values)).any():  # before they are added up: a sum can overflow
            raise InputError.at(self.where, f"{len(self.values)} frames, but the lengths add up to more")
        if int(self.lengths.sum()) != len(self.values):
            raise InputError.at(
                self.where, f"{len(self.values)} frames, but the lengths add up to {int(self.lengths.sum())}"
            )

    @property
    def _starts(self) -> NDArray[np.int64]:
        """Return where each row begins in ``values``, ``[R]``."""
        return np.arange(len(self.ids)) if self.lengths is None else np.cumsum(self.lengths) - self.lengths

    @property
    def dim(self) -> int:
        """Return D; for tokens the size of the vocabulary."""
        if self.values.ndim == 1:
            return self.vocabulary or int(self.values.max(initial=0)) + 1
        return int(self.values.shape[1])

    def select(self, ids: Sequence[UtteranceId]) -> StoredModality:
        """Return the rows of these utterances, in this order, without copying values.

        Raises:
            InputError: an utterance has no row.
        """
        row_of = {id: row for row, id in enumerate(self.ids)}
        rows = np.fromiter((row_of.get(id, -1) for id in ids), dtype=np.int64, count=len(ids))  # [R]
        missing = np.flatnonzero(rows < 0)
        if len(missing):
            raise InputError.at(
                self.where,
                f"has no row for {len(missing)} utterances; the first is '{'/'.join(ids[missing[0]])}'",
                "ids are pairs (conversation, utterance) as the dataset names them; mark a row absent "
                "where the modality is missing",
            )
        present = self.present[rows]
        lengths = None if self.lengths is None else np.where(present, self.lengths[rows], 0)
        return StoredModality(self.values, self._starts[rows], present, lengths, self.dim)

    def save(self, path: Path) -> None:
        """Write a safetensors file, completely or not at all."""
        tensors = {"values": np.ascontiguousarray(self.values), "present": self.present.astype(np.uint8)}
        if self.lengths is not None:
            tensors["lengths"] = self.lengths
        fitted = self.fitted_on if isinstance(self.fitted_on, str) else sorted(self.fitted_on)
        about = {"format": FORMAT, "ids": self.ids, "made_by": self.provenance, "fitted_on": fitted}
        if self.vocabulary is not None:
            about["vocabulary"] = self.vocabulary
        with replacing(path) as temporary:
            save_file(tensors, temporary, metadata={"ercfw": json.dumps(about, sort_keys=True)})

    @classmethod
    @collector_paused()
    def load(cls, path: Path, provenance: Mapping[str, Any] | None = None) -> "FeatureTable":
        """Read a file that ``save`` wrote; the values are mapped into memory, not loaded.

        Args:
            path: the file.
            provenance: entries to add to the provenance in the file.

        Raises:
            InputError: there is no such file, or it is not a feature store of this format.
        """
        try:
            check_regular(path)
            with safe_open(path, framework="numpy") as file:
                about = StoreMetadata.model_validate_json((file.metadata() or {}).get("ercfw", "{}"))
                small = {name: file.get_tensor(name) for name in file.keys() if name in ("present", "lengths")}  # noqa: SIM118
            lengths = small.get("lengths")
            return cls(
                ids=about.ids,
                values=_map_tensor(path, "values"),
                present=small["present"].astype(bool),
                lengths=lengths if lengths is None or lengths.dtype.kind != "u" else lengths.astype(np.int64),
                provenance={**about.made_by, **(provenance or {})},
                fitted_on=about.fitted_on,
                vocabulary=about.vocabulary,
                where=str(path),
            )
        except (OSError, SafetensorError, ValueError, TypeError, KeyError) as error:
            raise InputError.at(
                path, f"is not a feature store: {in_short(error)}", "write one with FeatureTable.save"
            ) from error


def read_features(path: Path, rows: Sequence[UtteranceId]) -> FeatureTable:
    """Read the values of a modality from a file.

    A ``.safetensors`` feature store names its utterances. A ``.npy`` array, or the only array of a ``.npz``, has one
    row for each of ``rows``, and is taken to be fitted on unknown data. The file's hash is added to the provenance.
    All but ``.npz`` are mapped, so a file may be larger than memory. It is read once, for its hash and to find NaN.

    Args:
        path: the file.
        rows: every utterance of the source, in its order.

    Raises:
        InputError: the file is missing, unreadable, of a wrong shape or type, or holds NaN.
    """
    if not is_file(path):
        raise InputError.at(path, "there is no such feature file")
    try:
        provenance = {"file": path.name, "sha256": sha256(path)}
    except OSError as error:
        raise InputError.unreadable(path, error) from error
    if path.suffix == ".safetensors":
        return FeatureTable.load(path, provenance)
    values = _read_array(path)
    if len(values) != len(rows):
        raise InputError.at(path, f"has {len(values)} rows, but the source has {len(rows)} utterances")
    return FeatureTable(
        ids=tuple(rows),
        values=values,
        present=np.ones(len(values), dtype=bool),
        provenance=provenance,
        where=str(path),
    )


def _read_array(path: Path) -> NDArray[Any]:
    try:
        return _unzip(path) if path.suffix == ".npz" else _map_array(path)
    except InputError:
        raise
    except Exception as error:  # numpy and zipfile raise almost any exception for a damaged file
        raise InputError.at(path, f"cannot be read as a numpy array: {error}") from error


def _map_array(path: Path) -> NDArray[Any]:
    check_regular(path)
    with path.open("rb") as file:
        shape, order, dtype = _header(file, path, path.stat().st_size)
        # Slicing a memmap itself is slow.
        return np.memmap(path, dtype, "r", file.tell(), shape, order).view(np.ndarray)


def _unzip(path: Path) -> NDArray[Any]:
    """Return the only array of an ``.npz`` file."""
    check_regular(path)
    with ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) != 1:
            raise InputError.at(path, f"holds {len(members)} arrays", "exactly one is needed")
        with archive.open(members[0]) as file:
            _header(file, path, members[0].file_size)
        with archive.open(members[0]) as file:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
            return array


def _header(file: IO[bytes], path: Path, size: int) -> tuple[tuple[int, int], Literal["C", "F"], np.dtype[Any]]:
    """Return shape, order and type of an array in a file of ``size`` bytes; read the file up to the values.

    This check comes before any memory is mapped or allocated: numpy itself believes what a header promises, and
    crashes on types without a size.

    Raises:
        InputError: it is not a table of numbers.
        ValueError: it holds a pickle, or is not complete.
    """
    shape, fortran, dtype = HEADERS[np.lib.format.read_magic(file)](file)
    if dtype.hasobject:
        raise ValueError("it is or contains a pickle, which is never opened")
    if len(shape) != 2 or min(shape) < 1 or dtype.kind not in "fiu":
        what = f"holds {dtype} of shape {list(shape)}"
        raise InputError.at(path, what, "it must hold numbers of shape [rows, D]")
    promised = math.prod(shape) * dtype.itemsize
    if promised != size - file.tell():
        raise ValueError(f"its header promises {promised} bytes, but it holds {size - file.tell()}")
    return shape, "F" if fortran else "C", dtype


def _map_tensor(path: Path, name: str) -> NDArray[Any]:
    """Map a tensor of a safetensors file that is known to be complete.

    The library maps privately and writable (``framework="pt"``), which Linux refuses for files larger than memory.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        about = json.loads(file.read(size))[name]
    if about["dtype"] not in TYPES:
        raise ValueError(f"'{name}' is of type {about['dtype']}")
    start = 8 + size + about["data_offsets"][0]
    return np.memmap(path, TYPES[about["dtype"]], "r", start, tuple(about["shape"])).view(np.ndarray)


def _first_unfit(values: NDArray[Any]) -> int | None:
    """Return the place of the first vector or frame that is not finite as float32, or None."""
    if values.dtype.kind != "f":
        return None
    for start in range(0, len(values), BLOCK):
        with np.errstate(over="ignore"):  # a value that is too large becomes infinite, and is refused
            block = values[start : start + BLOCK].astype(np.float32, copy=False)
        finite = np.isfinite(block)
        if not finite.all():
            return start + int(np.argwhere(~finite)[0, 0])
    return None
