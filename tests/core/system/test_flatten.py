"""Nested tables become flat ones."""

from ercfw.system.flatten import flatten


def test_names_of_nested_entries_are_joined():
    nested = {"a": 1, "b": {"c": [2], "d": {"e": None}}, "empty": {}}
    assert dict(flatten(nested, ".")) == {"a": 1, "b.c": [2], "b.d.e": None}
    assert list(dict(flatten(nested, "/"))) == ["a", "b/c", "b/d/e"]
