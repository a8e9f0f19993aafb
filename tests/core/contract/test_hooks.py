"""The example in the docstring of each hook works as it stands: it is written to a plugin file, loaded and used."""

import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from ercfw import Quoted
from ercfw.contract import hooks
from ercfw.registry.catalog import KINDS, RENAMED_HOOKS, load_catalog
from ercfw.registry.plugin_file import read_plugin_file
from ercfw.results.comparison.reported_scores import find_quoted
from ercfw.testing import check_part

SPECIFIED = {name: value.ercfw_spec for name, value in vars(hooks).items() if hasattr(value, "ercfw_spec")}
HOOKS = [name for name, spec in SPECIFIED.items() if spec["warn_on_impl"] is None]
PARTS = {hook: kind for kind, (hook, _) in KINDS.items()}
PLUGIN = 'plugins = ["./mine.py"]\n'


@pytest.fixture
def example(plugin_file):
    """``example("run_finished")``: the plugin file of that hook's docstring."""

    def write(hook: str) -> Path:
        found = re.findall(r"^```python\n(.*?)^```$", inspect.getdoc(getattr(hooks, hook)), re.MULTILINE | re.DOTALL)
        assert len(found) == 1, f"{hook} has {len(found)} examples"
        return plugin_file(found[0])

    return write


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_one_example_that_implements_it(hook, example):
    (plugin,) = load_catalog([read_plugin_file(example(hook))]).plugins[-1:]
    assert plugin.failure is None
    (module,) = plugin.manager.get_plugins()
    assert [caller.name for caller in plugin.manager.get_hookcallers(module)] == [hook]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_says_when_where_with_what_and_what_an_exception_does(hook):
    said = inspect.getdoc(getattr(hooks, hook))
    assert "exception" in said
    assert "process" in said
    taken = inspect.signature(getattr(hooks, hook)).parameters
    assert all(f"\n    {name}: " in said for name in taken)
    assert taken or "Called without arguments" in said or "When: " in said


def test_every_deprecated_hook_is_a_former_name_of_a_current_one():
    assert RENAMED_HOOKS.keys() == SPECIFIED.keys() - set(HOOKS)
    assert RENAMED_HOOKS.keys() <= set(hooks.__all__)
    for old, new in RENAMED_HOOKS.items():
        assert new in HOOKS
        assert f"``{new}``" in inspect.getdoc(getattr(hooks, old))


@pytest.mark.parametrize("hook", PARTS)
def test_the_part_of_an_example_keeps_the_promises_of_its_kind(hook, example):
    plugin = load_catalog([read_plugin_file(example(hook))]).plugins[-1]
    (component,) = plugin.components
    assert component.kind == PARTS[hook]
    report = check_part(component.kind, component.factory)
    assert not report.of("failed"), report
    assert report.of("passed")


def test_the_format_of_the_example_reads_its_file(example, tmp_path):
    (component,) = load_catalog([read_plugin_file(example("provide_formats"))]).plugins[-1].components
    path = tmp_path / "numbers.json"
    held = {"classes": ["sad", "glad"], "lists": {"train": ["a"], "test": []}, "labels": {"a": [0, 1]},
            "text": {"a": [[1, 2], [3, 4]]}}  # fmt: skip
    path.write_text(json.dumps(held))
    found = component.factory().read(path)
    assert (found.classes, found.labels) == (("sad", "glad"), {"a": [0, 1]})
    assert np.array_equal(found.streams["text"]["a"], [[1, 2], [3, 4]])


def test_the_command_of_the_example_runs(example, tmp_path):
    app = typer.Typer()
    app.command("another")(lambda: None)  # an app of one command takes no name
    assert load_catalog([read_plugin_file(example("add_commands"))]).call("add_commands", app=app) == []
    for run in ("one", "two"):
        (tmp_path / "left" / run).mkdir(parents=True)
        (tmp_path / "left" / run / "metrics.json").touch()
    ended = CliRunner().invoke(app, ["count-runs", "--folder", "left"])
    assert (ended.exit_code, ended.output) == (0, "2\n")


