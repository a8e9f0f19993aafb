"""Standard output of any encoding, and readers that go away: no text is lost, and no traceback is shown."""

import io
import json
import os
import sys
from pathlib import Path

import pytest

from ercfw.errors import RunError
from ercfw.system.streams import can_encode, finish_output, set_up_streams

TITLE = "Ann é, 张三 🙂"


@pytest.fixture
def stdout(monkeypatch):
    """``stdout("latin-1")``: standard output has this encoding; gives the bytes that were written so far."""

    def replace(encoding):
        written = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
        return written.getvalue

    return replace


def real(monkeypatch, name, number):
    """A stream of the process whose file is ``number``."""
    stream = os.fdopen(number, "w", encoding="utf-8", closefd=False)
    monkeypatch.setattr(sys, name, stream)
    monkeypatch.setattr(sys, f"__{name}__", stream)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "gbk", "utf-8"])
def test_json_is_the_same_in_every_encoding(cli, tiny_recipe, stdout, encoding):
    recipe = tiny_recipe()
    recipe.write_text(recipe.read_text(encoding="utf-8").replace('"Tiny"', f'"{TITLE}"'), encoding="utf-8")
    written = stdout(encoding)
    ended = cli("show", recipe, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(written().decode(encoding))["title"] == TITLE


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", r"Ann \u00e9, \u5f20\u4e09 \ud83d\ude42 \udcff"),
        ("latin-1", r"Ann é, \u5f20\u4e09 \ud83d\ude42 \udcff"),
        ("utf-8", r"Ann é, 张三 🙂 \udcff"),
    ],
)
def test_what_an_encoding_lacks_is_escaped(stdout, encoding, expected):
    written = stdout(encoding)
    set_up_streams()
    print(TITLE, "\udcff", end="")  # the last one is of a file's name that is not UTF-8
    finish_output()
    assert written().decode(encoding) == expected
    assert can_encode(TITLE) == (encoding == "utf-8")


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_reader_that_goes_away_does_not_stop_the_work(monkeypatch, name):
    reads, writes = os.pipe()
    real(monkeypatch, name, writes)
    set_up_streams()
    os.close(reads)
    print("x" * 100_000, file=getattr(sys, name), flush=True)
    finish_output()
    os.close(writes)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_one_message(monkeypatch):
    number = os.open("/dev/full", os.O_WRONLY)
    real(monkeypatch, "stdout", number)
    set_up_streams()
    print("x" * 100_000)
    with pytest.raises(RunError, match="standard output: cannot be written: No space left on device"):
        finish_output()
    os.close(number)


def test_a_process_without_streams(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    set_up_streams()
    print("nobody reads this")
    print("nor this", file=sys.stderr)
    finish_output()
    assert not sys.stdout.isatty()
