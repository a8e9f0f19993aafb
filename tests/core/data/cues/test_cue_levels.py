"""Levels relative to the speaker: worked by hand, against a loop over sorted numbers, and mirrored."""

import json
from fractions import Fraction

import numpy as np
import pytest

from ercfw.data.cues.files import beside, read_levels, write_levels
from ercfw.data.cues.levels import FEWEST, WORDS, fit_levels, level_of, quintiles
from ercfw.errors import InputError


def column(numbers):
    return np.array(numbers, np.float32)[:, None]


@pytest.mark.parametrize(
    ("numbers", "limits"),
    [
        ([0, 1, 2, 3, 4, 5], (1, 2, 3, 4)),
        ([5, 3, 1, 4, 2, 0], (1, 2, 3, 4)),
        ([0, 10], (2, 4, 6, 8)),
        ([0, 0, 0, 10], (0, 0, 0, 4)),  # between the third and the fourth, at 4/5 of three steps
        ([7, 7, 7], (7, 7, 7, 7)),
        ([7], (7, 7, 7, 7)),
    ],
)
def test_limits_by_hand(numbers, limits):
    assert quintiles(numbers) == pytest.approx(limits)


def exact_limits(numbers):
    """The reference: the number at k/5 of the way through the sorted numbers, in fractions."""
    known = sorted(map(Fraction, numbers))
    for k in (1, 2, 3, 4):
        place = Fraction(k * (len(known) - 1), 5)
        low = known[int(place)]
        high = known[min(int(place) + 1, len(known) - 1)]
        yield low + (high - low) * (place - int(place))


def test_limits_are_those_of_a_loop_and_exact_where_they_meet_a_number():
    draw = np.random.default_rng(0)
    for size in (2, 3, 6, 11, 21, 36, 37, 101):
        numbers = draw.normal(60, 9, size).astype(np.float32).tolist()
        wanted = list(exact_limits(numbers))
        assert quintiles(numbers) == pytest.approx([float(limit) for limit in wanted], rel=1e-12)
        met = [(found, limit) for found, limit in zip(quintiles(numbers), wanted, strict=True) if limit in numbers]
        assert all(found == limit for found, limit in met)


@pytest.mark.parametrize(
    ("number", "level"),
    [(-9, 0), (1, 0), (1.5, 1), (2, 1), (2.5, 2), (3, 3), (3.5, 3), (4, 4), (99, 4)],
)
def test_levels_by_hand(number, level):
    assert level_of(number, (1, 2, 3, 4)) == WORDS[level]


@pytest.mark.parametrize(
    ("numbers", "number", "level"),
    [
        ([5] * 9, 5, "medium"),  # a number that never changes
        ([5] * 9, 6, "very high"),
        ([5] * 9, 4, "very low"),
        ([0, 0, 0, *range(1, 8)], 0, "very low"),  # three of ten have no pitch
        ([0] * 5 + [1, 2, 3, 4, 5], 0, "low"),
        ([9, 9, 9, *range(1, 8)], 9, "very high"),
        ([9] * 5 + [1, 2, 3, 4, 5], 9, "high"),
    ],
)
def test_numbers_that_several_utterances_share(numbers, number, level):
    assert level_of(number, quintiles(numbers)) == level


def test_changed_signs_mirror_the_levels():
    draw = np.random.default_rng(1)
    for size in (5, 6, 11, 40):
        numbers = draw.integers(-4, 5, size).astype(np.float64).tolist()
        other = [-number for number in numbers]
        told = [WORDS.index(level_of(number, quintiles(numbers))) for number in numbers]
        mirrored = [WORDS.index(level_of(number, quintiles(other))) for number in other]
        assert told == [4 - level for level in mirrored]


def test_a_fifth_of_different_numbers_is_at_each_level():
    numbers = np.random.default_rng(2).permutation(100).tolist()
    told = [level_of(number, quintiles(numbers)) for number in numbers]
    assert {word: told.count(word) for word in WORDS} == dict.fromkeys(WORDS, 20)


