"""Speaker fields that are lists: who speaks, and what is not such a list."""

import ast
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ercfw_datasets.speaker_lists import joint_speaker

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).filter(str.strip)


@pytest.mark.parametrize(
    ("field", "speaker"),
    [
        ("['Ann']", "Ann"),
        ("['Ann', 'Bob']", "Ann and Bob"),
        ("['Bob', 'Ann']", "Ann and Bob"),
        ("['Ann', 'Ann']", "Ann"),
        ("[\"Ann's Sister\", 'Bob']", "Ann's Sister and Bob"),
        (r"['Ann \'A\' Lee']", "Ann 'A' Lee"),
        ("  [ 'Ann' ,'Bob' ]\n", "Ann and Bob"),
        ("[' Ann ']", "Ann"),
        ("['Cem', 'Ann', 'Bob']", "Ann and Bob and Cem"),
        ("['Ann, and [Bob]']", "Ann, and [Bob]"),
    ],
)
def test_who_speaks(field, speaker):
    assert joint_speaker(field) == speaker


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_every_list_that_python_writes_is_read(names):
    field = str(names)
    assert joint_speaker(field) == " and ".join(sorted({name.strip() for name in ast.literal_eval(field)}))


@pytest.mark.parametrize(
    "field",
    [
        "", "Ann", "Ann, Bob", "[]", "['']", "['Ann', ' ']", "[Ann]", "['Ann'", "'Ann'", "['Ann' 'Bob']", "['Ann',]",
        "('Ann',)", "['Ann', 3]", "[['Ann']]", "['Ann'] + ['Bob']", "[b'Ann']", "[f'{1}']", "['A\nB']", r"['\d']",
        r"['\ud800']", r"['\U00110000']", "__import__('os')", "[" * 100_000, "['" + "x" * 100_000,
    ],
)  # fmt: skip
def test_what_is_not_such_a_list(field):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"is not a list of names; write \['Ann'\]"):
            joint_speaker(field)
