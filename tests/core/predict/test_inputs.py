"""What people give to predict: tables, folders of clips, videos with subtitles; and what is wrong with them."""

from pathlib import Path

import numpy as np
import pytest

from ercfw.contract.conversation import Clip
from ercfw.errors import InputError
from tests.core.predict.given_files import SRT, read, write

CP1252 = "t.csv: lines that are not UTF-8 were read as cp1252: 1"


def test_a_table_of_texts_alone_is_one_conversation():
    given = read(write("talk.csv", "text", "hello", '"one, two"', "", '"two', 'lines"'))
    (only,) = given.conversations
    assert (only.id, only.utterances, only.texts) == ("talk", ("1", "2", "3"), ("hello", "one, two", "two\nlines"))
    assert only.speakers == ("speaker",) * 3
    assert (only.clips, only.times, dict(only.labels)) == ((), (), {})
    assert given.warnings == ("talk.csv: there is no speaker column, so each conversation has one speaker",)


def test_all_columns_in_any_order():
    lines = ["speaker,end,clip,start,extra,text,utterance,conversation",
             "Ann,2.5,a.wav,1,?,hi,7,two", "Bob,,sub/b.wav,,?,,x,one", "Ann,,,,?,ho,9,two"]  # fmt: skip
    given = read(write("in/talk.csv", *lines))
    two, one = given.conversations
    assert (two.id, two.utterances, two.speakers, two.texts) == ("two", ("7", "9"), ("Ann", "Ann"), ("hi", "ho"))
    assert two.clips == (Clip(Path("in/a.wav"), 1.0, 2.5), None)
    assert two.times == ((1.0, 2.5), None)
    assert (one.id, one.clips, one.times) == ("one", (Clip(Path("in/sub/b.wav")),), ())
    assert given.warnings == ()


def test_cues_of_a_table_and_of_one_in_the_form_of_a_dataset():
    lines = ["text,speaker,cues", "hi,Ann,pitch high", "ho,Bob,"]
    assert read(write("t.csv", *lines)).conversations[0].cues == ("pitch high", "")
    said = ['1,"Oh",Ann,joy,positive,3,0,1,1,x,y,"loud, slow"', '2,"Hm",Ann,joy,positive,4,0,1,1,x,y,']
    given = read(write("t.csv", f"{MELD},cues", *said))
    assert [c.cues for c in given.conversations] == [("loud, slow",), ()]


def test_wrong_times_cost_the_clip_alone():
    lines = ["text,speaker,clip,start,end", "a,x,c.wav,5,3", "b,x,c.wav,soon,9", "c,x,c.wav,,0", "d,x,c.wav,1,2"]
    given = read(write("t.csv", *lines))
    (only,) = given.conversations
    assert only.texts == ("a", "b", "c", "d")
    assert only.clips == (None, None, None, Clip(Path("c.wav"), 1.0, 2.0))
    places = ("t.csv, line 2: end: is 3 s", "t.csv, line 3: start: 'soon' is not a time", "t.csv, line 4: end: is 0 s")
    assert len(given.warnings) == 3
    for warning, place in zip(given.warnings, places, strict=True):
        assert warning.startswith(place)
        assert warning.endswith("; the clip and times of this line are ignored")


@pytest.mark.parametrize(("encoding", "warned"), [("utf-8", 0), ("utf-8-sig", 0), ("utf-16", 0), ("cp1252", 1)])
def test_encodings(encoding, warned):
    given = read(write("t.csv", "speaker,text", "Zoë,café", encoding=encoding, newline="\r\n"))
    assert given.conversations[0].texts == ("café",)
    assert given.conversations[0].speakers == ("Zoë",)
    assert [w for w in given.warnings if "cp1252" in w] == [CP1252] * warned


def test_a_long_text_is_kept():
    text = "word " * 10_000
    assert read(write("t.csv", "text", text)).conversations[0].texts == (text,)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([""], "t.csv: is empty"),
        (["text"], "t.csv: contains no utterances"),
        (["Text", "a"], r"t.csv, line 1: there is no column 'text' or 'clip' \(did you mean 'Text'"),
        (["text,text", "a,b"], "line 1: text: the header names this column twice"),
        (["text", "ok", "well, no"], r"t.csv, line 3: has 2 fields \(the header names 1; put quotes around"),
        (["text,utterance", "a,1", "b,1"], "line 3: utterance '1' of conversation 't' occurs twice .first at .*line 2"),
        (["text,utterance", "a, "], "line 2: utterance: is empty .every utterance needs"),
        (["text", '"open', "b"], "t.csv, line 2: is not a CSV record: .*quotes closed"),
        (["text", "a\0b"], "t.csv: is not a text file"),
    ],
)
def test_a_table_that_is_none_is_one_message(lines, says):
    with pytest.raises(InputError, match=says) as error:
        read(write("t.csv", *lines))
    assert len(error.value.mistakes) == 1


