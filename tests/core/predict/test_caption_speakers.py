"""Speakers as captions name them; ordinary words before a colon and sounds in brackets are no speakers."""

import pytest

from ercfw.predict.caption_speakers import find_speakers
from tests.core.predict.given_files import read, write


def spoken(*lines):
    return [(one.speaker, one.text) for one in find_speakers([line.split("\n") for line in lines], ())]


@pytest.mark.parametrize(
    ("line", "speaker", "text"),
    [
        ("MR. GELLER: Hello there.", "MR. GELLER", "Hello there."),
        ("J.R. O'NEIL-SMITH: Hello.", "J.R. O'NEIL-SMITH", "Hello."),
        ("MAN #2: Hello.", "MAN #2", "Hello."),
        (">> BOB: Yes.", "BOB", "Yes."),
        (">>> Bob Lee: Yes.", "Bob Lee", "Yes."),
        ("- ANN: Stop it.", "ANN", "Stop it."),
        ("\u2013ANN: Stop it.", "ANN", "Stop it."),
        ("ANN (O.S.): No way.", "ANN", "No way."),
        ("ANN [whispering] : No way.", "ANN", "No way."),
        ("ANN:\nNo way.", "ANN", "No way."),
        ("ANN:No way.", "ANN", "No way."),
        ("[ANN] Really?", "ANN", "Really?"),
        ("(ANN) Really?", "ANN", "Really?"),
        ("[ANN]: Really?", "ANN", "Really?"),
        ("\u5f20\u4e09\uff1a\u4f60\u597d", "\u5f20\u4e09", "\u4f60\u597d"),
        ("Zo\xeb\xa0: oui\nZo\xeb\uff1a non", "Zo\xeb", "oui non"),
        (">> Good evening.", "", "Good evening."),
        ("- Good evening.", "", "Good evening."),
        ("Yes. >> No.", "", "Yes. No."),
    ],
)
def test_every_way_to_name_a_speaker(line, speaker, text):
    assert spoken(line) == [(speaker, text)]


@pytest.mark.parametrize(
    "line",
    [
        "Note: this is short.", "NOTE: this is short.", "12:30", "It is 12:30: hurry.", "Psalm 23:4", "Remember: no.",
        "Chapter 3: The end", "Stop. Wait: no.", "https://example.org", "HTTP://X", "Really?", "[LAUGHS] Really?",
        "[MUSIC PLAYING] Really?", "(in French) Oui.", "[IN FRENCH] Oui.", "[laughs] No.", "ANN:", "[ANN]",
        "--and then", "\u2014and then", "\u6ce8\u610f\uff1a\u5f00\u95e8", "\u4ed6\u8bf4\uff1a\u4f60\u597d",
        "and so I say: no",
    ],
)  # fmt: skip
def test_ordinary_words_are_no_speakers(line):
    assert spoken(line) == [("", line)]


def test_words_that_begin_two_lines_are_speakers_unless_they_introduce_a_text():
    assert [name for name, _ in spoken("Ann: a", "Note: b", "Ann: c", "Note: d")] == ["Ann", "", "Ann", ""]


def test_brackets_name_whom_other_lines_name():
    found = spoken("[ross] What?", "Ross: a", "Ross: b", "[Chris] c", "[Chris] d")
    assert found == [("Ross", "What?"), ("Ross", "a"), ("Ross", "b"), ("", "[Chris] c"), ("", "[Chris] d")]


def test_capitals_show_nothing_where_all_is_in_capitals():
    found = spoken("ANN: I KNOW", "BOB: NO", "LISTEN: STOP", "ANN: YES", "BOB: WELL", "SURE", ">> CY: OK")
    assert [name for name, _ in found] == ["ANN", "BOB", "", "ANN", "BOB", "", "CY"]


def test_two_speakers_of_one_cue():
    (one, other, dialogue) = find_speakers(
        [["- ANN: Stop.", "- BOB: No."], ["Stop.", "BOB: No."], ["- A?", "- B."]], ()
    )
    assert (one.speaker, one.text, one.turns) == ("ANN", "Stop. No.", 2)
    assert (other.speaker, other.text, other.turns) == ("", "Stop. No.", 2)
    assert (dialogue.speaker, dialogue.text, dialogue.turns) == ("", "- A? - B.", 2)


def test_what_was_found_is_told():
    lines = ["MR. GELLER: Hi.", ">> BOB: Yes.", "[BOB] No.", "So."]
    cues = [f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\n<i>{line}</i>\n" for n, line in enumerate(lines, 1)]
    given = read(write("s.srt", *cues))
    assert given.conversations[0].speakers == ("MR. GELLER", "BOB", "BOB", "speaker")
    assert given.warnings == (
        "s.srt: speakers found, with the number of their cues: BOB (2), MR. GELLER (1)",
        "s.srt: cues without a speaker's name, given to one further speaker: 1 of 4",
    )
