"""``ercfw reproduce``: the same numbers, or what is not the same."""

import json
import re
from pathlib import Path

import pytest
import torch


@pytest.fixture
def run(cli, tiny_recipe, tmp_path):
    assert cli("run", tiny_recipe(), "train.epochs=2", "--seeds", "7,").code == 0
    return tmp_path / "runs/tiny/base/seed-7"


def test_the_numbers_come_back(cli, run):
    before = (run / "metrics.json").read_bytes()
    ended = cli("reproduce", run, "--json")
    assert ended.code == 0, ended.err
    printed = json.loads(ended.out)
    assert printed["exact"]
    assert printed["differences"] == []
    assert printed["renamed"][0] == 0
    assert printed["renamed"][1] > 10
    assert (run / "metrics.json").read_bytes() == before


def test_it_has_as_many_threads_as_the_first(cli, run):
    path = run / "environment.json"
    environment = json.loads(path.read_text())
    before = torch.get_num_threads()
    path.write_text(json.dumps({**environment, "threads": before + 1}))
    try:
        printed = json.loads(cli("reproduce", run, "--json").out)
        again = json.loads((Path(printed["folder"]) / "environment.json").read_text())
        assert again["threads"] == before + 1
        assert printed["differences"] == []
    finally:
        torch.set_num_threads(before)
    path.write_text(json.dumps({**environment, "threads": 0}))
    cli("reproduce", run).check(2, "environment.json: threads: should be greater than or equal to 1")
    path.write_text(json.dumps({**environment, "threads": 100_000}))  # so many threads would end the process
    cli("reproduce", run).check(2, "environment.json: threads: should be less than or equal to 1024")


def test_other_versions_are_listed(cli, run):
    path = run / "environment.json"
    environment = json.loads(path.read_text())
    environment["libraries"]["torch"] = "1.0"
    environment["plugins"]["mine"] = "0.3"
    path.write_text(json.dumps(environment))
    ended = cli("reproduce", run)
    assert ended.code == 0, ended.err
    assert re.search(r"torch: 1.0 before, [\d.]+\S* now", ended.out)
    assert "plugin mine: 0.3 before, none now" in ended.out


def test_numbers_that_do_not_come_back_end_with_1(cli, run):
    recipe = (run / "recipe.toml").read_text()
    (run / "recipe.toml").write_text(re.sub(r"(?m)^lr = .*", "lr = 0.3", recipe))
    ended = cli("reproduce", run)
    assert ended.code == 1
    assert "the numbers are not the same" in ended.out
    assert "Traceback" not in ended.err


def test_a_score_that_has_become_one_per_class_is_infinitely_far(cli, run):
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["scores"]["test"]["emotion"]["accuracy"] = {"joy": 0.5}
    (run / "metrics.json").write_text(json.dumps(metrics))
    ended = cli("reproduce", run)
    assert ended.code == 1, ended.err
    assert "inf" in ended.out + ended.err


def test_other_data_is_refused(cli, run):
    path = run / "environment.json"
    environment = json.loads(path.read_text())
    environment["data"]["source"] = "MELD, three files"
    environment["data"]["simulated"] = False
    path.write_text(json.dumps(environment))
    cli("reproduce", run).check(2, "cannot be reproduced: its data has changed: MELD, three files; now it is simulated")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "cannot be read"),
        ("{}", "lacks 'python', so ercfw did not write this file"),
        ("[1]", "so ercfw did not write this file"),
        ('{"python": 3}', "python: should be a valid string"),
    ],
)
def test_a_folder_that_no_run_left_like_this(cli, run, content, reason):
    (run / "environment.json").write_text(content)
    cli("reproduce", run).check(2, f"environment.json..{reason}")


def test_a_folder_without_an_environment_cannot_be_reproduced(cli, run):
    (run / "environment.json").unlink()
    cli("reproduce", run).check(2, "environment.json: is missing")


def test_several_runs_are_not_one(cli, run, tiny_recipe):
    assert cli("run", tiny_recipe(), "train.epochs=2", "--seeds", "8,").code == 0
    cli("reproduce", run.parent).check(2, "contains 2 runs")
    cli("reproduce", "nowhere").check(2, "nowhere: is not a folder")