def test_every_bad_line_is_reported_at_once():
    with pytest.raises(InputError) as error:
        read(write("t.csv", "text,utterance", "a", "b,1", "c,1", "d,2,3"))
    assert [m.where for m in error.value.mistakes] == ["t.csv, line 2", "t.csv, line 5", "t.csv, line 4"]


MELD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"


@pytest.fixture
def clips():
    for name in ("dia3_utt0.mp4", "dia3_utt2.mp4", "dia3_utt10.mp4", "._dia3_utt0.mp4", "notes.txt"):
        write(f"clips/{name}", "x")
    return Path("clips")


def test_a_folder_without_a_transcript_is_in_natural_order(clips):
    given = read(clips)
    (only,) = given.conversations
    assert only.utterances == ("dia3_utt0.mp4", "dia3_utt2.mp4", "dia3_utt10.mp4")
    assert [clip.path.name for clip in only.clips] == list(only.utterances)
    assert only.id == "clips"
    assert "there is no transcript" in given.warnings[0]


def test_a_table_in_the_form_of_a_dataset_is_a_transcript(clips):
    """MELD names its columns and clips; its times, which count from the start of the episode, are ignored."""
    said = [f'{n},"Oh, {n}",Ann,joy,positive,{d},{u},1,1,"00:00:01,000","00:00:00,500"'
            for n, (d, u) in enumerate([(3, 0), (3, 2), (3, 7), (3, 10), (4, 0)])]  # fmt: skip
    given = read(clips, write("t.csv", MELD, *said))
    (only,) = given.conversations
    assert (only.id, only.utterances, only.texts) == ("3", ("0", "2", "10"), ("Oh, 0", "Oh, 1", "Oh, 3"))
    assert list(only.clips) == [Clip(clips / f"dia3_utt{u}.mp4") for u in (0, 2, 10)]
    assert given.warnings == ("t.csv: lines without a clip in clips, left out: 2 of 5 (3 7 first)",)


def test_a_dataset_may_name_conversations_by_several_columns_and_read_the_speaker():
    """EmoryNLP does; its times count from the start of the episode, too."""
    header = "Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode,Start_Time,End_Time"
    said = [f'hi,"{speaker}",Mad,{scene},4,1,2,soon,late' for speaker, scene in (("['Ann']", 8), ("['Bob', 'Ann']", 9))]
    given = read(write("t.csv", header, *said))
    assert [(c.id, c.utterances, c.speakers) for c in given.conversations] == [
        ("1/2/8", ("4",), ("Ann",)),
        ("1/2/9", ("4",), ("Ann and Bob",)),
    ]
    assert given.warnings == ()
    with pytest.raises(InputError) as error:
        read(write("t.csv", header, *(line.replace("[", "").replace("]", "") for line in said)))
    assert [m.where for m in error.value.mistakes] == ["t.csv, line 2: Speaker", "t.csv, line 3: Speaker"]
    rest = header.replace("Season", "Series")
    with pytest.raises(InputError, match="there is no column 'text' or 'clip'"):
        read(write("t.csv", rest, *said))


@pytest.mark.parametrize(
    ("column", "cells"),
    [("clip", ("dia3_utt2.mp4", "dia3_utt0.mp4")), ("clip", ("dia3_utt2", "dia3_utt0")),
     ("utterance", ("dia3_utt2", "dia3_utt0.mp4"))],
)  # fmt: skip
def test_clips_are_found_by_name_with_or_without_ending_or_by_id(clips, column, cells):
    given = read(clips, write("t.csv", f"{column},speaker,text,start", f"{cells[0]},A,b,0.5", f"{cells[1]},A,a,"))
    (only,) = given.conversations
    assert only.clips == (Clip(clips / "dia3_utt2.mp4", 0.5), Clip(clips / "dia3_utt0.mp4"))
    assert given.warnings == ("t.csv: clips that no line names, left out: 1 (dia3_utt10.mp4 first)",)


def test_a_line_whose_cell_is_empty_is_kept_without_a_clip(clips):
    given = read(clips, write("t.csv", "clip,speaker,text", "dia3_utt2,A,a", ",A,b"))
    assert given.conversations[0].clips == (Clip(clips / "dia3_utt2.mp4"), None)


@pytest.fixture
def nested():
    for name in (
        "v2/0001.mp4",
        "v2/0002.mp4",
        "v10/0001.mp4",
        "v10/deep/0003.wav",
        "__MACOSX/v2/0001.mp4",
        "v2/.a.mp4",
    ):
        write(f"Raw/{name}", "x")
    return Path("Raw")


def test_without_a_transcript_each_folder_of_clips_is_a_conversation(nested):
    given = read(nested)
    assert [(c.id, c.utterances) for c in given.conversations] == [
        ("v2", ("0001.mp4", "0002.mp4")),
        ("v10", ("0001.mp4",)),
        ("v10/deep", ("0003.wav",)),
    ]
    assert given.conversations[1].clips == (Clip(nested / "v10/0001.mp4"),)
    assert given.warnings == (
        "Raw: there is no transcript, so the clips of each folder are a conversation, in order and without text",
    )
    write("Raw/top.mp4", "x")
    assert [c.id for c in read(nested).conversations] == ["Raw", "v2", "v10", "v10/deep"]


