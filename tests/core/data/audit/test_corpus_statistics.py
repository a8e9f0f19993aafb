"""The figures of a corpus: worked by hand, and counted another way on real data."""

import csv
import json
from collections import Counter
from itertools import groupby, pairwise

import pytest

from ercfw.data.audit.corpus_statistics import Shifts, statistics_of
from ercfw_datasets.table import Table

TABLE = """\
conversation,utterance,speaker,text,label,split,start,end
a,0,Ann,one two,joy,train,0,2
a,1,Bob,one,anger,train,2,5
a,2,Ann,,joy,train,5,6
a,3,Bob,one two three,joy,train,,
b,0,Cid,one,anger,train,0,4
c,0,Ann,one,joy,dev,0,1
c,1,Ann,one,,dev,1,2
c,2,Ann,one,anger,dev,2,3
d,0,Bob,one,joy,test,0,1
"""


@pytest.fixture
def small(tmp_path):
    (tmp_path / "utterances.csv").write_text(TABLE)
    return tmp_path


def test_by_hand(small):
    found = statistics_of(Table(root=small))
    train, dev = found["train"], found["dev"]
    assert train.lengths == (4, 1)
    assert train.casts == (2, 1)
    assert train.speakers == 3
    assert train.words == (2, 1, 3, 1)
    assert train.targets["emotion"].counts == {"anger": 2, "joy": 3}
    assert train.own_shifts == Shifts(compared=2, changed=1)  # Ann: joy, joy; Bob: anger, joy
    assert train.shifts == Shifts(compared=3, changed=2)
    assert train.seconds == (2, 3, 1, 4)
    assert dev.targets["emotion"].unlabelled == 1
    assert dev.own_shifts == Shifts(1, 1)  # across the one without a label
    assert dev.shifts == Shifts(0, 0)  # next to it nothing is compared
    assert found["all"].lengths == (4, 1, 3, 1)
    assert found["all"].speakers == 3


def test_the_table_and_the_picture(small, cli):
    picture = small / "figures.png"
    result = cli("data", "stats", "table", f"data.root={small}", "--picture", picture)
    assert result.code == 0
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    assert "conversations 2 1 1 4" in lines
    assert "class joy 3 (60.0 %) 1 (50.0 %) 1 (100.0 %) 5 (62.5 %)" in lines
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "SIMULATED" not in result.out


def test_simulated_is_said(cli, tmp_path):
    import matplotlib.image

    picture = tmp_path / "simulated.png"
    result = cli("data", "stats", "simulated", "data.conversations=20", "--picture", picture)
    assert result.out.startswith("SIMULATED")
    assert b"SIMULATED" in picture.read_bytes()
    colours = matplotlib.image.imread(picture)[..., :3]
    assert (colours[..., 0] - colours[..., 1:].max(-1) > 0.1).mean() > 0.01, "it stands in red across the picture"
    said = json.loads(cli("data", "stats", "simulated", "data.conversations=20", "--json").out)
    assert said["simulated"] is True


def test_a_picture_that_cannot_be_written(cli, tmp_path):
    (tmp_path / "file").write_text("")
    cli("data", "stats", "simulated", "--picture", tmp_path / "file" / "x.png").check(2, "--picture")
    (tmp_path / "x.png").mkdir()
    cli("data", "stats", "simulated", "--picture", "x.png").check(2, "--picture x.png: is a folder")


@pytest.mark.parametrize("name", ["x.jpg", "x", "x.eps"])
def test_a_picture_of_another_format_is_refused_before_the_corpus_is_read(cli, name):
    ended = cli("data", "stats", "table", "data.root=nowhere", "--picture", name)
    ended.check(2, f"--picture {name}: does not name a format that ercfw can write (end it with .png, .svg or .pdf)")


def test_a_picture_for_a_paper_is_a_pdf(cli, small):
    assert cli("data", "stats", "table", f"data.root={small}", "--picture", small / "x.pdf").code == 0
    assert (small / "x.pdf").read_bytes().startswith(b"%PDF")


def test_real_meld_another_way(real_data, cli):
    root = real_data("meld")
    said = json.loads(cli("data", "stats", "meld", f"data.root={root}", "--json").out)["splits"]
    with (root / "test_sent_emo.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    groups = [list(group) for _, group in groupby(rows, key=lambda row: row["Dialogue_ID"])]
    test = said["test"]
    assert test["utterances"] == len(rows) == 2610
    assert test["conversations"] == len(groups) == 280
    assert test["classes"] == Counter(row["Emotion"] for row in rows)
    pairs = [(a, b) for group in groups for a, b in pairwise(group)]
    assert test["shifts"] == {"compared": len(pairs), "changed": sum(a["Emotion"] != b["Emotion"] for a, b in pairs)}
    assert test["utterances_a_conversation"]["max"] == max(map(len, groups)) == 33
    assert test["speakers"] == len({row["Speaker"].strip() for row in rows})
    assert said["all"]["utterances"] == 13708
