"""What is there but cannot be reached ends a command with one message; nothing else is taken in its place."""

import os
from pathlib import Path

import pytest

from ercfw.errors import InputError
from ercfw.system.files import is_file, is_folder, is_there
from ercfw_datasets.meld import Meld


def test_a_link_that_leads_nowhere_is_not_nothing(tmp_path):
    (tmp_path / "link").symlink_to("/not/mounted")
    for check in (is_file, is_folder, is_there):
        for place in (tmp_path / "link", tmp_path / "link" / "meld"):
            with pytest.raises(InputError, match=r"link: is a link to /not/mounted, .* \(is its disk mounted\?\)"):
                check(place)
        assert not check(tmp_path / "nothing")
        assert not check(tmp_path / ("x" * 300))
        assert not check(Path("a\0b"))


def test_links_in_a_circle(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for check in (is_file, is_folder, is_there):
        with pytest.raises(InputError, match="a: cannot be read: Too many levels of symbolic links"):
            check(tmp_path / "a")


def test_a_folder_without_permission(tmp_path, monkeypatch):
    (tmp_path / "mount").mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)  # the superuser may read everything
    with pytest.raises(InputError, match="mount: cannot be read: Permission denied"):
        is_folder(tmp_path / "mount")


def test_what_lies_behind_a_folder_without_permission(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    for check in (is_file, is_folder, is_there):
        with pytest.raises(InputError, match="meld: cannot be read: Permission denied"):
            check(tmp_path / "mount" / "meld")


@pytest.mark.parametrize("target", ["/not/mounted", "meld"])
def test_no_corpus_is_simulated_in_place_of_one_that_cannot_be_reached(cli, target):
    Path("data").mkdir()
    Path("data/meld").symlink_to(target)
    ended = cli("run", "meld_text", "train.epochs=1", "--quiet")
    assert (ended.code, len(ended.errors)) == (2, 1)
    assert "data/meld" in ended.errors[0]
    assert not Path("runs").exists()


def test_no_corpus_is_simulated_in_place_of_a_file():
    Path("data").mkdir()
    Path("data/meld").write_text("MELD.Raw.tar.gz")
    with pytest.raises(InputError, match=r"data/meld: is a file \(replace it with the folder of MELD's files"):
        Meld()


def test_an_output_folder_behind_a_link_that_leads_nowhere(cli, tiny_recipe):
    Path("runs").symlink_to("/not/mounted/runs")
    ended = cli("run", tiny_recipe())
    assert ended.code == 2
    assert "runs: is a link to /not/mounted/runs, which does not exist" in ended.err
