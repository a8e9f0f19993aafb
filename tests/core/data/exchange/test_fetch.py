"""``ercfw data fetch`` from a local server: files that are checked, kept and imported."""

import pickle
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ercfw.contract.feature_table import FeatureTable
from ercfw.contract.public_file import PublicFile
from ercfw.data.exchange.download import blob_id


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served(meld, tmp_path, monkeypatch):
    """A server with a small MELD in the release's form, pinned in place of the real one; and what it holds."""
    root, content = meld
    remote = tmp_path / "remote"
    remote.mkdir()
    for path in root.iterdir():
        path.rename(remote / path.name)
    streams = [content.rows(content.vectors(width, width)) for width in (6, 5, 4)]
    (remote / "Speakers.pkl").write_bytes(pickle.dumps(content.tuple({}, {}, {}, meld=True)))
    for name, values in zip(("Text", "Audio", "Visual"), streams, strict=True):
        (remote / f"{name}Features.pkl").write_bytes(pickle.dumps(values))
    files = tuple(
        PublicFile(path.name, blob_id(path), path.name if path.suffix == ".csv" else f"public/{path.name}")
        for path in sorted(remote.iterdir())
    )
    monkeypatch.setattr("ercfw_datasets.meld.Meld.public_files", files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=remote))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", remote
    server.shutdown()
    server.server_close()


def test_all_of_it(served, cli, tmp_path):
    address, remote = served
    root = tmp_path / "fetched"
    result = cli("data", "fetch", "meld", "--from", address, "--to", root)
    assert result.code == 0, result
    assert "labels: 18 of 18 agree" in result.out
    table = FeatureTable.load(root / "text.safetensors")
    assert len(table.ids) == 18
    assert table.provenance["files"].keys() == {
        "Speakers.pkl",
        "TextFeatures.pkl",
        "AudioFeatures.pkl",
        "VisualFeatures.pkl",
    }
    for path in remote.iterdir():
        path.unlink()
    again = cli("data", "fetch", "meld", "--from", address, "--to", root)
    assert again.code == 0
    assert again.err.count("is there already") == 7


def test_one_file_that_is_another(served, cli, tmp_path):
    address, remote = served
    (remote / "AudioFeatures.pkl").write_bytes(b"else")
    root = tmp_path / "fetched"
    cli("data", "fetch", "meld", "--from", address, "--to", root).check(
        1, "AudioFeatures.pkl: the server sent another file"
    )
    assert not list(root.glob("*.safetensors"))
    assert not list(root.rglob("AudioFeatures*"))


def test_a_file_that_is_gone(served, cli, tmp_path):
    address, remote = served
    (remote / "VisualFeatures.pkl").unlink()
    result = cli("data", "fetch", "meld", "--from", address, "--to", tmp_path / "fetched")
    result.check(1, "VisualFeatures.pkl: the server answered 404")


def test_unknown_corpora(cli):
    cli("data", "fetch", "melt").check(2, "fetch melt: no public files are known for it..did you mean 'meld'?")
    cli("data", "fetch", "table").check(2, "no public files are known for it")


def test_the_pinned_files_of_the_real_corpora(real_data):
    """MELD's annotations are those of the local copy; every id is one, and no two files go to one place."""
    from ercfw_datasets.public_files import IEMOCAP_FILES, MELD_FILES

    for files in (MELD_FILES, IEMOCAP_FILES):
        assert len({file.to for file in files}) == len(files)
        assert all(len(file.blob) == 40 and int(file.blob, 16) for file in files)
    meld = real_data("meld")
    found = {file.to: file.blob for file in MELD_FILES}
    for path in meld.glob("*.csv"):
        assert found[path.name] == blob_id(path)
