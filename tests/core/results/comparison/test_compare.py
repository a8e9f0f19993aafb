"""``ercfw compare``: what it refuses, what it says, and that its numbers are those of the runs."""

import csv
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pytest

from ercfw import Quoted
from ercfw.contract.metric import SHARE
from ercfw.report.latex_table import as_latex
from ercfw.results.comparison.agreement import pair_agreements, share_right
from ercfw.results.comparison.estimates import Estimate
from ercfw.results.comparison.make_table import _column, make_table
from ercfw.results.comparison.reported_scores import with_quoted
from ercfw.results.comparison.significance import SampledScore, mean_scores
from ercfw.results.finished_run import find_groups


def scores(runs, variant):
    found = [json.loads((runs / variant / f"seed-{seed}" / "metrics.json").read_text()) for seed in range(3)]
    return [each["scores"]["test"]["emotion"] for each in found]


def test_a_table_has_the_means_and_deviations_of_metrics_json(cli, runs):
    ended = cli("compare", runs / "base", runs / "w-o-audio", "--json")
    assert ended.code == 0, ended.err
    (table,) = json.loads(ended.out)["tables"]
    for line, variant in zip(table["lines"], ("base", "w-o-audio"), strict=True):
        expected = scores(runs, variant)
        by_column = dict(zip([*table["classes"], *table["metrics"]], line["cells"], strict=True))
        assert by_column["weighted-f1"]["mean"] == pytest.approx(mean(e["weighted-f1"] for e in expected))
        assert by_column["accuracy"]["deviation"] == pytest.approx(stdev(e["accuracy"] for e in expected))
        assert by_column["neutral"]["mean"] == pytest.approx(mean(e["f1"]["neutral"] for e in expected))
        assert line["seeds"] == 3
        assert line["megabytes"] > 50
    assert table["metrics"][0] == "weighted-f1"
    difference = table["lines"][1]["difference"]
    means = [line["cells"][len(table["classes"])]["mean"] for line in table["lines"]]
    assert difference["value"] == pytest.approx(means[1] - means[0])
    assert difference["low"] <= difference["value"] <= difference["high"]


def test_files_for_papers(cli, runs, tmp_path):
    ended = cli("compare", runs / "base", runs / "w-o-audio", "--out", "paper")
    assert ended.code == 0, ended.err
    assert "SIMULATED" in ended.out
    written = {path.name: path.read_text() for path in (tmp_path / "paper").iterdir()}
    assert set(written) == {"comparison.md", "comparison.tex", "comparison.csv", "utterances.csv"}
    assert all("SIMULATED" in text for text in written.values())
    check_latex(written["comparison.tex"])
    rows = list(csv.DictReader(written["comparison.csv"].splitlines()))
    assert {row["line"] for row in rows} == {"base", "w/o audio"}
    utterances = list(csv.DictReader(written["utterances.csv"].splitlines()))
    right = [float(row["base"]) for row in utterances]
    assert mean(right) == pytest.approx(mean(each["accuracy"] for each in scores(runs, "base")), abs=1e-5)


def check_latex(text):
    """Check its form: environments that close, rows of as many cells as columns, no sign that TeX takes for its own."""
    text = "".join(line + "\n" for line in text.splitlines() if not line.startswith("%"))
    begins, ends = re.findall(r"\\begin{(.+?)}", text), re.findall(r"\\end{(.+?)}", text)
    assert begins == ["table*", "tabularx"] * 2
    assert ends == ["tabularx", "table*"] * 2
    assert len(set(re.findall(r"\\label{(tab:[a-z0-9-]+)}", text))) == 2
    for tabular in re.findall(r"\\begin{tabularx}.*?\\end{tabularx}", text, re.DOTALL):
        form = re.search(r"{@{}>{.*?}X(.*)@{}}", tabular)[1]
        rows = [line for line in tabular.splitlines() if line.endswith(r"\\")]
        assert len(rows) == 3
        assert {len(re.split(r"(?<!\\)&", row)) for row in rows} == {1 + len(re.sub(r"\[.*?\]", "", form))}
        rules = [line for line in tabular.splitlines() if line.endswith("rule")]
        assert rules == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert r"Tiny \& small\_" in text
    assert not re.search(r"(?<!\\)[%#_]", text)
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX on this machine: make latex")
@pytest.mark.parametrize("words", [(), ("--columns", "weighted-f1")])
def test_latex_compiles_and_fits_an_article_of_two_columns(cli, runs, words):
    assert cli("compare", runs / "base", runs / "w-o-audio", "--out", "paper", *words).code == 0
    tables = Path("paper/comparison.tex").read_text()
    preamble = "".join(line.removeprefix("% ") + "\n" for line in tables.splitlines() if line.startswith("% \\"))
    body = "\\documentclass[twocolumn]{article}\n" + preamble + "\\begin{document}\n" + tables + "\\end{document}\n"
    Path("article.tex").write_text(body)
    ended = subprocess.run(["pdflatex", "-interaction=nonstopmode", "article.tex"], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-2000:]
    assert "Overfull" not in ended.stdout
    assert ended.stdout.count("Warning: ") == ended.stdout.count("Label(s) may have changed")


