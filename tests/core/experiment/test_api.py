"""``ercfw.run``, ``ercfw.compare`` and ``ercfw.write_report``: what the command line does, from Python."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

import ercfw
from ercfw.report.agreement import agreement_record

VARIANT = '[[variant]]\nname = "w/o audio"\nset = { data = { modalities = ["text"] } }\n'
BITS = ("model.safetensors", "predictions.csv", "history.jsonl", "recipe.toml", "key.txt")


def bits(folder):
    """What a run leaves, without times."""
    left = {name: (folder / name).read_bytes() for name in BITS if name != "history.jsonl"}
    metrics = json.loads((folder / "metrics.json").read_text())
    return left, {key: metrics[key] for key in metrics if key not in ("seconds", "peak_memory", "folder")}


def test_runs_are_those_of_the_command(cli, tiny_recipe):
    recipe = tiny_recipe(VARIANT)
    words = ("train.epochs=2", "fusion.use=concat")
    runs = ercfw.run(recipe, *words, variants="all", seeds=[3, 1], out="python")
    assert cli("run", recipe, *words, "--variant", "all", "--seeds", "3,1", "--out", "command").code == 0
    places = [f"tiny/{variant}/seed-{seed}" for variant in ("base", "w-o-audio") for seed in (3, 1)]
    assert [run.folder for run in runs] == [Path("python") / place for place in places]
    for place in places:
        assert bits(Path("python") / place) == bits(Path("command") / place)


def test_tables_and_mappings_are_recipes_and_settings(tiny_recipe):
    path = tiny_recipe()
    tables = tomllib.loads(path.read_text())
    (one,) = ercfw.run(path, "train.lr=0.5", "encoder.default.width=4", out="one")
    settings = {"train.lr": np.float64(0.5), "encoder": {"default": {"width": np.int64(4)}}}
    (other,) = ercfw.run(tables, settings, out=Path("other"))
    assert other.folder == Path("other/tiny/base/seed-0")
    assert bits(one.folder) == bits(other.folder)


def test_simulated_data_is_announced_though_quiet(tiny_recipe, capsys):
    ercfw.run(tiny_recipe())
    stderr = capsys.readouterr().err
    assert "SIMULATED" in stderr
    assert "epoch" not in stderr


def test_one_session_runs_recipes_of_different_precision_and_keeps_its_own(tiny_recipe):
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    mine = Accelerator(cpu=True)
    for precision in ("no", "bf16"):
        (run,) = ercfw.run(tiny_recipe(), f"train.precision={precision}")
        assert run.recipe["train"]["precision"] == precision
    assert mine.mixed_precision == "no"


def test_finished_runs_are_returned_and_not_run_again(tiny_recipe):
    (first,) = ercfw.run(tiny_recipe())
    then = (first.folder / "model.safetensors").stat().st_mtime_ns
    (again,) = ercfw.run(tiny_recipe())
    assert again.metrics.as_json() == json.loads((first.folder / "metrics.json").read_text())
    assert (first.folder / "model.safetensors").stat().st_mtime_ns == then
    ercfw.run(tiny_recipe(), force=True)
    assert (first.folder / "model.safetensors").stat().st_mtime_ns != then


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda recipe: ercfw.run("nope"), "nope: there is no such recipe"),
        (lambda recipe: ercfw.run(5), "recipe: should be a path, a name or a mapping of tables, not int"),
        (lambda recipe: ercfw.run({"title": "x"}), "x.toml: schema: is missing"),
        (lambda recipe: ercfw.run(recipe, "train.lr=-1"), r"tiny.toml: \[train\] lr: should be greater than 0"),
        (lambda recipe: ercfw.run(recipe, {"train.lrr": 1}), r"\[train\] lrr: there is no such key .did you mean 'lr'"),
        (lambda recipe: ercfw.run(recipe, {"train.lr": object()}), "train.lr: a setting cannot be a object"),
        (lambda recipe: ercfw.run(recipe, {1: 2}), "override: has a key that is not a string: 1"),
        (lambda recipe: ercfw.run(recipe, ["train.lr=1"]), "should be a string or a mapping, not list"),
        (lambda recipe: ercfw.run(recipe, variants="nope"), "there is no variant named 'nope'"),
        (lambda recipe: ercfw.run(recipe, drop="train.nope"), "there is no 'train.nope' to drop"),
        (lambda recipe: ercfw.run(recipe, seeds=0), "seeds: 0 is neither a number of seeds nor a list"),
        (lambda recipe: ercfw.run(recipe, seeds=[1, 1]), r"seeds: \[1, 1\] is neither a number of seeds nor a list"),
        (lambda recipe: ercfw.run(recipe, seeds="3"), "seeds: '3' is neither a number of seeds nor a list"),
        (
            lambda recipe: ercfw.run(recipe, seeds=2023),
            r"seeds: 2023 means 2023 seeds .for the seed 2023 alone, use \[2023\]",
        ),
        (lambda recipe: ercfw.run(recipe, resume=True, force=True), "resume and force: one continues"),
        (lambda recipe: ercfw.run(recipe, out=recipe), "out .*: .* is not a folder that can be written to"),
        (lambda recipe: ercfw.compare(), "runs: is empty"),
        (lambda recipe: ercfw.compare([1]), r"runs: should be a finished run or a folder, not list .compare\(\*runs\)"),
        (lambda recipe: ercfw.compare("a", "b", split="train"), "split: there is no split 'train'"),
        (lambda recipe: ercfw.write_report("nowhere"), "nowhere: is not a folder"),
    ],
)
def test_mistakes_are_input_errors(call, message, tiny_recipe):
    with pytest.raises(ercfw.InputError, match=message):
        call(tiny_recipe())
    assert not Path("runs").exists()


@pytest.mark.slow
def test_a_comparison_is_that_of_the_command(cli, runs):
    found = ercfw.compare(runs / "base", str(runs / "w-o-audio"))
    printed = json.loads(cli("compare", runs / "base", runs / "w-o-audio", "--json").out)
    assert [table.title for table in found.tables] == [table["title"] for table in printed["tables"]]
    assert [line.name for line in found.tables[0].lines] == [line["name"] for line in printed["tables"][0]["lines"]]
    for ours, theirs in zip(found.tables[0].lines, printed["tables"][0]["lines"], strict=True):
        assert [cell and cell.mean for cell in ours.cells] == [cell and cell["mean"] for cell in theirs["cells"]]
    assert list(map(agreement_record, found.pairs)) == printed["pairs"]
    found.write("paper")
    assert sorted(path.name for path in Path("paper").iterdir()) == [
        "comparison.csv", "comparison.md", "comparison.tex", "utterances.csv",
    ]  # fmt: skip


def test_finished_runs_are_compared_by_variant(runs):
    groups = [ercfw.compare(runs / "base", runs / "w-o-audio").groups[n] for n in (0, 1)]
    found = ercfw.compare(*(run for group in groups for run in group.runs))
    assert [line.seeds for line in found.tables[0].lines if not line.is_quoted] == [3, 3]


def test_notebooks_show_runs_and_tables_with_their_stamps_and_nothing_unescaped(runs):
    found = ercfw.compare(runs / "base", runs / "w-o-audio")
    run = found.groups[0].first
    for shown in (run._repr_html_(), found._repr_html_()):
        assert "SIMULATED" in shown
        assert "Tiny &amp; small_" in shown
        assert shown.count("<table>") == shown.count("</table>") == 1
    score = run.metrics.scores["test"]["emotion"]["weighted-f1"]
    assert f"<td>{100 * score:.2f}</td>" in run._repr_html_()
    assert repr(run).startswith("<FinishedRun Tiny & small_ [SIMULATED], base, seed 0, emotion.weighted-f1 ")
    assert repr(run).endswith(f" on test, in {run.folder}>")
    assert "<td>w/o audio</td>" in found._repr_html_()


@pytest.mark.slow
def test_the_page_is_that_of_the_command(cli, runs):
    path = ercfw.write_report(runs / "base", runs / "w-o-audio", out="python.html", pictures="pictures")
    assert path == Path("python.html")
    assert list(Path("pictures").glob("*.svg"))
    assert cli("report", runs / "base", runs / "w-o-audio", "--out", "command.html").code == 0
    assert Path("python.html").read_text() == Path("command.html").read_text()


def test_an_interrupt_reaches_python_as_keyboard_interrupt(monkeypatch, tiny_recipe):
    from ercfw.system.signals import Stopped

    def interrupted(*_):
        raise Stopped

    monkeypatch.setattr("ercfw.experiment.api.run_jobs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ercfw.run(tiny_recipe())


@pytest.mark.slow
def test_an_ablation_is_that_of_the_command_and_reports_failures(cli, tiny_recipe):
    breaks = '[[variant]]\nname = "breaks"\nset = { train = { lr = 1e38, clip = 1e38 } }\n'
    found = ercfw.ablate(tiny_recipe(VARIANT + breaks), "run.workers=2", seeds=1)
    assert set(found.failures) == {"breaks, seed 0"}
    assert [group.name for group in found.groups] == ["base", "w/o audio"]
    assert [path.name for path in found.files] == ["ablation.md", "ablation.tex", "ablation.csv"]
    before = Path("runs/tiny/ablation.csv").read_bytes()
    assert cli("ablate", tiny_recipe(VARIANT + breaks), "--seeds", "1").code == 1
    strip = [line.split(b",")[:7] for line in before.splitlines()]
    assert [line.split(b",")[:7] for line in Path("runs/tiny/ablation.csv").read_bytes().splitlines()] == strip