def test_speakers_are_judged_by_their_own_utterances_and_those_with_few_by_all():
    low, high = list(range(FEWEST)), list(range(100, 100 + FEWEST))
    few = list(range(200, 200 + FEWEST - 1))
    speakers = ["Low"] * FEWEST + ["High"] * FEWEST + ["Few"] * (FEWEST - 1)
    levels = fit_levels(["pitch"], speakers, column([*low, *high, *few]))
    assert set(levels.speakers) == {"Low", "High"}
    assert levels.tell("Low", [19]) == levels.tell("High", [119]) == "pitch very high"
    assert levels.tell("Low", [0]) == levels.tell("High", [100]) == "pitch very low"
    everyone = quintiles([*low, *high, *few])
    assert levels.tell("Few", [200]) == levels.tell("Nobody", [200]) == f"pitch {level_of(200, everyone)}"
    assert levels.tell("Few", [200]) == "pitch high"


def test_numbers_without_a_name_are_left_out():
    numbers = np.array([[row, 100 - row, 0] for row in range(100)], np.float32)
    levels = fit_levels(["volume", "", "pitch"], ["A"] * 100, numbers)
    assert levels.tell("A", [99, 99, 0]) == "volume very high, pitch medium"
    assert set(levels.everyone) == {"volume", "pitch"}


def test_levels_of_a_file_are_the_same_to_the_last_bit(tmp_path):
    numbers = np.random.default_rng(3).normal(60, 9, (90, 2)).astype(np.float32)
    levels = fit_levels(["lautstärke", "pitch"], ["A"] * 50 + ["B"] * 40, numbers)
    path = beside(tmp_path / "cues.csv")
    assert path.name == "cues.levels.json"
    write_levels(path, "audio", 90, levels)
    assert read_levels(path, "audio") == levels


GOOD = {
    "schema": 1, "modality": "audio", "utterances": 9,
    "levels": {"names": ["pitch", ""], "everyone": {"pitch": [1, 2, 3, 4]}, "speakers": {"A": {"pitch": [1, 1, 1, 1]}}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": 2}, "schema: should be 1"),
        ({"modality": "visual"}, r"holds the levels of 'visual' \(--modality visual\)"),
        ({"more": 1}, "more: extra"),
        ({"levels": 3}, "levels: should be a table|levels: "),
        ({"levels": {**GOOD["levels"], "everyone": {"pitch": [1, 2, 3]}}}, r"everyone\.pitch"),
        ({"levels": {**GOOD["levels"], "everyone": {"pitch": [1, 3, 2, 4]}}}, "must be in ascending order"),
        ({"levels": {**GOOD["levels"], "everyone": {"pitch": [1, 2, 3, float("nan")]}}}, r"everyone\.pitch"),
        ({"levels": {**GOOD["levels"], "everyone": {}}}, "limits of everyone are not those of pitch"),
        ({"levels": {**GOOD["levels"], "speakers": {"A": {}}}}, "limits of speaker 'A' are not those of pitch"),
    ],
)
def test_a_file_of_another_form_is_one_message(tmp_path, change, says):
    path = tmp_path / "cues.levels.json"
    path.write_text(json.dumps(GOOD))
    assert read_levels(path, "audio").tell("B", [9, 9]) == "pitch very high"
    path.write_text(json.dumps(GOOD | change))
    with pytest.raises(InputError, match=says):
        read_levels(path, "audio")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000, b"conversation,utterance\n", b"{}"])
def test_a_file_that_is_no_json_is_one_message(tmp_path, content):
    path = tmp_path / "cues.levels.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"is not a file of levels: .*data cues"):
        read_levels(path, "audio")


def test_a_file_that_is_not_there_is_one_message(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_levels(tmp_path / "no.json", "audio")
