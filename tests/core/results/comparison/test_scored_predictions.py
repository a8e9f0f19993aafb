"""``ercfw compare`` refuses runs whose predictions are not those that their scores say."""

import csv
import json
import shutil

import pytest


def test_predictions_that_are_not_those_scored_are_refused(cli, runs, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(runs, copy)
    path = copy / "base" / "seed-1" / "predictions.csv"
    text = path.read_text().splitlines()
    rows = list(csv.DictReader(text))
    classes = [key.removeprefix("emotion.p.") for key in rows[0] if key.startswith("emotion.p.")]
    changed = 0
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row in rows:
            if row["split"] == "test" and row["emotion.predicted"] == row["emotion"]:
                row["emotion.predicted"] = next(name for name in classes if name != row["emotion"])
                changed += 1
            writer.writerow(row)
    assert changed
    cli("compare", copy / "base", copy / "w-o-audio").check(2, f"{copy / 'base'}..do not match the scores")


def test_a_score_of_another_definition_is_refused(cli, runs, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(runs, copy)
    path = copy / "base" / "seed-1" / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["scores"]["test"]["emotion"]["macro-f1"] *= 6 / 7
    path.write_text(json.dumps(metrics))
    ended = cli("compare", copy / "base", copy / "w-o-audio")
    ended.check(2, f"{copy / 'base'}..do not match the scores in its metrics.json: macro-f1 differs")


@pytest.mark.parametrize("damage", ["", "a,b\n1,2\n", "split,conversation\ntest,x\n"])
def test_damaged_predictions_are_refused(cli, runs, tmp_path, damage):
    copy = tmp_path / "copy"
    shutil.copytree(runs, copy)
    (copy / "base" / "seed-0" / "predictions.csv").write_text(damage)
    assert cli("compare", copy / "base", copy / "w-o-audio").code == 2
