"""Files from a server that cuts off, stalls, lies or is not there."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ercfw.contract.public_file import PublicFile
from ercfw.data.exchange import download
from ercfw.data.exchange.download import blob_id, fetch
from ercfw.errors import InputError, RunError
from ercfw.system.locks import locked

CONTENT = bytes(range(256)) * 4096  # 1 MiB
EMPTY = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


class Server(ThreadingHTTPServer):
    """Serves ``files`` by their path; what else it does is decided by the path's first word."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {}
        self.asked = []
        self.sent = 0

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        how, _, name = self.path.strip("/").partition("/")
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        content = self.server.files.get(name, CONTENT)
        if how in ("404", "500"):
            self.send_error(int(how))
            return
        if how == "moved":
            self.send_response(302)
            self.send_header("Location", f"/good/{name}")
            self.end_headers()
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and how != "no-ranges" else 0
        if wanted and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        cut = how in ("cut-once", "stall", "slow") and start == 0
        with contextlib.suppress(OSError):
            self.send(body[: len(body) // 2] if cut or how == "cut" else body)
            if how == "stall" or (how == "slow" and cut):
                time.sleep(3 if how == "stall" else 60)

    def send(self, body):
        self.server.sent += len(body)  # before, for who receives it is quicker
        self.wfile.write(body)
        self.wfile.flush()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.01)
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def get(server, tmp_path):
    """``get("cut-once")``: fetch the content from the server in that mood."""
    (tmp_path / "whole").write_bytes(CONTENT)
    blob = blob_id(tmp_path / "whole")

    def call(how, blob=blob, **more):
        return fetch(PublicFile(f"{how}/x.bin", blob, "in/x.bin"), server.address, tmp_path, lambda *_: None, **more)

    return call


def test_blob_ids_are_gits(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"")
    assert blob_id(path) == EMPTY
    path.write_bytes(CONTENT)
    if shutil.which("git"):
        assert blob_id(path) == subprocess.check_output(["git", "hash-object", path], text=True).strip()


@pytest.mark.parametrize("how", ["good", "moved", "no-ranges"])
def test_a_whole_file(server, get, tmp_path, how):
    assert get(how) is True
    assert (tmp_path / "in" / "x.bin").read_bytes() == CONTENT
    assert get(how) is False
    assert server.sent == len(CONTENT)
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["x.bin"]


def test_two_processes_do_not_write_the_same_part(server, get, tmp_path):
    (tmp_path / "in").mkdir()
    with locked(tmp_path / "in" / ".x.bin.lock", tmp_path, "a stand-in for another process", ""):
        with pytest.raises(InputError, match=r"in/x\.bin: another process is downloading this file"):
            get("good")
        assert server.asked == []
    assert get("good")


def test_it_goes_on_where_it_broke_off(server, get, tmp_path):
    assert get("cut-once")
    assert (tmp_path / "in" / "x.bin").read_bytes() == CONTENT
    assert server.sent == len(CONTENT)
    assert [asked for _, asked in server.asked] == [None, f"bytes={len(CONTENT) // 2}-"]


@pytest.mark.parametrize("how", ["good", "no-ranges"])
@pytest.mark.parametrize("kept", [CONTENT[:1000], CONTENT, b"of another file", CONTENT + b"more"])
def test_what_was_kept_is_used_if_it_is_of_the_file(server, get, tmp_path, how, kept):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.bin.part").write_bytes(kept)
    assert get(how)
    assert (tmp_path / "in" / "x.bin").read_bytes() == CONTENT
    if kept == CONTENT:
        assert server.asked == []
    elif how == "good" and kept == CONTENT[:1000]:
        assert server.sent == len(CONTENT) - 1000


def test_a_server_that_always_cuts_off(get, tmp_path):
    with pytest.raises(RunError, match=r"lost after \d+ of 1048576 bytes \(3 tries; the part received is kept"):
        get("cut")
    assert (tmp_path / "in" / "x.bin.part").stat().st_size > len(CONTENT) // 2
    assert get("good")


def test_a_server_that_stalls(get, tmp_path):
    assert get("stall", timeout=0.2)  # the second try goes on behind where it stalled
    assert (tmp_path / "in" / "x.bin").read_bytes() == CONTENT


def test_a_server_that_never_says_anything(get, tmp_path, monkeypatch):
    monkeypatch.setattr(Handler, "do_GET", lambda self: time.sleep(1))
    with pytest.raises(RunError, match=r"the server timed out: no data for 0.1 s"):
        get("good", timeout=0.1)


@pytest.mark.parametrize(("how", "tries"), [("404", 1), ("500", 3)])
def test_a_server_that_has_it_not(server, get, how, tries):
    with pytest.raises(RunError, match=f"the server answered {how}"):
        get(how)
    assert len(server.asked) == tries


def test_another_content(server, get, tmp_path):
    server.files["x.bin"] = b"something else"
    with pytest.raises(RunError, match=r"another file: git blob .*; the download was deleted"):
        get("good")
    server.files["x.bin"] = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
    with pytest.raises(RunError, match="only a git-lfs pointer"):
        get("good")
    assert list((tmp_path / "in").iterdir()) == []


def test_an_empty_file(server, get, tmp_path):
    server.files["x.bin"] = b""
    assert get("good", blob=EMPTY)
    assert (tmp_path / "in" / "x.bin").read_bytes() == b""


def test_nobody_there(tmp_path, server):
    server.server_close()
    file = PublicFile("x", EMPTY, "x")
    with pytest.raises(RunError, match="the server cannot be reached: Connection refused"):
        fetch(file, server.address, tmp_path, lambda *_: None)
    with pytest.raises(RunError, match="the server cannot be reached"):
        fetch(file, "http://no-such-host.invalid", tmp_path, lambda *_: None)
    for base in ("file:///etc", "ftp://x", "example.org"):
        with pytest.raises(InputError, match="is not the address of a server"):
            fetch(file, base, tmp_path, lambda *_: None)


def test_a_file_that_is_not_it_is_not_lost(get, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.bin").write_text("mine")
    with pytest.raises(InputError, match="already exists and is another file than the one to download"):
        get("good")
    assert (tmp_path / "in" / "x.bin").read_text() == "mine"


def test_a_full_disk(server, tmp_path):
    """A real limit of the system on the size of files, in a process of its own."""
    code = f"""
import resource, sys
from pathlib import Path
from ercfw import PublicFile
from ercfw.data.exchange.download import fetch
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    fetch(PublicFile("good/x", "0", "x"), {server.address!r}, Path({str(tmp_path)!r}), lambda *_: None)
except Exception as error:
    print(type(error).__name__, error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert said.stdout.startswith("RunError")
    assert "x.part: cannot be written: File too large; the part received is kept" in said.stdout
    (tmp_path / "blocked").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        fetch(PublicFile("good/x", "0", "blocked/x"), server.address, tmp_path, lambda *_: None)


@pytest.mark.slow
def test_ctrl_c_and_the_same_command(server, tmp_path):
    """A real process, stopped while half of the file is there."""
    (tmp_path / "whole").write_bytes(CONTENT)
    plugin = tmp_path / "corpus.py"
    plugin.write_text("")
    code = f"""
import sys
from pathlib import Path
from ercfw import PublicFile
from ercfw_datasets.meld import Meld
Meld.public_files = (PublicFile("slow/x", {blob_id(tmp_path / "whole")!r}, "public/x.pkl"),)
sys.argv = ["ercfw", "data", "fetch", "meld", "--from", {server.address!r}, "--to", {str(tmp_path / "meld")!r}]
from ercfw.cli import main
main()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    part = tmp_path / "meld" / "public" / "x.pkl.part"
    for _ in range(600):
        if part.exists() and part.stat().st_size == len(CONTENT) // 2:
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "stopped; downloaded data is kept; the same command continues" in said
    assert "Traceback" not in said
    assert part.stat().st_size == len(CONTENT) // 2
    assert fetch(PublicFile("good/x", blob_id(tmp_path / "whole"), "public/x.pkl"), server.address, tmp_path / "meld",
                 lambda *_: None)  # fmt: skip
    assert server.sent == len(CONTENT)