@pytest.fixture
def run_with(example, cli, tiny_recipe):
    """``run_with("epoch_finished", "train.epochs=2")``: the folder of a run with the example of that hook."""

    def run(hook: str, *overrides: str) -> Path:
        example(hook)
        ended = cli("run", tiny_recipe(top=PLUGIN), *overrides, "--json")
        assert ended.code == 0, ended
        assert "failed" not in ended.err
        return Path(json.loads(ended.out)[0]["folder"])

    return run


def test_the_example_of_epoch_finished_writes_each_epoch(run_with):
    folder = run_with("epoch_finished", "train.epochs=2")
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    wanted = [f"{line['epoch']} {line['train_loss']['cross-entropy']:.4f}" for line in history]
    assert (folder / "losses.txt").read_text().splitlines() == wanted
    assert len(wanted) == 2


def test_the_example_of_run_finished_writes_the_score(run_with):
    folder = run_with("run_finished")
    metrics = json.loads((folder / "metrics.json").read_text())
    score = metrics["scores"]["test"]["emotion"]["weighted-f1"]
    assert (folder / "headline.txt").read_text() == f"base, seed 0: {score:.4f}"


KEEPS = """
import json
from ercfw import hookimpl

@hookimpl
def epoch_finished(folder, epoch):
    with (folder / "epochs.jsonl").open("a") as file:
        file.write(json.dumps(epoch) + "\\n")

@hookimpl
def run_finished(folder, metrics):
    (folder / "handed.json").write_text(json.dumps([metrics, json.loads((folder / "metrics.json").read_text())]))
"""


def test_payloads_are_what_the_docstrings_list(plugin_file, cli, tiny_recipe):
    plugin_file(KEEPS)
    ended = cli("run", tiny_recipe(top=PLUGIN), "train.epochs=2", "--json")
    folder = Path(json.loads(ended.out)[0]["folder"])
    epochs = [json.loads(line) for line in (folder / "epochs.jsonl").read_text().splitlines()]
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    during = [key for key in hooks.Epoch.__annotations__ if key in hooks.Epoch.__required_keys__]
    assert [list(epoch) for epoch in epochs] == [during] * 2
    assert epochs == [{key: line[key] for key in during} for line in history]
    said = inspect.getdoc(hooks.Epoch)
    assert all(f"\n    {key}: " in said for key in hooks.Epoch.__annotations__)
    handed, written = json.loads((folder / "handed.json").read_text())
    assert handed == written
    keys = re.findall(r"``([a-z_]+)``", inspect.getdoc(hooks.run_finished).split("main keys:")[1].split("```python")[0])
    assert len(keys) > 15
    assert set(keys) <= set(written)


def test_an_exception_in_an_event_is_a_warning_and_the_run_finishes(plugin_file, cli, tiny_recipe):
    plugin_file(
        "from ercfw import hookimpl\n"
        "@hookimpl\ndef epoch_finished(folder, epoch):\n    epoch['nothing']\n"
        "@hookimpl\ndef run_finished(folder, metrics):\n    1 / 0\n"
    )
    ended = cli("run", tiny_recipe(top=PLUGIN), "--json")
    assert ended.code == 0
    assert "warning: plugin 'mine': epoch_finished failed: KeyError" in ended.err
    assert "warning: plugin 'mine': run_finished failed: ZeroDivisionError" in ended.err
    assert (Path(json.loads(ended.out)[0]["folder"]) / "metrics.json").is_file()


def test_the_example_of_quote_scores_is_found(example):
    quoted, failures = find_quoted(load_catalog([read_plugin_file(example("quote_scores"))]))
    assert failures == []
    assert [each.source for each in quoted if isinstance(each, Quoted)][-1] == "Somebody (2024), table 2"


def test_an_exception_in_quote_scores_leaves_the_others(plugin_file):
    path = plugin_file("from ercfw import hookimpl\n@hookimpl\ndef quote_scores():\n    1 / 0\n")
    quoted, failures = find_quoted(load_catalog([read_plugin_file(path)]))
    assert [failure.split(": ")[:2] for failure in failures] == [["plugin 'mine'", "quote_scores failed"]]
    assert quoted
