"""``from ercfw import ...``: all that a plugin needs, and nothing that is not there."""

from importlib import import_module

import pytest

import ercfw


def test_every_name_that_is_offered_is_there_and_at_home():
    assert set(ercfw.__all__) == set(ercfw._MODULE)
    for name, module in ercfw._MODULE.items():
        assert getattr(ercfw, name) is getattr(import_module(f"ercfw.{module}"), name)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'Fusion'"):
        ercfw.Fusion  # noqa: B018
