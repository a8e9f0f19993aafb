"""The numbers of every table are those of ``metrics.json``."""

import json
import re
from statistics import mean, stdev

import pytest
from rich.console import Console

from ercfw.contract.provenance import Provenance
from ercfw.report.tables import run_table, summary_tables
from ercfw.results.run_metrics import RunMetrics


def printed(table):
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(table)
    return console.export_text()


def rows(text):
    """Cells of each line by its first words: two or more blanks part cells."""
    cells = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    return {line[0]: line[1:] for line in cells if len(line) > 1}


def metrics(variant="base", seed=0, shift=0.0, stamps=()):
    def scores(base):
        by_class = {"joy": base + 0.1, "anger, cold": base}
        return {
            "emotion": {"weighted-f1": base + shift, "f1": by_class},
            "sentiment": {"weighted-f1": base / 2, "f1": {"positive": 0.0}},
        }

    return RunMetrics(
        title="T", variant=variant, seed=seed, protocol="dev", stamps=list(stamps), select="emotion.weighted-f1",
        chosen_on="dev", scores={"dev": scores(0.5), "test": scores(0.41234)}, data=Provenance("a table"), sizes={},
        parameters=1, seconds=1.0, folder="runs",
    )  # fmt: skip


def test_the_table_of_a_run():
    found = rows(printed(run_table(metrics(stamps=["SIMULATED"]))))
    assert found["score"] == ["dev", "test"]
    assert found["f1 joy"] == ["60.00", "51.23"]
    assert found["f1 anger, cold"] == ["50.00", "41.23"]
    assert found["weighted-f1"] == ["50.00", "41.23"]
    assert found["sentiment weighted-f1"] == ["25.00", "20.62"]
    assert found["sentiment f1 positive"] == ["0.00", "0.00"]
    assert "seed 0, protocol dev [SIMULATED]" in printed(run_table(metrics(stamps=["SIMULATED"])))


def test_a_split_without_labels_has_no_numbers():
    bare = metrics()
    del bare.scores["test"]["sentiment"]
    assert rows(printed(run_table(bare)))["sentiment weighted-f1"] == ["25.00", "-"]


def test_several_seeds_give_mean_and_deviation():
    shifts = (0.0, 0.02, 0.07)
    results = [metrics("base", seed, shift, ["CHOSEN ON TEST"]) for seed, shift in enumerate(shifts)]
    text = "".join(map(printed, summary_tables([*results, metrics("other")])))
    base, other = rows(text)["base [CHOSEN ON TEST]"], rows(text)["other"]
    values = [50 + 100 * shift for shift in shifts]
    assert base[:2] == ["3", "dev emotion"]
    assert base[2] == f"{mean(values):.2f} ± {stdev(values):.2f}"
    assert other[:3] == ["1", "dev emotion", "50.00"]


@pytest.mark.parametrize("split", ["dev", "test"])
def test_terminal_report_and_json_agree(cli, tiny_recipe, tmp_path, split):
    ended = cli("run", tiny_recipe(), "train.epochs=2")
    folder = tmp_path / "runs/tiny/base/seed-0"
    found = json.loads((folder / "metrics.json").read_text())
    scores = found["scores"][split]["emotion"]
    place = list(found["scores"]).index(split)
    expected = {name: value for name, value in scores.items() if not isinstance(value, dict)}
    in_terminal, report = rows(ended.out), (folder / "report.md").read_text()
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in report.splitlines() if line.startswith("|")
    ]
    in_report = {line[0]: line[1:] for line in lines[: lines.index(["recipe table", "component", "settings"])]}
    for name, value in expected.items():
        assert in_terminal[name][place] == in_report[name][place] == f"{100 * value:.2f}"
    for name, value in scores["f1"].items():
        assert in_terminal[f"f1 {name}"][place] == in_report[name][1 + place] == f"{100 * value:.2f}"


def test_what_a_user_named_is_printed_as_it_is():
    odd = metrics("[b]bold[/b] [/x]", stamps=["SIMULATED"])
    odd.scores["dev"]["emotion"]["f1"] = {"[/x]": 0.5, "a [red]": 0.25}
    one, several = printed(run_table(odd)), "".join(map(printed, summary_tables([odd, odd])))
    assert all(name in one for name in ("[/x]", "a [red]", "[b]bold[/b] [/x]", "[SIMULATED]"))
    assert "[b]bold[/b] [/x]" in several
