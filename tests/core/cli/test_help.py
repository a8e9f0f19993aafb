"""What the command line tells about itself."""

import re

import pytest

from ercfw.system.version import VERSION


def test_the_version(cli):
    ended = cli("--version")
    assert (ended.code, ended.out) == (0, f"ercfw {VERSION}\n")


@pytest.mark.parametrize("words", [(), ("data",), ("new",)])
def test_no_line_of_the_verbs_is_cut_on_a_screen_of_80_columns(cli, words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = cli(*words, "--help").out.partition("Commands:")[2].partition("\n\n")[0].splitlines()
    verbs = [line for line in lines if re.match(r"  \w", line)]
    assert len(verbs) >= 1
    assert len(verbs) == len(list(filter(None, lines))), "each has one line"
    assert not [line for line in verbs if line.endswith("...") or len(line) > 80]
