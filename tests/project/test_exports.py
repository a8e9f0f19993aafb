"""``from ercfw import ...``: all that a plugin needs, and nothing that is not there."""

from importlib import import_module
from pathlib import Path

import pytest

import ercfw


def test_every_name_that_is_offered_is_there_and_at_home():
    assert set(ercfw.__all__) == set(ercfw._MODULE)
    for name, module in ercfw._MODULE.items():
        assert getattr(ercfw, name) is getattr(import_module(f"ercfw.{module}"), name)


def test_no_name_is_also_a_module():
    """Once imported, the module would take the name's place."""
    modules = {path.stem for path in Path(ercfw.__file__).parent.iterdir()}
    assert not modules & set(ercfw.__all__)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'Fusion'"):
        ercfw.Fusion  # noqa: B018


def test_dir_lists_the_public_names_and_no_others():
    listed = dir(ercfw)
    assert set(ercfw.__all__) <= set(listed)
    assert [name for name in listed if not name.startswith("__") and name not in ercfw.__all__] == []
    assert "__version__" in listed
