"""Files of ``torch.save``: a pickle that fetches the bytes of tensors from elsewhere in the file."""

import pickle
import re
from collections.abc import Iterable
from io import BytesIO
from itertools import pairwise
from pickle import UnpicklingError
from typing import Any, Protocol
from zipfile import BadZipFile, ZipFile

import numpy as np

from ercfw.pickles.scan import FETCHED, REFUSED, scan
from ercfw.pickles.stand_ins import Budget
from ercfw.pickles.tensors import NO_CONTENT, TYPES, Storage, Type

OLD_TORCH = re.compile(rb"\x80.(\x95.{8})?\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19\.", re.DOTALL)
"""The first bytes of a ``torch.save`` file from before these files were zip archives: a number, in any protocol."""
ZIP = b"PK\x03\x04"
OLD_PICKLES = 5
"""Pickles at the start of an old file: a number, the version, the machine, the content, the names of storages."""
CONTENT, NAMES = 3, 4
"""The places of the content and of the names among them."""
NO_FILE = "it is no file of torch.save"
OTHER_ORDER = "it was written on a machine with another order of bytes"


class TorchFile(Protocol):
    """An opened file.

    Attributes:
        content: the pickle, which was scanned.
    """

    content: bytes

    def fetch(self, id: object) -> Storage:
        """Return the storage with an id of the pickle."""
        ...

    def finish(self) -> None:
        """Complete the storages once the pickle is read."""
        ...


def is_of_torch(data: bytes) -> bool:
    """Return whether this is the content of a ``torch.save`` file."""
    return data.startswith(ZIP) or OLD_TORCH.match(data) is not None


def open_torch_file(data: bytes, budget: Budget) -> TorchFile:
    """Open what ``torch.save`` wrote.

    Raises:
        UnpicklingError: it is damaged, or its pickle is hostile.
    """
    return Archive(data, budget) if data.startswith(ZIP) else OldFile(data, budget)


def _key(id: object, length: int) -> tuple[str, str]:
    """Return the type and the name of the storage that an id describes.

    Raises:
        UnpicklingError: it describes something else.
    """
    if not isinstance(id, tuple) or len(id) != length or id[0] not in ("storage", b"storage"):
        raise UnpicklingError("it fetches something that is no tensor")
    _, type, key, *_ = id
    if not isinstance(type, Type) or not isinstance(key, str):
        raise UnpicklingError("it fetches something that is no tensor")
    return type.name, key


class Archive:
    """A zip archive with the pickle, and one entry per storage.

    Raises:
        UnpicklingError: it is damaged, swells beyond the budget, or holds no pickle of ``torch.save``.
    """

    def __init__(self, data: bytes, budget: Budget) -> None:
        self._storages: dict[str, Storage] = {}
        try:
            with ZipFile(BytesIO(data)) as archive:
                entries = archive.infolist()
                for entry in entries:
                    budget.take(entry.file_size)
                folders = [e.filename.removesuffix("data.pkl") for e in entries if e.filename.endswith("/data.pkl")]
                if len(folders) != 1:
                    raise UnpicklingError(NO_FILE)
                folder = folders[0]
                raw = {entry.filename.removeprefix(folder): archive.read(entry) for entry in entries}
        except BadZipFile as error:
            raise UnpicklingError("it is a damaged archive") from error
        if raw.get("byteorder", b"little") != b"little":
            raise UnpicklingError(OTHER_ORDER)
        self.content = raw["data.pkl"]
        self._raw = raw
        scan(BytesIO(self.content), REFUSED - FETCHED)

    def fetch(self, id: object) -> Storage:
        """Return a storage.

        Raises:
            UnpicklingError: the archive lacks it.
        """
        type, key = _key(id, 5)
        if f"data/{key}" not in self._raw:
            raise UnpicklingError(NO_CONTENT)
        found = self._storages.setdefault(key, Storage(type, memoryview(self._raw[f"data/{key}"])))
        if found.type != type:
            raise UnpicklingError("it has a tensor of two types")
        return found

    def finish(self) -> None:
        """Do nothing: every storage is complete."""


class OldFile:
    """A sequence of pickles, followed by the storages.

    Raises:
        UnpicklingError: it is damaged.
    """

    def __init__(self, data: bytes, budget: Budget) -> None:
        budget.take(len(data))
        file = BytesIO(data)
        ends = [0]
        for _ in range(OLD_PICKLES):
            scan(file, REFUSED - FETCHED)
            ends.append(file.tell())
        pickles = [data[start:end] for start, end in pairwise(ends)]
        about, names = (_Plain(BytesIO(pickles[place])).load() for place in (CONTENT - 1, NAMES))
        if isinstance(about, dict) and about.get("little_endian") is False:
            raise UnpicklingError(OTHER_ORDER)
        self.content = pickles[CONTENT]
        self._names: Iterable[Any] = names if isinstance(names, list) else ()
        self._rest = memoryview(data)[ends[-1] :]
        self._storages: dict[str, Storage] = {}

    def fetch(self, id: object) -> Storage:
        """Return a storage whose bytes come later.

        Raises:
            UnpicklingError: it is a view of another storage, as torch wrote before version 0.4.
        """
        type, key = _key(id, 6)
        assert isinstance(id, tuple)
        if id[5] is not None:
            raise UnpicklingError("it has a storage within another one, which only very old versions of torch wrote")
        found = self._storages.setdefault(key, Storage(type))
        if found.type != type:
            raise UnpicklingError("it has a tensor of two types")
        return found

    def finish(self) -> None:
        """Assign its bytes to each storage: the number of values, and then the values.

        Raises:
            UnpicklingError: the file is cut off.
        """
        rest = self._rest
        for name in self._names:
            storage = self._storages.get(name) if isinstance(name, str) else None
            if storage is None:
                raise UnpicklingError("it names a storage that no tensor has")
            size = int.from_bytes(rest[:8], "little") * np.dtype(TYPES[storage.type]).itemsize
            if len(rest) < 8 + size:
                raise UnpicklingError("it is cut off")
            storage.raw, rest = rest[8 : 8 + size], rest[8 + size :]


class _Plain(pickle.Unpickler):
    """An unpickler of plain values, without any names."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse a name.

        Raises:
            UnpicklingError: always.
        """
        raise UnpicklingError(f"it names {module}.{name}")
