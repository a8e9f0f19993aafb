"""Where the weights that tell faces apart come from: an archive of npm or a folder, and what a wrong one says."""

import json
import os
import tarfile
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from ercfw.errors import InputError
from ercfw_media import face_api_package
from ercfw_media.face_api_package import ARCHIVE, MANIFEST, find_face_api, read_face_api

BINARY = "face_recognition_model.bin"
HOW = r"npm pack @vladmandic/face-api@1\.7\.15"
LISTED = [{"paths": [BINARY], "weights": [{"name": "fc", "shape": [2, 2], "dtype": "float32"}]}]
FILES = {MANIFEST: json.dumps(LISTED).encode(), BINARY: np.arange(4, dtype="<f4").tobytes()}


def hashed(content: bytes) -> str:
    return sha256(content).hexdigest()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up package, unpacked, whose hashes are the pinned ones."""
    model = tmp_path / "unpacked" / "package" / "model"
    model.mkdir(parents=True)
    for name, content in FILES.items():
        (model / name).write_bytes(content)
    monkeypatch.setattr(face_api_package, "HASHES", {name: hashed(content) for name, content in FILES.items()})
    return tmp_path / "unpacked"


@pytest.fixture
def archive(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = folder.parent / ARCHIVE
    with tarfile.open(path, "w:gz") as packed:
        for name, content in FILES.items():
            member = tarfile.TarInfo(f"package/model/{name}")
            member.size = len(content)
            packed.addfile(member, BytesIO(content))
    monkeypatch.setattr(face_api_package, "ARCHIVE_HASH", hashed(path.read_bytes()))
    return path


def test_an_archive_and_a_folder_hold_the_same(archive: Path, folder: Path) -> None:
    places = (archive, folder, folder / "package", folder / "package" / "model")
    for place in places:
        assert find_face_api(place) == place
        assert {name: values.tolist() for name, values in read_face_api(place).items()} == {"fc": [[0, 1], [2, 3]]}


def test_the_archive_is_found_in_the_cache(archive: Path) -> None:
    cache = Path(os.environ["ERCFW_CACHE"])
    with pytest.raises(InputError) as caught:
        find_face_api(None)
    said = str(caught.value)
    assert "identity: is needed to tell faces apart, but is not set" in said
    assert f"run 'npm pack @vladmandic/face-api@1.7.15', and set identity to the path of {ARCHIVE}" in said
    assert str(cache) in said
    archive.rename(cache / ARCHIVE)
    assert read_face_api(find_face_api(None)).keys() == {"fc"}


def test_a_path_that_leads_nowhere_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"identity: there is no file or folder .*nowhere\.tgz .*{HOW}"):
        find_face_api(tmp_path / "nowhere.tgz")


@pytest.mark.parametrize("damage", [lambda whole: whole[:-5], lambda whole: b"", lambda whole: b"no archive"])
def test_another_or_a_damaged_archive_is_not_unpacked(archive: Path, damage) -> None:  # type: ignore[no-untyped-def]
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(InputError, match=rf"is damaged, or is another file than {ARCHIVE} .*{HOW}' again"):
        read_face_api(archive)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_of_a_folder_is_named(folder: Path, name: str) -> None:
    path = folder / "package" / "model" / name
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(InputError, match=rf"{name}: is not the file ercfw was tested with .*{HOW}"):
        read_face_api(folder)


def test_a_missing_shard_is_named(folder: Path) -> None:
    (folder / "package" / "model" / BINARY).unlink()
    with pytest.raises(InputError, match=rf"{BINARY}: cannot be read: No such file .*{HOW}"):
        read_face_api(folder)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"contains no model/{MANIFEST} .*{ARCHIVE}"):
        read_face_api(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"there is no file or folder|cannot be read"):
        read_face_api(find_face_api(tmp_path / "pipe"))
