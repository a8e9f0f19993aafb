"""A table's clips and times: relative paths, stretches of a file, and every way to write them wrong."""

import pytest

from ercfw.contract.conversation import Clip
from ercfw.errors import InputError
from ercfw_datasets.table import Table


@pytest.fixture
def table(tmp_path):
    """``table("clip,start", "a.wav,1")``: the table with these columns; its utterances are 0, 1, 2, ..."""

    def write(header: str, *lines: str, **options) -> Table:
        folder = tmp_path / "lists"
        folder.mkdir(exist_ok=True)
        rows = [f"c,{number},joy,{line}" for number, line in enumerate(lines)]
        (folder / "u.csv").write_text("\n".join([f"conversation,utterance,label,{header}", *rows, ""]))
        return Table(root=tmp_path, utterances="lists/u.csv", **options)

    return write


def test_clips_lie_beside_the_table(table, tmp_path, sound, silent):
    clips = [sound(tmp_path / "lists" / "a.wav", 3), sound(tmp_path / "wav" / "b.mp4", 2)]
    lines = ["a.wav,,", "a.wav,1.5,", "a.wav,,2", f"{clips[1]},0,1e0", "../wav/b.mp4,1,9", ",1,2"]
    dataset = silent(table, "clip,start,end", *lines)
    (conversation,) = dataset.split("train")
    other = tmp_path / "lists" / ".." / "wav" / "b.mp4"
    assert conversation.clips == (
        Clip(clips[0]),
        Clip(clips[0], 1.5),
        Clip(clips[0], 0, 2),
        Clip(clips[1], 0, 1),
        Clip(other, 1, 9),
        None,
    )
    assert conversation.times == ()
    assert dataset.check_clips() == ["c 4: ends at 9.0 s, but b.mp4 lasts 2.0 s"]


def test_without_a_clip_column_they_are_times(table):
    dataset = table("from,to", "1,2.5", ",3", "4,", ",", columns={"start": "from", "end": "to"})
    (conversation,) = dataset.split("train")
    assert conversation.times == ((1.0, 2.5), None, None, None)
    assert conversation.clips == ()
    assert dataset.check_clips() == []


def test_a_table_without_any_of_them_has_none(table):
    (conversation,) = table("text", "hm").split("train")
    assert (conversation.clips, conversation.times) == ((), ())


def test_clips_that_are_not_there(table, tmp_path, sound, reported):
    sound(tmp_path / "lists" / "a.wav")
    (tmp_path / "lists" / "empty.wav").touch()
    (tmp_path / "lists" / "folder").mkdir()
    lines = ["a.wav", "gone.wav", "folder", "empty.wav", "x" * 300]
    dataset, said = reported(table, "film", *lines, columns={"clip": "film"})
    place = tmp_path / "lists" / "u.csv"
    assert said == [
        f"table {place}: clips that are missing: 3 (c 1, c 2, c 4)",
        f"table {place}: clips that are empty: 1 (c 3)",
    ]
    assert [clip is None for clip in dataset.split("train")[0].clips] == [False, True, True, True, True]


def test_an_utterance_that_is_left_out_is_not_reported(table, reported):
    lines = ["gone.wav,joy", "gone.wav,other"]
    _, (said,) = reported(table, "clip,mood", *lines, columns={"label": "mood"}, labels={"other": ""})
    assert said.endswith("missing: 1 (c 0)")


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ("soon,2", "start: 'soon' is not a time .write seconds"),
        ("1,-2", "end: '-2' is not a time"),
        ("nan,2", "start: 'nan' is not a time"),
        ("1,inf", "end: 'inf' is not a time"),
        ("2,1.5", "end: is 1.5 s, which is not after the start at 2 s"),
        (",0", "end: is 0 s, which is not after the start at 0 s"),
    ],
)
@pytest.mark.parametrize("clip", ["clip", "other"])
def test_times_that_are_none(table, times, message, clip):
    with pytest.raises(InputError, match=rf"u\.csv, line 3: {message}") as caught:
        table(f"{clip},start,end", ",1,2", f",{times}")
    assert len(caught.value.mistakes) == 1


def test_a_column_that_is_named_must_be_there(table):
    with pytest.raises(InputError, match=r"film: there is no such column \(\[data\] columns: clip\)"):
        table("clip", "a.wav", columns={"clip": "film"})
