"""The folders for the cache and for state, and users who have no home folder."""

import logging
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from ercfw.errors import InputError
from ercfw.system.process_setup import set_up_process
from ercfw.system.user_folders import cache_folder, state_folder

FOLDERS = [
    pytest.param(cache_folder, "ERCFW_CACHE", "XDG_CACHE_HOME", ".cache", id="cache"),
    pytest.param(state_folder, "ERCFW_STATE", "XDG_STATE_HOME", ".local/state", id="state"),
]


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in ("ERCFW_CACHE", "XDG_CACHE_HOME", "ERCFW_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["no entry", "no folder", "no name"])
def homeless(request, monkeypatch, tmp_path):
    """A user in a container: a number without an entry in /etc/passwd, or with a home that does not exist."""

    def no_entry(number):
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    if request.param == "no entry":
        monkeypatch.delenv("HOME", raising=False)
    else:
        monkeypatch.setenv("HOME", str(tmp_path / "absent") if request.param == "no folder" else "")


@pytest.mark.parametrize(("folder", "own", "standard", "in_home"), FOLDERS)
def test_the_variable_of_ercfw_comes_before_that_of_the_desktop_and_the_home_folder(
    monkeypatch, tmp_path, folder, own, standard, in_home
):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder() == tmp_path / in_home / "ercfw"
    monkeypatch.setenv(standard, "relative")  # the XDG specification says to ignore it
    assert folder() == tmp_path / in_home / "ercfw"
    monkeypatch.setenv(standard, "/desktop")
    assert folder() == Path("/desktop/ercfw")
    monkeypatch.setenv(own, "~/own")
    assert folder() == tmp_path / "own"


@pytest.mark.parametrize(("folder", "own", "standard", "in_home"), FOLDERS)
def test_without_a_home_folder_the_message_names_the_variable(homeless, monkeypatch, folder, own, standard, in_home):
    with pytest.raises(
        InputError, match=f"{own}: is needed, because this user has no home folder .*set it to a folder"
    ):
        folder()
    monkeypatch.setenv(standard, "/desktop")
    assert folder() == Path("/desktop/ercfw")


def test_matplotlib_does_not_complain_that_it_has_no_home_folder(caplog):
    set_up_process()
    logger = logging.getLogger("matplotlib")
    logger.warning("Matplotlib created a temporary cache directory at %s because there was an issue with %s", "a", "b")
    logger.warning("mkdir -p failed for path %s: %s", "a", "b")
    logger.warning("a colormap has changed")
    assert caplog.messages == ["a colormap has changed"]


@pytest.mark.slow
def test_matplotlib_says_nothing_where_it_cannot_write(tmp_path):
    code = "from ercfw.system.process_setup import set_up_process; set_up_process(); import matplotlib.font_manager"
    (tmp_path / "home").touch()
    environment = {"HOME": str(tmp_path / "home"), "PYTHONPATH": ":".join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "directory" not in ended.stderr
