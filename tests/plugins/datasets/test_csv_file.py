"""CSV files of utterances: damage is told by line, and a damaged letter costs no utterance."""

import re

import pytest

from ercfw.errors import InputError
from ercfw_datasets.csv_file import read_csv

NEEDED = {"id": "[data] columns: id", "text": "[data] columns: text"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "u.csv"


def test_quotes_commas_line_breaks_bom_and_blank_lines(path):
    path.write_bytes('\ufeffid,text\r\n1,"a, ""b""\nc"\r\n\r\n2,d\r\n'.encode())
    rows = list(read_csv(path, NEEDED))
    assert [dict(row.fields) for row in rows] == [{"id": "1", "text": 'a, "b"\nc'}, {"id": "2", "text": "d"}]
    assert [row.where for row in rows] == [f"{path}, line 2", f"{path}, line 5"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"id,text\n", "contains no utterances"),
        (b"id,txt\n1,a\n", r"text: there is no such column.*did you mean 'txt'"),
        (b"id,text,text\n1,a,b\n", "names this column twice"),
        (b"id,text\n1,a\n2,b,c\n", "line 3: has 3 fields"),
        (b"id,text\n1,a\n2\n", "line 3: has 1 fields"),
        (b'id,text\n1,"a"b\n', "line 2: is not a CSV record"),
        (b'id,text\n1,a\n2,"b\n3,c\n', "line 3: is not a CSV record"),
        ("id,text\n1,a\n".encode("utf-16"), "is UTF-16"),
    ],
)
def test_bad_files(path, content, message):
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}.*{message}") as caught:
        list(read_csv(path, NEEDED))
    assert len(caught.value.mistakes) == 1


def test_a_missing_file_and_a_folder(path):
    for wrong in (path, path.parent):
        with pytest.raises(InputError, match="cannot be read"):
            list(read_csv(wrong, NEEDED))


def test_lines_that_are_not_utf8_are_read_as_cp1252_and_said(path):
    path.write_bytes("id,text\n1,it’s\n".encode() + "2,it’s\n3,é\n".encode("cp1252") + b"4,\x81\n")
    with pytest.warns(UserWarning, match="lines that are not UTF-8 were read as cp1252: 3$") as caught:
        rows = list(read_csv(path, NEEDED))
    assert len(caught) == 1
    assert [row.fields["text"] for row in rows] == ["it’s", "it’s", "é", "\ufffd"]
