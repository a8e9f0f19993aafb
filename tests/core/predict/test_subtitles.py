"""Subtitles: every cue with its words, speaker and time; what is damaged costs only itself."""

from pathlib import Path

import pytest

from ercfw.contract.conversation import Clip
from ercfw.errors import InputError
from tests.core.predict.given_files import SRT, read, write


def test_subrip():
    write("film.mp4", "x")
    given = read("film.mp4", subtitles=write("film.srt", *SRT))
    (only,) = given.conversations
    assert (only.id, only.utterances, only.texts) == ("film", ("1", "2"), ("Hello there", "Bye"))
    assert only.times == ((1.0, 2.5), (3.0, 4.0))
    assert only.clips == (Clip(Path("film.mp4"), 1.0, 2.5), Clip(Path("film.mp4"), 3.0, 4.0))
    assert given.warnings == ("film.srt: cues without a speaker's name, given to one further speaker: 2 of 2",)


def test_subtitles_alone_have_no_clips():
    (only,) = read(write("film.srt", *SRT, newline="\r\n")).conversations
    assert only.clips == ()
    assert only.times == ((1.0, 2.5), (3.0, 4.0))


def srt(*cues):
    return write("s.srt", *(f"{n}\n{start} --> {end}\n{text}\n" for n, (start, end, text) in enumerate(cues, 1)))


def at(second):
    return f"00:00:{second:02d},000"


def subtitles(*cues):
    given = read(srt(*((at(a), at(b), text) for a, b, text in cues)))
    return given.conversations[0], [w.removeprefix("s.srt: ") for w in given.warnings]


def test_cues_out_of_order_are_sorted_and_overlapping_ones_kept():
    only, reported = subtitles((4, 7, "c"), (1, 3, "a"), (2, 4, "b"))
    assert only.texts == ("a", "b", "c")
    assert only.utterances == ("2", "3", "1")
    assert reported[-2:] == [
        "cues are out of order; they were sorted by their times",
        "cues that begin before the previous one ends: 1; all are kept",
    ]


def test_cues_without_text_or_time_are_left_out():
    only, reported = subtitles((1, 2, "a"), (3, 3, "b"), (5, 4, "c"), (6, 7, "<i> </i>"), (8, 9, "d"))
    assert only.texts == ("a", "d")
    assert reported[:3] == [
        "cue 2 begins at 00:00:03.000 and ends at 00:00:03.000, so it is left out",
        "cue 3 begins at 00:00:05.000 and ends at 00:00:04.000, so it is left out",
        "cues without text, left out: 1",
    ]


def test_tags_and_entities_are_read():
    only, _ = subtitles((1, 2, '<font color="red">Tom &amp;</font> {\\an8}<i>Jerry</i>'))
    assert only.texts == ("Tom & Jerry",)


def test_names_are_capitals_or_come_twice():
    only, reported = subtitles(
        (1, 2, "ANN: one"), (3, 4, "Bob Lee: two"), (5, 6, "Remember: three"), (7, 8, "Bob Lee: four"),
        (9, 10, "at 10:30: five"), (11, 12, "Zoë Oz: six"),
    )  # fmt: skip
    assert only.speakers == ("ANN", "Bob Lee", "speaker", "Bob Lee", "speaker", "speaker")
    assert only.texts == ("one", "two", "Remember: three", "four", "at 10:30: five", "Zoë Oz: six")
    assert reported == [
        "speakers found, with the number of their cues: Bob Lee (2), ANN (1)",
        "cues without a speaker's name, given to one further speaker: 3 of 6",
    ]


def test_webvtt_with_voices():
    path = write(
        "film.vtt", "WEBVTT - a film", "", "STYLE", "::cue { color: red }", "", "NOTE nothing", "", "intro",
        "00:01.000 --> 00:02.500 align:start", "<v.loud Ann Lee>Hi <i>you</i> &amp; me</v>", "",
        "01:00:03.000 --> 01:00:04.000", "<v Bob>No.</v>", "<v Ann Lee>Yes.</v>", "", "NOTE two", "lines", "",
        "01:00:05.000 --> 01:00:06.000", "- And I?", "- You.",
    )  # fmt: skip
    given = read(path)
    (only,) = given.conversations
    assert only.speakers == ("Ann Lee", "Bob", "speaker")
    assert only.texts == ("Hi you & me", "No. Yes.", "- And I? - You.")
    assert only.times == ((1.0, 2.5), (3603.0, 3604.0), (3605.0, 3606.0))
    assert "film.vtt: cues in which two people seem to speak, each read as one utterance: 2" in given.warnings


@pytest.mark.parametrize("damage", ["rubbish --> 00:00:04,000", "00:00:03,000 --> 99", "00:00:03,000 -->", " --> "])
@pytest.mark.parametrize(("kind", "head"), [("srt", ()), ("vtt", ("WEBVTT", ""))])
def test_a_damaged_cue_costs_only_itself(damage, kind, head):
    times = ["00:00:01,000 --> 00:00:02,000", damage, "00:00:05,000 --> 00:00:06,000"]
    lines = [
        line.replace(",", "." if kind == "vtt" else ",")
        for n, (time, text) in enumerate(zip(times, "abc", strict=True), 1)
        for line in (str(n), time, text, "")
    ]
    given = read(write(f"s.{kind}", *head, *lines))
    assert given.conversations[0].texts == ("a", "c")
    assert f"s.{kind}: cues that could not be read: 1" in given.warnings


def test_whole_subtitles_lack_no_cue():
    _, reported = subtitles((1, 2, "a"), (3, 4, "b"))
    assert not any("could not be read" in w for w in reported)


@pytest.mark.parametrize(
    "content", ["hello\n", "WEBVTT\n", "WEBVTT\n\n00:05.000 --> 00:04.000\nx\n", " \n", "\x00\x01\n"]
)
def test_subtitles_that_are_none_are_one_message(content):
    Path("s.vtt").write_text(content)
    with pytest.raises(InputError, match=r"s.vtt: (contains no|is not a text)"):
        read("s.vtt")


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "webvtt", None)
    with pytest.raises(InputError, match=r"webvtt-py: is needed but not installed .*ercfw\[predict\]"):
        read(srt((at(1), at(2), "a")))
