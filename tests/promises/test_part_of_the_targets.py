"""An ablation whose variants predict a part of the targets."""

from pathlib import Path

TWO_TARGETS = """\
schema = 1
title = "Two targets"
seeds = [0]
[data]
use = "simulated"
conversations = 12
modalities = ["text"]
targets = ["emotion", "votes"]
[encoder.text]
use = "identity"
[head.emotion]
use = "linear"
[head.votes]
use = "linear"
[loss.cross-entropy]
target = "emotion"
[loss.soft-cross-entropy]
target = "votes"
[train]
epochs = 1
device = "cpu"
select = "emotion.weighted-f1"
[[variant]]
name = "emotion alone"
drop = ["head.votes", "loss.soft-cross-entropy"]
[[variant]]
name = "votes alone"
drop = ["head.emotion", "loss.cross-entropy"]
set = { train = { select = "votes.weighted-f1" } }
"""


def test_a_table_per_target_has_the_variants_that_predict_it(cli, tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(TWO_TARGETS)
    cli("ablate", "two.toml", "--out", "runs", "--quiet").check(0)
    emotion, votes = (tmp_path / "runs" / "two" / "ablation.md").read_text().split("\n## ")
    for table, alone, missing in ((emotion, "emotion alone", "votes alone"), (votes, "votes alone", "emotion alone")):
        rows = [line.split(" | ")[0].strip("| ") for line in table.splitlines() if line.startswith("| ")]
        assert rows[1:] == ["base", alone]
        assert f"they do not predict {alone.split()[0]}: {missing}." in table
    assert "| weighted-f1 | accuracy |" in votes
    cli("compare", "runs/two", "--out", "compared").check(0)
    head = (tmp_path / "compared" / "utterances.csv").read_text().splitlines()[0]
    assert "base,emotion alone" in head
    assert "votes alone" not in head
    ended = cli("compare", "runs/two/emotion-alone", "runs/two/votes-alone")
    assert ended.code == 2
    assert any("has no target in common with the other runs" in error for error in ended.errors)
