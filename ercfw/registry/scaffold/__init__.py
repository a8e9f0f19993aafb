"""``ercfw new``: writes a plugin to start from, with tests that pass."""

from ercfw.registry.scaffold.write import new_plugin, new_single_file

__all__ = ["new_plugin", "new_single_file"]