def test_columns_are_chosen_and_lines_renamed(cli, runs):
    words = ("compare", runs / "base", runs / "w-o-audio")
    ended = cli(*words, "--columns", "neutral, weighted-f1", "--name", "w/o audio=Text only", "--json")
    table = json.loads(ended.out)["tables"][0]
    assert (table["classes"], table["metrics"]) == (["neutral"], ["weighted-f1"])
    assert [line["name"] for line in table["lines"]] == ["base", "Text only"]
    cli(*words, "--columns", "weighted").check(2, "columns: there is no column 'weighted'..weighted-f1")
    cli(*words, "--name", "w/o audoi=x").check(2, "names: there is no line 'w/o audoi'..did you mean 'w/o audio'?")
    cli(*words, "--name", "w/o audio=base").check(2, "names: two lines would be named 'base'")
    cli(*words, "--columns", "accuracy", "--side-by-side").check(
        2, "columns: a table side by side has a column per recipe"
    )
    cli(*words, "--name", "x").check(2, "--name: 'x' is not of the form LINE=NAME")
    without = json.loads(cli(*words, "--columns", "accuracy", "--json").out)["tables"][0]
    assert [line["difference"] for line in without["lines"]] == [None, None]
    assert not any(note.startswith("Difference") for note in without["meaning"])


def groups_of(runs, *seeds):
    """The first seeds of ``base`` and of ``w/o audio``."""
    groups = find_groups([runs / "base", runs / "w-o-audio"])
    return [replace(group, runs=group.runs[:count]) for group, count in zip(groups, seeds, strict=False)]


def test_few_seeds_get_a_warning_or_no_interval(runs):
    three, two, one = (make_table(groups_of(runs, 3, seeds), "test", "emotion") for seeds in (3, 2, 1))
    selected = len(three.classes)
    assert three.lines[1].difference is not None
    assert "Two seeds only, so the intervals are rough: w/o audio." in two.meaning
    assert two.lines[1].difference is not None
    assert one.lines[1].difference is None
    assert one.lines[1].cells[selected].interval is None
    assert "Rows with one seed have no interval and are not tested: w/o audio." in one.meaning
    assert one.lines[0].cells[selected].interval is not None
    alone = make_table(groups_of(runs, 3), "test", "emotion")
    assert alone.lines[0].cells[selected].interval is not None
    assert not any(cell.is_best for cell in alone.lines[0].cells)
    assert "significant" not in " ".join(alone.meaning)


def test_a_class_without_utterances_gets_a_note(runs):
    groups = groups_of(runs, 2, 2)
    table = make_table(groups, "test", "emotion")
    with (groups[0].first.folder / "predictions.csv").open() as file:
        true = {row["emotion"] for row in csv.DictReader(file) if row["split"] == "test"}
    absent = [name for name in table.classes if name not in true]
    assert len(absent) == 2
    assert table.notes == [f"No utterance of test has these classes, so their F1 is 0: {', '.join(absent)}."]


def test_many_rows_are_one_table_that_warns_of_its_many_comparisons(runs):
    one, other = groups_of(runs, 2, 2)
    table = make_table([one, *(replace(other, name=f"w/o {number}") for number in range(29))], "test", "emotion")
    assert table.difference_notes[-1].startswith("These are 29 comparisons, so only large differences are significant")
    few = make_table([one, other], "test", "emotion")
    widths = [each.lines[1].difference.high - each.lines[1].difference.low for each in (table, few)]
    assert widths[0] > 1.3 * widths[1]
    assert "comparisons" not in " ".join(few.difference_notes)
    assert len(as_latex(table).splitlines()) > 60


def test_bold_is_what_nothing_exceeds_if_it_is_at_most_half_of_a_column_and_never_a_score_of_zero():
    rng = np.random.default_rng(0)
    values = [[0.5, 0.51, 0.52], [0.0, 0.0, 0.0], [0.49, 0.5, 0.5], [0.1, 0.1, 0.1]]

    def cells(scores):
        column = [score + rng.normal(0, 1e-9, 3) for score in map(np.array, scores)]
        samples = [SampledScore(each, np.full(100, each.mean()), 30) for each in column]
        return _column(scores, Estimate(range(len(scores)), mean_scores(samples)), SHARE)

    assert [cell.is_best for cell in cells(values)] == [True, False, True, False]
    assert not any(cell.is_best for cell in cells(values[:3]))
    assert not any(cell.is_best for cell in cells([values[0], values[2], values[2]]))
    assert not any(cell.is_best for cell in cells([[0.0] * 3, [0.0] * 3, [0.0] * 3]))
    wide = [[0.0, 0.0, 0.0], [0.2, 0.21, 0.2], [0.0, 0.1, 0.4]]
    assert [cell.is_best for cell in cells(wide)] == [False, False, False]


