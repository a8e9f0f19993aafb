"""The page on versions promises what is there."""

import re
from importlib import import_module
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")


def test_every_public_import_path_is_there():
    (row,) = re.findall(r"^\| import paths \| (.*) \|$", PAGE, re.MULTILINE)
    paths = re.findall(r"`([^`]+)`", row)
    assert paths[0] == "ercfw"
    for path in paths:
        assert import_module(path).__doc__, path


def test_names_of_the_code_are_the_code_s():
    for module, name in re.findall(r"`(ercfw)\.([A-Z]\w+)`", PAGE):
        assert name in import_module(module).__all__
    for name in ("deprecated", "experimental", "deprecation"):
        assert callable(getattr(import_module("ercfw.contract.deprecated"), name))


def test_what_the_plugin_for_two_versions_does(tmp_path):
    from ercfw.registry.catalog import construct, load_catalog
    from ercfw.registry.plugin_file import read_plugin_file

    (code,) = re.findall(r'^```python title="two_versions.py"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
    path = tmp_path / "two_versions.py"
    path.write_text(code, encoding="utf-8")
    found = load_catalog([read_plugin_file(path)])
    assert found.warnings == []
    made = construct("fusion", found.find("fusion", "mean", "").factory, ({"text": 4, "audio": 4}, None), {})
    assert made.out_dim == 4
