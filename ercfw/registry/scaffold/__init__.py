"""Write a new plugin to start from, with tests that pass (``ercfw new``)."""

from ercfw.registry.scaffold.write import new_plugin, new_single_file

__all__ = ["new_plugin", "new_single_file"]