def test_pairs_count_every_labelled_utterance_once(runs):
    groups = find_groups([runs / "base", runs / "w-o-audio"])
    (pair,) = pair_agreements(groups, "test", "emotion")
    assert pair.both + pair.only_first + pair.only_second + pair.neither == len(
        share_right(groups[0], "test", "emotion")
    )
    assert (pair.first, pair.second) == ("base", "w/o audio")
    (same,) = pair_agreements(
        [groups[0], find_groups([runs / "base" / "seed-0", runs / "release"])[1]], "test", "emotion"
    )
    assert same.only_first + same.only_second > 0


@pytest.mark.parametrize(
    ("other", "reported"),
    [("release", "protocol release, but .. has dev"), ("others", "was scored on other utterances, labels or classes")],
)
def test_what_cannot_be_compared_is_refused_unless_asked_for(cli, runs, other, reported):
    cli("compare", runs / "base", runs / other).check(2, f"{runs / other}..{reported}..--side-by-side")
    ended = cli("compare", runs / "base", runs / "w-o-audio", runs / other, "--side-by-side")
    assert ended.code == 0, ended.err
    assert "not across columns" in ended.out
    tables = json.loads(cli("compare", runs / "base", runs / other, "--side-by-side", "--json").out)["tables"]
    assert cli("compare", runs / "base", runs / other, "--side-by-side", "--out", "apart").code == 0
    text = Path("apart/comparison.tex").read_text()
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {row.count(" & ") for row in rows} == {2}
    assert "parameters" not in Path("apart/comparison.md").read_text()
    headings = tables[0]["metrics"]
    assert headings[0] == "Tiny & small_ (dev): weighted-f1"
    assert headings[1].startswith("Tiny & small_ (release)" if other == "release" else "Tiny & small_ (dev), ")
    assert [[cell is None for cell in line["cells"]] for line in tables[0]["lines"]] == [[False, True], [True, False]]


def test_one_variant_run_twice_has_two_columns(cli, runs, tmp_path):
    shutil.copytree(runs / "base", tmp_path / "again" / "base")
    ended = cli("compare", runs / "base", "again/base", "--side-by-side", "--json")
    (table,) = json.loads(ended.out)["tables"]
    assert len(table["metrics"]) == 2
    assert [line["name"] for line in table["lines"]] == ["base"]
    assert all(table["lines"][0]["cells"])


def test_a_folder_of_nothing_and_a_wrong_name(cli, runs, tmp_path):
    (tmp_path / "empty").mkdir()
    cli("compare", "empty", runs).check(2, "empty: holds no finished run")
    cli("compare", runs / "bas", runs).check(2, f"{runs / 'bas'}: is not a folder..base")
    cli("compare", runs / "base").check(2, "holds the runs of one variant only")


def quote(**changes):
    about = {"dataset": "simulated", "target": "emotion", "utterances": 10, "protocol": "dev"}
    return Quoted("A paper, table 9", scores={"Theirs": {"weighted-f1": 61.5, "neutral": 70.0}}, **{**about, **changes})


def test_quoted_numbers_stand_only_where_data_and_protocol_allow(runs):
    groups = find_groups([runs / "base"])
    table, run = make_table(groups, "test", "emotion"), groups[0].first
    labels = run.metrics.size("test").labels
    assert with_quoted(table, [run], [quote(utterances=labels)]) == table  # never beside simulated data
    real = run.metrics.model_copy(update={"data": replace(run.metrics.data, simulated=False)})
    run = replace(run, metrics=real)
    beside = with_quoted(table, [run], [quote(utterances=labels)])
    assert [line.name for line in beside.lines] == ["Theirs (quoted)", "base"]
    assert beside.lines[0].is_quoted
    assert beside.lines[0].cells[len(table.classes)].mean == 0.615
    assert "Quoted from A paper, table 9" in beside.notes[-1]
    for other, why in (({"protocol": "release"}, "protocol release"), ({"utterances": 3}, "cover 3 utterances")):
        refused = with_quoted(table, [run], [quote(**{"utterances": labels, **other})])
        assert refused.lines == table.lines
        assert why in refused.left_out[-1]
        assert why in " ".join(refused.all_notes)
        assert why not in as_latex(refused)
    assert with_quoted(table, [run], [quote(dataset="meld", utterances=labels)]) == table


def test_the_paper_s_numbers_are_read_as_printed():
    from ercfw_multiemo.reported import REPORTED

    iemocap, meld = REPORTED
    assert iemocap.scores["MultiEMO"] == {
        "happiness": 65.77,
        "sadness": 85.49,
        "neutral": 67.08,
        "anger": 69.88,
        "excitement": 77.31,
        "frustration": 70.98,
        "weighted-f1": 72.84,
    }
    assert meld.scores["MultiEMO w/o SWFC loss"]["weighted-f1"] == 63.83
    assert meld.scores["UniMSE"] == {"weighted-f1": 65.51}
    assert len(iemocap.scores) == len(meld.scores) == 12
