"""Files that are written whole or not at all."""

import hashlib

import pytest

from ercfw.errors import RunError
from ercfw.system.files import replacing, sha256, write_text


def test_a_file_appears_when_the_block_ends_well(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_what_was_there_stays_when_the_block_fails(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_writers_with_the_same_process_number_do_not_share_a_temporary_file(tmp_path):
    """As in two containers that share a disk: both find themselves to be process 1."""
    path = tmp_path / "a.txt"
    with replacing(path) as slow:
        slow.write_text("slow")
        with replacing(path) as quick:
            quick.write_text("quick")
        assert path.read_text() == "quick"
        assert slow.read_text() == "slow"
    assert path.read_text() == "slow"
    assert list(tmp_path.iterdir()) == [path]


def test_a_temporary_file_that_is_there_is_never_overwritten(tmp_path, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda size: "0" * size)
    path = tmp_path / "a.txt"
    with replacing(path) as first:
        first.write_text("first")
        with pytest.raises(RunError, match="File exists"):
            write_text(path, "second")
        assert first.read_text() == "first"
    assert path.read_text() == "first"


@pytest.mark.parametrize("name", ["x" * 255, "字" * 85])
def test_the_longest_name_of_a_file(tmp_path, name):
    write_text(tmp_path / name, "x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_place_that_cannot_be_written_is_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/a\.txt: cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "x")


def test_text_is_utf8_and_the_hash_is_of_the_bytes(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "“wütend”")
    assert sha256(path) == hashlib.sha256("“wütend”".encode()).hexdigest()
