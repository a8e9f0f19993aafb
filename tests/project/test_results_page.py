"""The tables of results are those of the runs, and each has its place on a page."""

import importlib.util
import json
import re
from pathlib import Path
from statistics import mean, stdev

import pytest

from ercfw.errors import InputError
from ercfw.recipe.shipped import shipped_recipes

CHECKOUT = Path(__file__).resolve().parents[2]
CHOSEN, OTHER = "weighted-f1", "macro-f1"


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("results_page", CHECKOUT / "docs" / "results_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def runs(tiny_recipe, cli, once, tmp_path):
    """Two variants with two seeds each, on simulated conversations."""

    def make():
        recipe = tiny_recipe()
        assert cli("run", recipe, "--seeds", "2", "train.epochs=2").code == 0
        assert cli("run", recipe, "--seeds", "2", "train.epochs=1", "--name", "short").code == 0

    once(make)
    return tmp_path / "runs"


def read_scores(folder, split, metric):
    metrics = [json.loads(path.read_text()) for path in sorted(folder.glob("seed-*/metrics.json"))]
    scores = [100 * each["scores"][split]["emotion"][metric] for each in metrics]
    return f"{mean(scores):.2f} ± {stdev(scores):.2f}"


def test_a_table_holds_the_scores_of_the_runs(page, runs):
    part = page.Part("Tiny", {"long": "tiny/base", "short one": "tiny/short"}, "emotion", [CHOSEN, OTHER])
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.table_of([part], runs)]
    assert header == ["Corpus", "Model", "Seeds", CHOSEN, OTHER, f"{CHOSEN} on dev", "Difference [95 %], p", "Minutes"]
    assert [row[:3] for row in rows] == [["Tiny", "long", "2"], ["", "short one", "2"]]
    for row, folder in zip(rows, (runs / "tiny/base", runs / "tiny/short"), strict=True):
        scores = [read_scores(folder, *which) for which in (("test", CHOSEN), ("test", OTHER), ("dev", CHOSEN))]
        assert row[3:6] == scores
    assert rows[0][6] == "-"
    value = float(re.match(r"[+-][\d.]+", rows[1][6])[0])
    expected = [float(read_scores(runs / "tiny" / name, "test", CHOSEN).split()[0]) for name in ("short", "base")]
    assert value == pytest.approx(expected[0] - expected[1], abs=0.011)


def test_a_table_replaces_only_what_is_in_its_place(page):
    text = "before\n<!-- results: one -->\n| old |\n<!-- end -->\nbetween\n<!-- results: two -->\n<!-- end -->\n"
    filled = page.fill(text, "one", ["| a |", "|---|"])
    assert filled == text.replace("| old |\n", "\n| a |\n|---|\n\n")
    assert page.fill(filled, "one", ["| a |", "|---|"]) == filled
    assert page.fill(filled, "three", ["| b |"]) == filled


def test_runs_that_are_missing_or_of_several_variants_are_refused(page, runs):
    for folder, why in (("tiny/none", "none"), ("tiny", "holds the runs of 2 variants")):
        part = page.Part("Tiny", {"a": "tiny/base", "b": folder}, "emotion", [CHOSEN])
        with pytest.raises(InputError, match=why):
            page.table_of([part], runs)


def test_every_table_has_its_place_and_every_line_a_recipe(page):
    parts = page.read_parts(page.SETTINGS)
    places = [name for path in page.PAGES for name in re.findall("<!-- results: (.*) -->", path.read_text())]
    assert sorted(set(places)) == sorted(parts)
    folders = [folder for table in parts.values() for part in table for folder in part.lines.values()]
    assert {folder.split("/")[0] for folder in folders} <= set(shipped_recipes())
