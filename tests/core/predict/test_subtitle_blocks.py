"""SubRip and WebVTT as people have them: no cue and no word is lost, and what differs from the format is counted."""

import pytest

from tests.core.predict.given_files import read, write


def texts(name, *lines, newline="\n"):
    given = read(write(name, *lines, newline=newline))
    (only,) = given.conversations
    unnamed = "cues without a speaker's name"
    return only, [w.removeprefix(f"{name}: ") for w in given.warnings if unnamed not in w]


USUAL = "00:00:01,000 --> 00:00:02,500"


@pytest.mark.parametrize(
    "times",
    [
        "00:00:01.000 --> 00:00:02.500", "0:00:01,0 --> 0:00:02,5", "00:01,000 --> 00:02,500",
        "00:00:01 --> 00:00:02,500", "00: 00: 01, 000 --> 00: 00: 02, 500", "00:00:01,000 -> 00:00:02,500",
        "00:00:01,000 -- > 00:00:02,500", "00:00:01,000-->00:00:02,500", "00:00:01:000 --> 00:00:02:500",
        "00:00:01,000 \u2192 00:00:02,500", "00:00:01,000 \u2013> 00:00:02,500",
    ],
)  # fmt: skip
def test_times_in_every_form(times):
    only, reported = texts("s.srt", "1", times, "Hi there.", "", "2", "00:00:03,000 --> 00:00:04,000", "Bye.")
    assert only.texts == ("Hi there.", "Bye.")
    assert only.times == ((1.0, 2.5), (3.0, 4.0))
    assert reported == ["lines of times that differ from the usual form, but could be read: 1"]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_positions_and_spaces_behind_the_times_are_usual(newline):
    only, reported = texts("s.srt", "1", f"{USUAL}  X1:40 X2:600 Y1:20 Y2:50 ", "Hi.", "", newline=newline)
    assert (only.texts, reported) == (("Hi.",), [])


def test_no_empty_line_between_cues():
    only, reported = texts("s.srt", "1", USUAL, "Hi.", "2", "00:00:03,000 --> 00:00:04,000", "I am", "42")
    assert only.texts == ("Hi.", "I am 42")
    assert reported == ["cues without an empty line before them: 1; each is read as a cue of its own"]


def test_an_empty_line_inside_a_cue():
    only, reported = texts("s.srt", "1", USUAL, "Hi.", "", "I am late.", "", "2", "00:00:03,000 --> 00:00:04,000", "No")
    assert only.texts == ("Hi. I am late.", "No")
    assert reported == ["empty lines inside cues: 1; the text after them belongs to the same cue"]


def test_cues_without_numbers_keep_theirs_in_the_text():
    only, reported = texts(
        "s.srt", USUAL, "How many?", "", "00:00:03,000 --> 00:00:04,000", "42", "", "00:05 --> 00:06", "7"
    )
    assert only.texts == ("How many?", "42", "7")
    assert only.utterances == ("1", "2", "3")
    assert reported == ["lines of times that differ from the usual form, but could be read: 1"]


def test_every_line_is_followed_by_an_empty_one():
    lines = [part for line in ("1", USUAL, "Hi.", "2", "00:00:03,000 --> 00:00:04,000", "Bye.") for part in (line, "")]
    only, reported = texts("s.srt", *lines)
    assert (only.texts, reported) == (("Hi.", "Bye."), [])


def test_webvtt_keeps_its_comments_and_identifiers_out_of_the_text():
    only, reported = texts(
        "s.vtt", "WEBVTT", "Kind: captions", "", "first", "00:01.000 --> 00:02.500", "Hi.", "", "NOTE no cue", "at all",
        "", "1 - second", "00:03.000 --> 00:04.000 align:start", "Bye.", "", "STYLE", "::cue { color: red }", "",
        "00:05,000 --> 00:06.000", "NOTE is said here", "", "and this too",
    )  # fmt: skip
    assert only.texts == ("Hi.", "Bye.", "NOTE is said here and this too")
    assert reported == [
        "lines of times that differ from the usual form, but could be read: 1",
        "empty lines inside cues: 1; the text after them belongs to the same cue",
    ]


def test_webvtt_in_a_file_that_is_called_srt():
    only, reported = texts("s.srt", "WEBVTT", "", "00:01.000 --> 00:02.500", "Hi.", "00:03.000 --> 00:04.000", "Bye.")
    assert only.texts == ("Hi.", "Bye.")
    assert reported == ["cues without an empty line before them: 1; each is read as a cue of its own"]


def test_arrows_in_a_text_are_no_times():
    only, _ = texts("s.srt", "1", USUAL, "Left -> right, 10:30 -> noon", "")
    assert only.texts == ("Left -> right, 10:30 -> noon",)


@pytest.mark.parametrize("line", [f"{USUAL} Hi there.", "[00:00:01.000 --> 00:00:02.500]  Hi there."])
def test_a_text_behind_its_times(line):
    only, _ = texts("s.srt", line, "00:00:03,000 --> 00:00:04,000 Bye.", "Now.")
    assert only.texts == ("Hi there.", "Bye. Now.")
    assert only.times == ((1.0, 2.5), (3.0, 4.0))


@pytest.mark.parametrize("line", ["Hi<br>there.", "Hi<br />there.", "Hi\\Nthere.", "Hi\\nthere."])
def test_line_breaks_inside_a_line(line):
    assert texts("s.srt", "1", USUAL, line)[0].texts == ("Hi there.",)


def test_rolling_captions_say_every_line_once():
    only, reported = texts(
        "s.vtt", "WEBVTT", "Kind: captions", "Language: en", "",
        "00:00:01.000 --> 00:00:03.000 align:start position:0%", " ", "hello<00:00:01.500><c> there</c>", "",
        "00:00:03.000 --> 00:00:03.010 align:start position:0%", "hello there", " ", "",
        "00:00:03.010 --> 00:00:05.000 align:start position:0%", "hello there", "how<00:00:03.500><c> are</c>", "",
        "00:00:05.000 --> 00:00:05.010 align:start position:0%", "how are", " ", "",
        "00:00:05.010 --> 00:00:06.000 align:start position:0%", "how are", "you<00:00:05.500>", "",
    )  # fmt: skip
    assert only.texts == ("hello there", "how are", "you")
    assert only.times == ((1.0, 3.0), (3.01, 5.0), (5.01, 6.0))
    assert reported == ["lines repeated from the cue before, as rolling captions do, left out: 4"]


def test_lines_that_are_said_twice_stay():
    only, _ = texts("s.srt", "1", USUAL, "No!", "", "2", "00:00:03,000 --> 00:00:04,000", "No!")
    assert only.texts == ("No!", "No!")
