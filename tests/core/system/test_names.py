"""Names of folders."""

import pytest

from ercfw.system.names import slug


@pytest.mark.parametrize(
    ("name", "folder"),
    [("w/o SWFC", "w-o-swfc"), ("Text + Audio", "text-audio"), ("--a--", "a"), ("A_b.c", "a-b-c"), ("!", "")],
)
def test_slugs(name, folder):
    assert slug(name) == folder
