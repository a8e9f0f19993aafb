"""Tables of utterances: columns by role, ids with defaults; every mistake names file, line and column."""

import re

import pytest

from ercfw import read_table
from ercfw.errors import InputError

COLUMNS = {"conversation": "talk", "utterance": "id", "text": "text", "start": "from", "end": "to"}
NEEDED = {"utterance": "[data] columns: utterance", "text": "[data] columns: text"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "u.csv"


@pytest.fixture
def read(path):
    def call(content: str, needed=NEEDED):
        path.write_text(content, encoding="utf-8")
        return read_table(path, COLUMNS, needed).value

    return call


def test_quotes_commas_line_breaks_and_blank_lines(path):
    path.write_bytes('\ufeffid,text\r\n1,"a, ""b""\nc"\r\n\r\n2,d\r\n'.encode())
    rows = read_table(path, COLUMNS, NEEDED).value
    assert [row.text for row in rows] == ['a, "b"\nc', "d"]
    assert [row.where for row in rows] == [f"{path}, line 2", f"{path}, line 5"]


def test_columns_are_found_by_role_and_others_are_ignored(read, path):
    first, second = read("x,text,id,talk,x\n?, hi ,a, one ,?\n?,ho,b,two,?\n")
    assert first.fields == {"text": " hi ", "utterance": "a", "conversation": " one "}
    assert (first.id, second.id) == (("one", "a"), ("two", "b"))
    assert first.place("utterance") == f"{path}, line 2: id"
    assert first.speaker == "speaker"


def test_ids_have_defaults(read):
    rows = read("talk,text\na,x\nb,y\na,z\n", needed={})
    assert [row.id for row in rows] == [("a", "1"), ("b", "1"), ("a", "2")]
    assert [row.id for row in read("text\nx\ny\n", needed={})] == [("u", "1"), ("u", "2")]


def test_times_name_their_column(read, path):
    good, bad, none = read("id,text,from,to\n1,a,1,0:02.5\n2,b,soon,3\n3,c,,\n")
    assert (good.stretch().both, good.stretch().mistakes) == ((1, 2.5), ())
    (mistake,) = bad.stretch().mistakes
    assert str(mistake) == (
        f"{path}, line 3: from: 'soon' is not a time (write seconds, such as 12.5, or 00:01:12,500)"
    )
    assert bad.stretch().end == 3
    assert (none.stretch().both, none.stretch().mistakes) == (None, ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("id,text\n", "contains no utterances"),
        ("id,txt\n1,a\n", r"line 1: text: there is no such column .\[data\] columns: text.*did you mean 'txt'"),
        ("id,text,text\n1,a,b\n", "line 1: text: the header names this column twice"),
        ("id,text,to,to\n1,a,,\n", "line 1: to: the header names this column twice .rename"),
        ("id,text\n1,a\n2,b,c\n", "line 3: has 3 fields .the header names 2; put quotes"),
        ("id,text\n1,a\n2\n", "line 3: has 1 fields"),
        ('id,text\n1,"a"b\n', "line 2: is not a CSV record"),
        ('id,text\n1,a\n2,"b\n3,c\n', "line 3: is not a CSV record"),
        ("id,text\n1,a\n ,b\n", "line 3: id: is empty .every utterance needs"),
        ("talk,id,text\n,1,a\n", "line 2: talk: is empty"),
        ("id,text\n1,a\n2,b\n1,c\n", "line 4: utterance '1' of conversation 'u' occurs twice .first at .*line 2.$"),
        ("id,text\n1,a\n1,b\n1,c\n", "line 3: .*occurs twice .*; other utterances that occur twice: 1"),
    ],
)
def test_mistakes(read, path, content, message):
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}.*{message}") as caught:
        read(content)
    assert len(caught.value.mistakes) == 1


def test_all_mistakes_are_reported_at_once(read, path):
    with pytest.raises(InputError) as caught:
        read("word\n")
    assert [mistake.where for mistake in caught.value.mistakes] == [f"{path}, line 1: id", f"{path}, line 1: text"]
    with pytest.raises(InputError) as caught:
        read('id,text\n1\n2,b,c\n,d\n3,e\n3,f\n4,"g\n')
    lines = [re.search(r"line ([0-9]+)", mistake.where)[1] for mistake in caught.value.mistakes]
    assert lines == ["2", "3", "7", "4", "6"]


def test_the_warnings_of_the_file(path):
    path.write_bytes("id,text\n1,é\n".encode("cp1252"))
    assert read_table(path, COLUMNS, NEEDED).warnings == (f"{path}: lines that are not UTF-8 were read as cp1252: 1",)


def test_several_columns_of_a_role_are_joined(path):
    path.write_text("season,scene,id\n1, 2 ,x\n1,12,x\n1,,x\n")
    columns = {"conversation": ("season", "scene"), "utterance": "id"}
    with pytest.raises(InputError, match="line 4: season/scene: is empty"):
        read_table(path, columns, {})
    path.write_text("season,scene,id\n1, 2 ,x\n1,12,x\n")
    assert [row.id for row in read_table(path, columns, {}).value] == [("1/2", "x"), ("1/12", "x")]


@pytest.mark.parametrize(
    ("content", "outer"),
    [
        ("Movie Name,talk,id\na,t,0\nb,t,0\n", ("Movie Name", "talk")),
        ("talk,id,SESSION_NO\nt,0,1\nt,0,2\n", ("SESSION_NO", "talk")),
        ("video-id,x,talk,id,Part\n1,?,t,0,1\n1,?,t,0,2\n", ("video-id", "Part", "talk")),
    ],
)
def test_columns_that_make_ids_distinct_are_found(path, content, outer):
    path.write_text(content)
    read = read_table(path, COLUMNS, {})
    assert read.value[0].columns["conversation"] == outer
    assert len({row.id for row in read.value}) == 2
    assert read.warnings == (
        f"{path}, line 3: utterance '0' of conversation 't' occurs twice (first at {path}, line 2); "
        f"so the columns {', '.join(outer)} together name the conversation",
    )


def test_a_column_of_another_role_does_not_make_ids_distinct(path):
    path.write_text("talk,id,session\nt,0,a\nt,0,b\n")
    with pytest.raises(InputError, match="occurs twice"):
        read_table(path, {**COLUMNS, "speaker": "session"}, {})
