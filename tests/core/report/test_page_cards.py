"""The cards at the top of a page: main scores with their interval and what they are held against."""

import json
import re
import shutil

import numpy as np
import pytest

from ercfw.results.finished_run import open_run

from .conftest import text_of


def cards_of(path):
    """The cards of a page: their names, and all of their text."""
    listed = text_of(path).split('<ul class="cards">')[1].split("</ul>")[0]
    cards = re.findall(r"<li>(.*?) <strong>(.*?)</strong>(.*?)</li>", listed, re.DOTALL)
    notes = [re.findall(r"<span>(.*?)</span> <span>(.*?)</span>", rest) for _, _, rest in cards]
    return {name: (value, dict(of_card)) for (name, value, _), of_card in zip(cards, notes, strict=True)}


def test_the_cards_have_intervals_and_controls(cli, mine, tmp_path):
    linear = shutil.copytree(mine / "w-o-audio", mine / "linear-classifier")
    for metrics in linear.glob("*/metrics.json"):
        metrics.write_text(text_of(metrics).replace("w/o audio", "linear classifier"))
    page = tmp_path / "page.html"
    assert cli("report", mine / "base" / "seed-0", "--out", page).code == 0
    for value, notes in cards_of(page).values():
        assert set(notes) == {"95 % interval", "linear classifier", "majority class", "dev"}
        low, high = map(float, notes["95 % interval"].split(" to "))
        assert 0 <= low <= float(value) <= high <= 100
    assert cli("report", mine / "base", "--out", page).code == 0
    value, notes = cards_of(page)["accuracy, test"]
    assert notes["seeds"] == "3"
    rows = open_run(mine / "base" / "seed-0").answers("test", "emotion")
    train = open_run(mine / "base" / "seed-0").info.targets["emotion"].counts
    assert float(notes["majority class"]) == pytest.approx(100 * (rows.labels == np.argmax(train)).mean(), abs=0.01)
    assert cli("report", mine / "base", mine / "attending", "--out", page).code == 0
    assert {"weighted-f1, base", "weighted-f1, linear classifier", "weighted-f1, majority class"} <= cards_of(
        page
    ).keys()


def test_a_linear_variant_of_other_data_is_no_control(cli, mine):
    (mine / "others").rename(mine / "linear-others")
    metrics = mine / "linear-others" / "seed-0" / "metrics.json"
    variant = json.loads(text_of(metrics))["variant"]
    metrics.write_text(text_of(metrics).replace(f'"variant": "{variant}"', '"variant": "linear others"'))
    assert cli("report", mine / "base" / "seed-0").code == 0
    notes = cards_of(mine / "base" / "seed-0" / "report.html")["accuracy, test"][1]
    assert "linear others" not in notes
