"""Text files: every encoding that people save as, and a damaged letter costs no line."""

import re

import pytest

from ercfw.data.tables.text import read_text
from ercfw.errors import InputError

TEXT = "Zoë,it’s\r\ncafé\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "t.csv"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode(path, encoding):
    path.write_bytes(TEXT.encode(encoding))
    read = read_text(path)
    assert (read.value, read.warnings) == (TEXT, ())


@pytest.mark.parametrize(("encoding", "mark"), [("utf-16-be", b"\xfe\xff"), ("utf-16-le", b"\xff\xfe")])
def test_both_byte_orders(path, encoding, mark):
    path.write_bytes(mark + TEXT.encode(encoding))
    assert read_text(path).value == TEXT


def test_damaged_utf16(path):
    path.write_bytes("ab".encode("utf-16") + b"\x00\xd8c\x00d")
    read = read_text(path)
    assert read.value == "ab\ufffdc\ufffd"
    assert read.warnings == (f"{path}: characters that are not UTF-16 were replaced: 2",)


def test_cp1252(path):
    path.write_bytes(TEXT.encode("cp1252"))
    read = read_text(path)
    assert read.value == TEXT
    assert read.warnings == (f"{path}: lines that are not UTF-8 were read as cp1252: 2",)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_only_the_damaged_lines_are_read_as_cp1252(path, mark):
    path.write_bytes(mark + "it’s\n".encode() + "it’s\né\n".encode("cp1252") + b"\x81\n")
    read = read_text(path)
    assert read.value == "it’s\nit’s\né\n\ufffd\n"
    assert read.warnings == (f"{path}: lines that are not UTF-8 were read as cp1252: 3",)


@pytest.mark.parametrize(
    ("content", "line"), [(b"a\nb\0", 2), ("text\n".encode("utf-16-le"), 1), (b"\x89PNG\r\n\x1a\n\0", 3)]
)
def test_files_that_are_not_text(path, content, line):
    path.write_bytes(content)
    message = rf"{re.escape(str(path))}: is not a text file \(line {line} contains a zero byte; save it as UTF-8\)"
    with pytest.raises(InputError, match=message):
        read_text(path)


def test_a_missing_file_a_folder_and_names_that_no_file_can_have(path):
    for wrong in (path, path.parent, path.parent / ("x" * 300), path.parent / "a\0"):
        with pytest.raises(InputError, match="cannot be read"):
            read_text(wrong)


def test_an_empty_file_is_an_empty_text(path):
    path.touch()
    assert read_text(path).value == ""
