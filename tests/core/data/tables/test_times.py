"""Times: every notation that transcripts, subtitles and corpora use, and texts that are not times."""

import pytest

from ercfw.data.tables.times import Stretch, read_stretch, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12", 12), ("12.5", 12.5), ("0,25", 0.25), ("01:02", 62), ("00:01:02,500", 62.5), ("1:00:00.001", 3600.001),
        (" 7 ", 7), ("100:00:00", 360000), ("", None), ("-1", None), ("nan", None), ("1e3", 1000), ("1:2:3:4", None),
        ("inf", None), ("12 s", None), (":5", None), ("9" * 400, None), ("9" * 5000 + ":00:00,1", None),
        ("-0:01", None), ("1.", 1), ("1:1.", None),
    ],
)  # fmt: skip
def test_seconds(text, seconds):
    assert seconds_of(text) == seconds


def test_the_last_bit_of_a_time_is_that_of_hours_minutes_seconds_and_thousandths():
    assert seconds_of("00:16:16,059") == 16 * 60 + 16 + 59 / 1000
    assert seconds_of("00:16:16,5") == 16 * 60 + 16 + 500 / 1000


@pytest.mark.parametrize(
    ("start", "end", "stretch", "mistakes"),
    [
        ("1", "2.5", (1, 2.5), []),
        ("", "2", (None, 2), []),
        ("1", " ", (1, None), []),
        ("", "", (None, None), []),
        ("soon", "2", (None, 2), ["S: 'soon' is not a time"]),
        ("a", "b", (None, None), ["S: 'a' is not a time", "E: 'b' is not a time"]),
        ("2", "2", (2, 2), ["E: is 2 s, which is not after the start at 2 s"]),
        ("", "0", (None, 0), ["E: is 0 s, which is not after the start at 0 s"]),
    ],
)
def test_stretch(start, end, stretch, mistakes):
    read = read_stretch(("S", start), ("E", end))
    assert (read.start, read.end) == stretch
    assert [f"{mistake.where}: {mistake.what}" for mistake in read.mistakes] == mistakes
    assert all("(write " in str(mistake) for mistake in read.mistakes)


def test_both_times_or_none():
    assert Stretch(1, 2).both == (1, 2)
    assert Stretch(None, 2).both is None
    assert Stretch(1, None).both is None
