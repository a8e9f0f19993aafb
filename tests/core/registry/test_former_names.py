"""Formats under the names that they had before ercfw 0.2, when they were called layouts: each works and warns."""

import inspect
import json
import warnings

import pytest
from packaging.version import Version

import ercfw
from ercfw import Dataset, FileFormat
from ercfw.registry.catalog import load_catalog
from ercfw.registry.plugin_file import read_plugin_file
from ercfw.testing import check_part, conformance

GONE = "is deprecated since ercfw 0.2 and will be removed in 0.4: use"
OLD_PLUGIN = '''\
import numpy as np

from ercfw import FileLayout, InputError, Published, hookimpl


class Numbers(FileLayout):
    """One text file, a number a line."""

    slots = ("text",)

    def read(self, path):
        try:
            rows = np.loadtxt(path, np.float32, ndmin=2)  # [U, D]
        except (OSError, ValueError) as error:
            raise InputError.at(path, f"is not of this layout: {error}") from error
        return Published((path,), None, (), {"train": ["a"]}, streams={"text": {"a": rows}})


@hookimpl
def provide_layouts():
    return {"numbers": Numbers}
'''


@pytest.fixture
def old_plugin(plugin_file):
    return plugin_file(OLD_PLUGIN)


def test_the_time_is_not_over():
    """In 0.4, remove both files former_names.py with all that uses them, and this file."""
    assert Version(ercfw.__version__) < Version("0.4.dev0")


def test_an_old_plugin_works_and_warns_once(old_plugin, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        catalog = load_catalog([read_plugin_file(old_plugin)])
    assert catalog.warnings == [f"plugin 'mine': provide_layouts {GONE} provide_formats"]
    component = catalog.find("format", "numbers", "")
    assert issubclass(component.factory, FileFormat)
    (tmp_path / "numbers.txt").write_text("1 2\n3 4\n")
    assert component.factory().read(tmp_path / "numbers.txt").streams["text"]["a"].tolist() == [[1, 2], [3, 4]]


def test_its_author_sees_the_lines(old_plugin):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        load_catalog([read_plugin_file(old_plugin)])
    lines = {str(each.message): (each.filename, each.lineno) for each in caught}
    assert lines == {
        f"ercfw.FileLayout {GONE} ercfw.FileFormat": (str(old_plugin), 3),
        f"provide_layouts {GONE} provide_formats": (str(old_plugin), 19),
    }
    assert len(caught) == 2


def test_a_plugin_for_both_versions_has_no_warning(plugin_file):
    code = OLD_PLUGIN.replace("FileLayout", "FileFormat")
    path = plugin_file(code + "\n\n@hookimpl\ndef provide_formats():\n    return provide_layouts()\n")
    catalog = load_catalog([read_plugin_file(path)])
    assert catalog.warnings == []
    assert catalog.find("format", "numbers", "").plugin == "mine"


def test_the_root_name_is_the_same_class():
    with pytest.warns(DeprecationWarning, match=f"ercfw.FileLayout {GONE} ercfw.FileFormat") as caught:
        assert ercfw.FileLayout is FileFormat
    assert [each.filename for each in caught] == [__file__]
    assert "FileLayout" not in ercfw.__all__


def test_public_layout_sets_public_format():
    with pytest.warns(DeprecationWarning, match=f"Mine.public_layout {GONE} Mine.public_format") as caught:

        class Mine(Dataset):
            public_layout = "sdt"

    assert Mine.public_format == "sdt"
    assert [(each.filename, each.lineno) for each in caught] == [(__file__, inspect.getsourcelines(Mine)[1])]

    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Both(Dataset):
            public_layout, public_format = "old", "sdt"

        class Heir(Mine):
            pass

    assert (Both.public_format, Heir.public_format) == ("sdt", "sdt")


@pytest.mark.parametrize("run", [check_part, conformance])
def test_the_kit_takes_the_former_kind(run, old_plugin):
    with pytest.warns(DeprecationWarning, match="FileLayout"):
        factory = load_catalog([read_plugin_file(old_plugin)]).find("format", "numbers", "").factory
    with pytest.warns(DeprecationWarning, match=f"the kind 'layout' {GONE} 'format'") as caught:
        report = run("layout", factory)
    assert report.part == "format Numbers"
    assert not report.of("failed")
    assert [each.filename for each in caught] == [__file__]


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (("ls", "layout"), "format: cosmic, "),
        (("show", "layout", "sdt"), "format sdt, "),
        (("check", "layout/m3net"), "format M3Net: "),
        (("new", "plugin", "mine", "--kind", "layout", "--single-file"), "mine.py"),
    ],
)
def test_the_command_line_takes_the_former_kind(words, printed, cli):
    result = cli(*words)
    assert (result.code, result.err) == (0, f"warning: the kind 'layout' {GONE} 'format'\n")
    assert printed in result.out


def test_former_names_are_in_no_listing(cli):
    assert "layout" not in json.loads(cli("ls", "--json").out)
    assert "layout" not in cli("data", "export", "--help").out


@pytest.mark.parametrize(
    ("former", "current"),
    [("tell", "data_info"), ("make_conversations", "make_conversations"), ("pack", "pack"), ("DIMS", "DIMS")],
)
def test_fixtures_of_plugin_tests_have_their_former_names(former, current):
    from ercfw.testing import fixtures, material

    with pytest.warns(DeprecationWarning, match=f"material.{former} {GONE} ercfw.testing.fixtures.{current}"):
        assert getattr(material, former) is getattr(fixtures, current)


def test_nothing_else_has_a_former_name_there():
    from ercfw.testing import material

    with pytest.raises(AttributeError, match="has no attribute 'fixture'"):
        material.fixture  # noqa: B018
