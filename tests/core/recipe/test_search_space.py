"""Ranges of a search: whole numbers or not, and where steps end."""

import pytest

from ercfw.recipe.search_space import Range


@pytest.mark.parametrize(
    ("limits", "ends"),
    [
        ({"low": 0, "high": 1, "step": 0.1}, (0.0, 1.0)),
        ({"low": 0, "high": 1, "step": 0.3}, (0.0, 0.9)),
        ({"low": 0.1, "high": 0.7, "step": 0.2}, (0.1, 0.7)),
        ({"low": 4, "high": 30, "step": 4}, (4, 28)),
        ({"low": 4, "high": 32, "step": 4.0}, (4, 32)),
        ({"low": -3, "high": 5}, (-3, 5)),
        ({"low": 1, "high": 2.5}, (1.0, 2.5)),
    ],
)
def test_the_ends_of_a_range(limits, ends):
    found = Range(**limits).ends
    assert found == ends
    assert [type(end) for end in found] == [type(end) for end in ends]