@pytest.mark.parametrize(
    ("header", "lines"),
    [
        ("conversation,utterance,clip", ("v2,1,v2/0001.mp4", "v10,1,v10/0001.mp4", "v10,3,v10/deep/0003.wav")),
        ("conversation,utterance,clip", ("v2,1,v2/0001", "v10,1,./v10/0001", "v10,3,0003")),
        ("conversation,utterance,clip", ("v2,1,Raw/v2/0001.mp4", "v10,1,0001", "v10,3,deep/0003.wav")),
        ("conversation,utterance", ("v2,0001", "v10,0001", "v10,0003")),
    ],
)
def test_clips_in_folders_are_found_by_path_by_conversation_or_by_a_name_of_their_own(nested, header, lines):
    given = read(nested, write("label.csv", f"{header},text", *(f"{line},Hi" for line in lines)))
    assert [clip for c in given.conversations for clip in c.clips] == [
        Clip(nested / "v2/0001.mp4"), Clip(nested / "v10/0001.mp4"), Clip(nested / "v10/deep/0003.wav"),
    ]  # fmt: skip
    assert "label.csv: clips that no line names, left out: 1 (0002.mp4 first)" in given.warnings


def test_folders_inside_another_folder_as_archives_unpack_them(nested):
    given = read(Path(), write("label.csv", "conversation,utterance,text", "v2,0001,Hi", "v10,0003,Hi"))
    assert [c.clips[0].path for c in given.conversations] == [Path("Raw/v2/0001.mp4"), Path("Raw/v10/deep/0003.wav")]


def test_a_name_that_several_clips_have_is_not_guessed(nested):
    with pytest.raises(InputError, match=r"label.csv, line 2: '0001' is the name of 2 clips: Raw/v2/0001.mp4, Raw/v10"):
        read(nested, write("label.csv", "utterance,text", "0001,Hi"))


def test_a_clip_that_is_a_link_to_nothing_is_kept_and_folders_linked_in_a_circle_are_read_once(nested):
    (nested / "v2" / "0003.mp4").symlink_to("/not/mounted/0003.mp4")
    (nested / "v2" / "again").symlink_to(Path("..").absolute() / nested.absolute())
    assert [len(c) for c in read(nested).conversations] == [3, 1, 1]


def test_one_file_with_a_transcript_of_times():
    write("film.mp4", "x")
    given = read("film.mp4", write("t.csv", "speaker,text,start,end", "A,a,1,2", "A,b,,", "A,c,0:03,0:04.5"))
    (only,) = given.conversations
    film = Path("film.mp4")
    assert only.clips == (Clip(film, 1.0, 2.0), None, Clip(film, 3.0, 4.5))
    assert given.warnings == ("t.csv: lines without times, and so without a clip: 1 (t.csv, line 3)",)


def test_one_file_alone_is_one_utterance():
    given = read(write("film.MP4", "x"))
    assert given.conversations[0].clips == (Clip(Path("film.MP4")),)
    assert "all of it is one utterance" in given.warnings[0]


@pytest.fixture
def files(clips):
    write("t.csv", "text", "a")
    write("far.csv", "clip", "nowhere.mp4")
    write("film.mp4", "x")
    write("s.srt", *SRT)
    Path("none").mkdir()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("gone.csv",), "gone.csv: there is no such file or folder"),
        (("clips", "gone.csv"), "gone.csv: there is no such file"),
        (("film.mp4", None, "gone.srt"), "gone.srt: there is no such file"),
        (("film.mp4", "t.csv", "s.srt"), "transcript and subtitles: each of them contains the texts"),
        (("clips", None, "s.srt"), "clips: cannot have subtitles"),
        (("t.csv", None, "s.srt"), "t.csv: cannot have subtitles"),
        (("t.csv", "t.csv"), "t.csv: cannot have a transcript"),
        (("film.mp4", "t.csv"), r"t.csv: does not give the times of its lines in film.mp4"),
        (("none",), "none: contains no clip"),
        (("clips", "far.csv"), "far.csv: no line names a clip in clips"),
        ((None, "t.csv"), "the input: is missing"),
        ((), "the input: is missing"),
        (("x" * 400,), "there is no such file or folder"),
    ],
)
def test_what_does_not_go_together_is_one_message(files, words, says):
    with pytest.raises(InputError, match=says) as error:
        read(*words)
    assert len(error.value.mistakes) == 1


def test_features_without_ids_have_a_row_for_each_line(files):
    np.save("v.npy", np.zeros((2, 3)))
    path = write("two.csv", "text", "a", "b")
    assert read(path, visual=Path("v.npy")).tables["visual"].ids == (("two", "1"), ("two", "2"))
    with pytest.raises(InputError, match="has 2 rows, but the source has 1 utterances"):
        read("t.csv", visual=Path("v.npy"))
