"""``ercfw data check``: what it finds in real corpora, and what it refuses."""

import csv
import json
from collections import defaultdict

import pytest


def test_real_mosi_names_the_two_that_were_fitted(real_data, cli):
    result = cli("data", "check", "mosi", f"data.root={real_data('mosi')}", "--json")
    assert result.code == 1
    findings = json.loads(result.out)["findings"]
    wrong = [finding["about"] for finding in findings if finding["level"] == "wrong"]
    assert wrong == ["stream 'text'", "stream 'visual'"]
    fine = [
        finding
        for finding in findings
        if finding["about"] == "stream 'audio'" and "no sign of label leakage" in finding["what"]
    ]
    assert [finding["level"] for finding in fine] == ["fine"]


def test_real_meld_has_the_known_gaps_and_times(real_data, cli):
    root = real_data("meld")
    result = cli("data", "check", "meld", f"data.root={root}", "--json")
    assert result.code == 0
    findings = [(f["level"], f["about"], f["what"]) for f in json.loads(result.out)["findings"]]
    gaps = {}
    for split in ("train", "dev", "test"):
        dialogues = defaultdict(list)
        with (root / f"{split}_sent_emo.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                dialogues[row["Dialogue_ID"]].append(int(row["Utterance_ID"]))
        gaps[split] = sum(ids != list(range(len(ids))) for ids in dialogues.values())
        wanted = f"conversations whose utterance ids have gaps: {gaps[split]} ("
        assert any(about == split and what.startswith(wanted) for _, about, what in findings)
    assert sum(gaps.values()) == 76
    assert any("(train/1: 0-5 8, " in what for _, _, what in findings)
    assert ("note", "train", "conversation numbers that are missing: 1 (60)") in findings
    known = [what for level, _, what in findings if level == "known"]
    assert known == [
        "utterances longer than 60 s: 2 (test/38/4: 304.9 s, test/220/0: 235.1 s)",
        "utterances that end at or before their start: 1 (test/155/3: 0.0 s)",
    ]
    assert ("fine", "test, emotion", "2610 utterances, all class counts as published") in findings


def test_classes_with_another_count_than_published(real_data, cli, tmp_path):
    for path in real_data("meld").glob("*.csv"):
        (tmp_path / path.name).write_text(
            path.read_text(encoding="utf-8").replace(",joy,", ",fear,", 1), encoding="utf-8"
        )
    result = cli("data", "check", "meld", f"data.root={tmp_path}", "--json")
    findings = [f["what"] for f in json.loads(result.out)["findings"] if f["about"] == "test, emotion"]
    assert findings == ["class counts that differ from the published ones: fear: 51, not 50; joy: 401, not 402"]


def test_simulated_data_is_announced(cli):
    words = ("data", "check", "simulated", "data.conversations=20")
    result = cli(*words)
    assert result.code == 0
    assert "SIMULATED" in result.err
    assert json.loads(cli(*words, "--json").out)["simulated"] is True


def test_what_is_refused(cli):
    cli("data", "check", "no-such").check(2, "no-such")
    cli("data", "check", ".").check(2, ".: is a folder (name its dataset first: meld data.root=.)")
    cli("data", "check", "meld", "data.rot=x").check(2, "[data] rot..root")
    cli("data", "check", "meld", "train.lr=1").check(2, "a dataset has settings of [data] only")
    cli("data", "check", "meld", "data.root=nowhere").check(2, "[data] root: there is no folder nowhere")


PLUGIN = """
import numpy as np
from ercfw import Conversation, ConversationStream, Dataset, Provenance, hookimpl

class Greetings(Dataset):
    targets, modalities = {"emotion": ("neutral", "joy")}, ("text",)
    provenance = Provenance("made-up greetings", simulated=True)

    def split(self, name):
        stream = ConversationStream(np.eye(2, dtype=np.float32), np.ones(2, bool))
        labels = {"emotion": np.array([0, 1])}
        said = ("Ann", "Bob"), ("Hello.", "Hi!")
        return [Conversation(f"{name}/0", name, ("0", "1"), *said, labels, {"text": stream})]

@hookimpl
def provide_datasets():
    return {"greetings": Greetings}
"""


@pytest.mark.parametrize("verb", ["check", "stats"])
def test_a_dataset_of_a_plugin_file_is_read_by_its_name(verb, cli, plugin_file, tiny_recipe):
    plugin_file(PLUGIN, "greetings")
    ended = cli("data", verb, "greetings", "--plugin", "greetings.py")
    assert ended.code == 0, ended.err
    assert "made-up greetings" in ended.out + ended.err
    cli("data", verb, "greeting", "--plugin", "greetings.py").check(2, "--plugin: 'greeting' is not..'greetings'")
    cli("data", verb, tiny_recipe(), "--plugin", "greetings.py").check(2, "--plugin..a recipe names its plugin files")
    cli("data", verb, "greetings", "--plugin", "nowhere.py").check(2, "--plugin..there is no file nowhere.py")


WRONG_LABELS = """
import numpy as np
from ercfw import Conversation, Dataset, Provenance, hookimpl


class Odd(Dataset):
    modalities = ()
    targets = {"mood": ("bad", "good")}
    provenance = Provenance("odd", False)

    def split(self, name):
        labels = {"mood": np.array([0, 1])}
        if name == "dev":
            labels = {"mood": WRONG}
        return [Conversation(f"{name}/0", name, ("0", "1"), ("A", "B"), ("x", "y"), labels)]


@hookimpl
def provide_datasets():
    return {"odd": Odd}
"""


@pytest.mark.parametrize("verb", ["check", "stats"])
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ('np.array(["bad", "good"])', "labels of 'mood' are <U4"),
        ("np.array([0.5, 1.0], np.float32)", "labels of 'mood' are float32"),
        ("np.array([0, 2])", "labels of 'mood' have a number that is none of 2 classes"),
        ("np.array([0])", "labels of 'mood' are int64 [1]"),
    ],
)
def test_labels_of_a_plugin_that_are_not_what_it_declares(cli, plugin_file, verb, wrong, says):
    path = plugin_file(WRONG_LABELS.replace("WRONG", wrong))
    cli("data", verb, "odd", "--plugin", path, "--trust").check(2, f"conversation dev/0: {says}")


@pytest.mark.parametrize(
    "targets", [["affect", "emotion"], ["moods"], ["votes"]], ids=["numbers", "several labels", "shares"]
)
def test_streams_are_checked_for_leakage_whatever_the_first_target_is(cli, targets):
    known = cli("data", "check", "simulated", f"data.targets={json.dumps(targets)}", "--json")
    assert known.code == 0, known.err
    found = [f["what"] for f in json.loads(known.out)["findings"] if f["about"].startswith("stream")]
    assert sum("a linear classifier scores" in what for what in found) == 3
