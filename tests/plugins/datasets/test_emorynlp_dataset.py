"""EmoryNLP: the real annotation files, made ones with damage, and the simulated conversations in their place."""

import ast
import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import ercfw
from ercfw.data.collate import collate
from ercfw.errors import InputError
from ercfw_datasets.emorynlp import EmoryNlp

HEADER = "Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode,Start_Time,End_Time"
SPLITS = ("train", "dev", "test")
COARSE = {
    "positive": {"Joyful", "Peaceful", "Powerful"}, "neutral": {"Neutral"}, "negative": {"Sad", "Mad", "Scared"},
}  # fmt: skip


def line(text="Hi", speaker="['Ann']", emotion="Joyful", scene=1, turn=1, season=1, times="00:00:01.5,00:00:02.25"):
    return f'{text},"{speaker}",{emotion},{scene},{turn},{season},3,{times}'


def write(root: Path, header: str = HEADER, **lines: list[str]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for season, split in enumerate(SPLITS, 7):
        rows = lines.get(split, [line(season=season)])
        (root / f"emorynlp_{split}_final.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def emorynlp(real_data):
    return EmoryNlp(root=real_data("emorynlp"), targets=("emotion", "sentiment"))


def source(root: Path, split: str) -> list[dict[str, str]]:
    with (root / f"emorynlp_{split}_final.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_real_sizes(real_data, silent):
    dataset = silent(EmoryNlp, root=real_data("emorynlp"))
    sizes = {name: [len(c) for c in dataset.split(name)] for name in SPLITS}
    assert {name: (len(n), sum(n)) for name, n in sizes.items()} == {
        "train": (659, 7551), "dev": (89, 954), "test": (79, 984),
    }  # fmt: skip
    assert len(dataset.rows) == len(set(dataset.rows)) == 9489
    assert len(dataset.source_train) == 7551
    assert list(dataset.targets) == ["emotion"]
    assert {name: sum(counts) for name, counts in dataset.published_counts.items()} == {
        name: sum(n) for name, n in sizes.items()
    }
    assert not dataset.provenance.simulated
    assert len(dataset.provenance.files) == 3
    assert dataset.modalities == ()


def test_real_rows_against_a_plain_reading(emorynlp, real_data):
    for name in SPLITS:
        mine = [
            (c.id, c.utterances[i], c.speakers[i], c.texts[i],
             emorynlp.targets["emotion"][c.labels["emotion"][i]],
             emorynlp.targets["sentiment"][c.labels["sentiment"][i]])
            for c in emorynlp.split(name)
            for i in range(len(c))
        ]  # fmt: skip
        rows = source(real_data("emorynlp"), name)
        assert mine == [
            (f"{r['Season']}/{r['Episode']}/{r['Scene_ID']}", r["Utterance_ID"],
             " and ".join(ast.literal_eval(r["Speaker"])), r["Utterance"], r["Emotion"],
             next(group for group, emotions in COARSE.items() if r["Emotion"] in emotions))
            for r in rows
        ]  # fmt: skip
        counts = Counter(r["Emotion"] for r in rows)
        assert emorynlp.published_counts[name] == tuple(counts[emotion] for emotion in emorynlp.targets["emotion"])


def test_real_utterances_of_several_are_speakers_of_their_own(emorynlp, real_data):
    together = [s for name in SPLITS for c in emorynlp.split(name) for s in c.speakers if " and " in s]
    assert len(together) == sum("," in r["Speaker"] for name in SPLITS for r in source(real_data("emorynlp"), name))
    assert len(together) == 61
    assert max(len(set(c.speakers)) for c in emorynlp.split("train")) == 9
    assert len({r["Speaker"] for r in source(real_data("emorynlp"), "train")}) == 225
    assert len({s for c in emorynlp.split("train") for s in c.speakers}) == 225


def test_real_times_are_reported_and_cost_nothing(emorynlp, real_data, cli):
    result = cli("data", "check", "emorynlp", f"data.root={real_data('emorynlp')}", "--json")
    assert result.code == 0
    findings = [(f["level"], f"{f['about']}: {f['what']}") for f in json.loads(result.out)["findings"]]
    assert {level for level, _ in findings} == {"doubtful", "note", "fine"}
    for name, long, crossing, of in (("train", 14, 2461, 7551), ("dev", 2, 308, 954), ("test", 1, 305, 984)):
        assert any(f"{name}: utterances longer than 60 s: {long} (" in what for _, what in findings)
        assert any(f"that begin before the previous one ends: {crossing} of {of}" in what for _, what in findings)
        assert ("fine", f"{name}, emotion: {of} utterances, all class counts as published") in findings
    assert emorynlp.split("train")[0].times[0] is not None


def test_real_conversations_make_a_batch(emorynlp):
    batch = collate(emorynlp.split("dev")[:3])
    assert len(batch.ids) == sum(batch.inputs.layout.sizes) == len(batch.targets["emotion"])


def test_a_scene_is_a_conversation(tmp_path, silent):
    train = [line("a", turn=2), line("b", turn=7, speaker="['Bob', 'Ann']"), line("c", scene=2), line("d", season=4)]
    dataset = silent(EmoryNlp, root=write(tmp_path, train=train))
    first, second, third = dataset.split("train")
    assert (first.id, second.id, third.id) == ("1/3/1", "1/3/2", "4/3/1")
    assert (first.utterances, first.texts, first.speakers) == (("2", "7"), ("a", "b"), ("Ann", "Ann and Bob"))
    assert first.times == ((1.5, 2.25), (1.5, 2.25))


def test_files_may_be_deeper(tmp_path, silent):
    write(tmp_path / "emotion-detection" / "data" / "csv")
    assert len(silent(EmoryNlp, root=tmp_path).rows) == 3


def test_broken_times_cost_no_utterance_and_are_reported(tmp_path, cli):
    times = ["00:00:05.0,00:00:09.0", "00:00:08.0,00:00:07.0", "soon,00:00:09.0", "00:00:01.0,00:09:02.0"]
    root = write(tmp_path / "in", train=[line(turn=n, times=of) for n, of in enumerate(times, 1)])
    (only,) = EmoryNlp(root=root).split("train")
    assert only.times == ((5.0, 9.0), (8.0, 7.0), None, (1.0, 542.0))
    result = cli("data", "check", "emorynlp", f"data.root={root}", "--json")
    assert result.code == 0
    told = {f["what"]: f["level"] for f in json.loads(result.out)["findings"] if f["about"] == "train"}
    assert told["utterances without readable times: 1 (1/3/1/3)"] == "doubtful"
    assert told["utterances that end at or before their start: 1 (1/3/1/2: -1.0 s)"] == "doubtful"
    assert told["utterances longer than 60 s: 1 (1/3/1/4: 541.0 s)"] == "doubtful"
    assert told["utterances that begin before the previous one: 1 of 3 (1/3/1/4)"] == "note"
    assert told["utterances that begin before the previous one ends: 1 of 3 (1/3/1/2)"] == "note"


def test_every_unreadable_speaker_is_reported_at_once(tmp_path):
    write(tmp_path, train=[line(), line(turn=2, speaker="Ann")], test=[line(speaker="['Ann'", scene=2)])
    with pytest.raises(InputError) as raised:
        EmoryNlp(root=tmp_path)
    hint = "is not a list of names; write ['Ann'], or ['Ann', 'Bob'] if both speak"
    assert list(map(str, raised.value.mistakes)) == [
        f"{tmp_path}/emorynlp_train_final.csv, line 3: Speaker: 'Ann' {hint}",
        f"{tmp_path}/emorynlp_test_final.csv, line 2: Speaker: '['Ann'' {hint}",
    ]


def test_bad_annotations(tmp_path):
    write(tmp_path, dev=[line(season=4), line(turn=2, season=4, emotion="joyful")])
    with pytest.raises(InputError, match=r"dev_final\.csv, line 3: not a class of this corpus: 'joyful' .*'Joyful'"):
        EmoryNlp(root=tmp_path)
    write(tmp_path, test=[line(), line(turn=2)], train=[line(turn=3)])
    with pytest.raises(InputError, match=r"line 2: Season/Episode/Scene_ID: scene '1/3/1' is in train and in test"):
        EmoryNlp(root=tmp_path)
    write(tmp_path, test=[line(season=7), line(season=7)])
    with pytest.raises(InputError, match=r"line 3: utterance '1' of conversation '7/3/1' occurs twice"):
        EmoryNlp(root=tmp_path)
    write(tmp_path, HEADER.replace("Scene_ID", "Scene").replace("Emotion", "Label"))
    with pytest.raises(InputError) as raised:
        EmoryNlp(root=tmp_path)
    assert [mistake.where.split(": ")[1] for mistake in raised.value.mistakes] == ["Scene_ID", "Emotion"]
    write(tmp_path)
    (tmp_path / "emorynlp_dev_final.csv").unlink()
    with pytest.raises(InputError, match=r"emorynlp_dev_final\.csv: cannot be read: No such file"):
        EmoryNlp(root=tmp_path)


def test_classes_are_renamed_merged_and_left_out(tmp_path, silent, reported):
    moods = ["Joyful", "Scared", "Neutral", "Mad", "happy", ""]
    root = write(tmp_path, train=[line(turn=n, emotion=of) for n, of in enumerate(moods)])
    labels = {"Scared": "Sad", "Neutral": "", "happy": "Joyful", "Mad": "Fury"}
    dataset = silent(EmoryNlp, root=root, labels=labels, targets=("emotion", "sentiment"))
    assert dataset.targets["emotion"] == ("Joyful", "Fury", "Peaceful", "Powerful", "Sad")
    (only,) = dataset.split("train")
    assert only.utterances == ("0", "1", "3", "4", "5")
    assert only.labels["emotion"].tolist() == [0, 4, 1, 0, -100]
    assert only.labels["sentiment"].tolist() == [2, 0, 0, 2, -100]
    assert dataset.published_counts == {}
    assert len(dataset.rows) == len(moods) + 2
    chosen, warnings = reported(EmoryNlp, root=root, classes=("Mad", "Joyful"), labels={"happy": ""})
    assert chosen.targets["emotion"] == ("Mad", "Joyful")
    assert [w for w in warnings if "are left out" in w] == warnings != []


def test_sentiment_alone(tmp_path, silent):
    dataset = silent(EmoryNlp, root=write(tmp_path), targets=("sentiment",))
    assert list(dataset.targets) == ["sentiment"]
    assert dataset.published_counts == {}  # they are those of the emotion


def test_feature_files_are_found(tmp_path, silent):
    np.save(write(tmp_path) / "text.npy", np.arange(6.0).reshape(3, 2))
    dataset = silent(EmoryNlp, root=tmp_path)
    assert dataset.modalities == ("text",)
    assert dataset.features("text").ids == (("7/3/1", "1"), ("8/3/1", "1"), ("9/3/1", "1"))


def test_simulated_only_when_nothing_was_named_and_nothing_is_there(monkeypatch):
    simulated = EmoryNlp(widths={"text": 8}, targets=("emotion", "sentiment"))
    assert simulated.provenance.simulated
    assert [len(simulated.split(name)) for name in SPLITS] == [659, 89, 79]
    assert simulated.features("text").dim == 8
    emotions, sentiments = simulated.targets["emotion"], simulated.targets["sentiment"]
    pairs = {
        (emotions[emotion], sentiments[sentiment])
        for c in simulated.split("train")
        for emotion, sentiment in zip(c.labels["emotion"], c.labels["sentiment"], strict=True)
    }
    assert pairs == {(emotion, group) for group, of in COARSE.items() for emotion in of}
    with pytest.raises(InputError, match="no folder elsewhere"):
        EmoryNlp(root=Path("elsewhere"))
    monkeypatch.setenv("ERCFW_REQUIRE_REAL", "1")
    with pytest.raises(InputError, match="ERCFW_REQUIRE_REAL forbids"):
        EmoryNlp()
    assert not EmoryNlp(root=write(Path("data/emorynlp"))).provenance.simulated
    assert not EmoryNlp().provenance.simulated


PLUGIN = '''\
import numpy as np

from ercfw import Extractor, hookimpl


class Speaking(Extractor):
    """Reads who speaks, and how long the text is."""
    reads, dim, fingerprint = "text", 2, "speaking"

    def extract(self, conversation):
        return [np.array([sum(map(ord, speaker)) / 1000, len(text)], np.float32)
                for speaker, text in zip(conversation.speakers, conversation.texts)]


@hookimpl
def provide_extractors():
    return {"speaking": Speaking}
'''
RECIPE = """\
schema = 1
title = "Who speaks"
plugins = ["./speaking.py"]
data = { use = "emorynlp", root = "in", modalities = ["text"] }
features.text = { use = "speaking" }
encoder.text = { use = "linear", width = 4 }
context.text = { use = "dialogue-rnn" }
head.emotion = { use = "linear" }
loss.cross-entropy = {}
train = { epochs = 1, device = "cpu" }
"""


def test_predict_reads_its_tables(tmp_path, cli, plugin_file):
    plugin_file(PLUGIN, "speaking")
    emotions = ("Joyful", "Mad", "Neutral", "Peaceful", "Powerful", "Sad", "Scared")
    cast = ("['Ann']", "['Bob', 'Ann']", "['Bob']", "['Ann', 'Bob']")
    lines = {
        split: [
            line(f"{emotion} word {n % 3}", cast[n % 4], emotion, scene, n, season)
            for scene in (1, 2)
            for n, emotion in enumerate(emotions, 1)
        ]
        for season, split in enumerate(SPLITS)
    }
    table = write(tmp_path / "in", **lines) / "emorynlp_test_final.csv"
    Path("own.toml").write_text(RECIPE)
    assert cli("run", "own.toml", "--out", "out").code == 0
    (folder,) = Path("out").glob("**/seed-0")
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        expected = [row for row in csv.DictReader(file) if row["split"] == "test"]
    predicted = ercfw.load(folder).predict(table)
    assert predicted.warnings == ()
    for answer, row in zip(predicted.answers, expected, strict=True):
        assert (answer.conversation, answer.utterance) == (row["conversation"], row["utterance"])
        assert answer.speaker == row["speaker"]
        for name, probability in answer.probabilities["emotion"].items():
            assert probability == pytest.approx(float(row[f"emotion.p.{name}"]), abs=1e-5)
    table.write_text(table.read_text().replace("['Bob']", "Bob"))
    result = cli("predict", folder, table)
    assert result.code == 2
    assert "emorynlp_test_final.csv, line 3: Speaker: 'Bob' is not a list of names" in result.err
