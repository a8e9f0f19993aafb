"""DailyDialog: made files in its form, with damage, and the simulated dialogues in their place."""

import csv
import json

import numpy as np
import pytest

from ercfw.contract.targets import as_target
from ercfw.errors import InputError
from ercfw_datasets.dailydialog import DailyDialog

FOLDERS = {"train": "train", "dev": "validation", "test": "test"}
TALK = "Good morning ! __eou__ The bus is late again . __eou__ So we walk . __eou__"
ONE = {"texts": [TALK], "emotions": ["4 1 0 "], "acts": ["1 1 4 "]}
CLASSES = ("no emotion", "anger", "disgust", "fear", "happiness", "sadness", "surprise")


@pytest.fixture
def write(tmp_path):
    """``write(train={"texts": [...], "emotions": [...]})``: the files; a split that is not named has one dialogue."""

    def make(root=tmp_path, **splits):
        for split, name in FOLDERS.items():
            (root / name).mkdir(parents=True, exist_ok=True)
            for kind, lines in {**ONE, **splits.get(split, {})}.items():
                middle = {"texts": "", "emotions": "emotion_", "acts": "act_"}[kind]
                path = root / name / f"dialogues_{middle}{name}.txt"
                path.write_bytes("".join(f"{line}\n" for line in lines).encode())
        return root

    return make


def mistakes_of(root, **options) -> list[str]:
    with pytest.raises(InputError) as raised:
        DailyDialog(root=root, **options)
    return [str(mistake).replace(f"{root}/", "") for mistake in raised.value.mistakes]


def test_dialogues_are_read_as_they_stand(write, silent) -> None:
    two = {"texts": [TALK, " Why ? __eou__ Because it rains . __eou__ "], "emotions": ["4 1 0 ", "6 5"]}
    dataset = silent(DailyDialog, root=write(train=two))
    first, second = dataset.split("train")
    assert (first.id, second.id) == ("train/0", "train/1")
    assert first.utterances == ("0", "1", "2")
    assert first.texts == ("Good morning !", "The bus is late again .", "So we walk .")
    assert first.speakers == ("A", "B", "A")
    assert [CLASSES[label] for label in first.labels["emotion"]] == ["happiness", "anger", "no emotion"]
    assert [CLASSES[label] for label in second.labels["emotion"]] == ["surprise", "sadness"]
    assert dataset.targets == {"emotion": CLASSES}
    assert [c.id for split in ("dev", "test") for c in dataset.split(split)] == ["dev/0", "test/0"]
    assert len(dataset.rows) == 11
    assert len(dataset.source_train) == 5
    assert len(dataset.provenance.files) == 6
    assert not dataset.provenance.simulated
    assert dataset.modalities == ("text",)


def test_rows_of_a_feature_file_are_those_of_train_dev_and_test(write, tmp_path) -> None:
    values = np.arange(18, dtype=np.float32).reshape(9, 2)
    np.save(write() / "text.npy", values)
    dataset = DailyDialog(root=tmp_path)
    assert dataset.features("text").ids == tuple((f"{s}/0", u) for s in ("train", "dev", "test") for u in "012")


def test_classes_by_name_and_by_number(write) -> None:
    dataset = DailyDialog(root=write(), labels={"0": "", "anger": "unpleasant", "disgust": "unpleasant"})
    assert dataset.targets["emotion"] == ("unpleasant", "fear", "happiness", "sadness", "surprise")
    (talk,) = dataset.split("train")
    assert talk.utterances == ("0", "1")
    assert talk.speakers == ("A", "B")
    assert dataset.published_counts == {}
    assert len(dataset.rows) == 9  # a feature file keeps its rows
    assert DailyDialog(root=write()).published_counts["test"] == (6321, 118, 47, 17, 1019, 102, 116)


def test_published_counts_are_those_of_all_utterances() -> None:
    counts = DailyDialog.published_counts
    assert {split: sum(of_split) for split, of_split in counts.items()} == {"train": 87170, "dev": 8069, "test": 7740}
    assert np.sum(list(counts.values()), 0).tolist() == [85572, 1022, 353, 174, 12885, 1150, 1823]


def test_acts_are_a_second_target(write) -> None:
    dataset = DailyDialog(root=write(), targets=("act", "emotion"))
    assert list(dataset.targets) == ["act", "emotion"]
    assert as_target(dataset.targets["act"]).names == ("inform", "question", "directive", "commissive")
    assert dataset.split("train")[0].labels["act"].tolist() == [0, 0, 3]
    assert dataset.published_counts == {}
    assert len(dataset.provenance.files) == 9


def test_acts_that_are_not_asked_for_are_not_read(write, tmp_path) -> None:
    write(train={"acts": ["9"]})
    assert set(DailyDialog(root=tmp_path).split("train")[0].labels) == {"emotion"}
    assert mistakes_of(tmp_path, targets=("act",)) == [
        "train/dialogues_act_train.txt, line 1: '9' is not one of the numbers (1 to 4)",
        "train/dialogues_act_train.txt, line 1: has 1 numbers, but line 1 of dialogues_train.txt has 3 utterances "
        "(write one number per utterance)",
    ]


@pytest.mark.parametrize("folder", ["", "train", "EMNLP_dataset/train/train"])
def test_files_are_found_where_the_archives_unpack_them(write, tmp_path, folder) -> None:
    write()
    for path in list((tmp_path / "train").iterdir()):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        path.rename(tmp_path / folder / path.name)
    assert len(DailyDialog(root=tmp_path).split("train")) == 1


def test_the_file_of_all_dialogues_is_refused_if_there_is_no_other(write, tmp_path, cli) -> None:
    (tmp_path / "dialogues_text.txt").write_text(f"{TALK}\n")
    (message,) = mistakes_of(tmp_path)
    assert message == (
        "dialogues_text.txt: contains all dialogues, but not their splits "
        "(unpack train.zip, validation.zip and test.zip, which contain files such as dialogues_train.txt)"
    )
    cli("data", "check", "dailydialog", f"data.root={tmp_path}").check(2, "dialogues_text.txt: contains all dialogues")
    write()
    assert len(DailyDialog(root=tmp_path).split("train")) == 1


def test_missing_files_are_named_at_once(tmp_path) -> None:
    (tmp_path / "readme.txt").touch()
    assert [message.split(":")[0] for message in mistakes_of(tmp_path)] == [
        f"{folder}/dialogues_{folder}.txt" for folder in FOLDERS.values()
    ]


def test_files_that_differ_in_their_utterances(write) -> None:
    root = write(train={"texts": [TALK, TALK], "emotions": ["0 0 0", "0 0"]}, test={"emotions": ["0 0 0 0"]})
    assert mistakes_of(root) == [
        "train/dialogues_emotion_train.txt, line 2: has 2 numbers, but line 2 of dialogues_train.txt has 3 utterances "
        "(write one number per utterance)",
        "test/dialogues_emotion_test.txt, line 1: has 4 numbers, but line 1 of dialogues_test.txt has 3 utterances "
        "(write one number per utterance)",
    ]


def test_files_that_differ_in_their_lines_name_the_first_that_does_not_fit(write) -> None:
    short = TALK.replace("So we walk . __eou__", "")
    root = write(train={"texts": [TALK, short, TALK, short], "emotions": ["0 0 0", "0 0 0", "0 0"]})
    assert mistakes_of(root) == [
        "train/dialogues_emotion_train.txt: has 3 lines, but dialogues_train.txt has 4 "
        "(the first line that does not fit is 2)"
    ]
    root = write(train={"texts": [TALK, TALK], "emotions": ["0 0 0"]})
    assert mistakes_of(root) == [
        "train/dialogues_emotion_train.txt: has 1 lines, but dialogues_train.txt has 2 (write one line per dialogue)"
    ]


@pytest.mark.parametrize("wrong", ["7", "-1", "x", "4.0", "٤", "1" * 5000])
def test_numbers_that_are_no_emotion(write, wrong) -> None:
    (message,) = mistakes_of(write(dev={"emotions": [f"0 {wrong} 0"]}))
    assert message.startswith(f"validation/dialogues_emotion_validation.txt, line 1: '{wrong[:20]}")
    assert message.endswith("is not one of the numbers (0 to 6)")


def test_empty_lines(write) -> None:
    root = write(train={"texts": [TALK, "", TALK, "", ""], "emotions": ["0 0 0", "", "0 0 0", "  "]})
    assert mistakes_of(root) == ["train/dialogues_train.txt, line 2: is empty (write one dialogue per line)"]
    root = write(train={"texts": [TALK, TALK], "emotions": ["", "0 0 0"]})
    assert mistakes_of(root) == [
        "train/dialogues_emotion_train.txt, line 1: has 0 numbers, but line 1 of dialogues_train.txt has 3 utterances "
        "(write one number per utterance)"
    ]
    root = write(train={"texts": [], "emotions": [" "]})
    assert mistakes_of(root) == ["train/dialogues_train.txt: is empty (write one line per dialogue)"]


def test_an_utterance_after_the_last_separator_is_kept_and_reported(write, tmp_path, reported) -> None:
    write(train={"texts": [TALK, "One . __eou__ Two ."], "emotions": ["0 0 0", "0 4"]})
    dataset, warnings = reported(DailyDialog, root=tmp_path)
    assert dataset.split("train")[1].texts == ("One .", "Two .")
    path = tmp_path / "train" / "dialogues_train.txt"
    assert warnings == [f"{path}: lines that do not end with __eou__: 1 (2)"]


def test_an_utterance_between_two_separators_is_empty(write, tmp_path, cli) -> None:
    write(train={"texts": ["One . __eou__ __eou__ Two . __eou__"]})
    assert DailyDialog(root=tmp_path).split("train")[0].texts == ("One .", "", "Two .")
    ended = cli("data", "check", "dailydialog", f"data.root={tmp_path}")
    assert "utterances with empty texts: 1 of 3 (train/0/1)" in ended.out


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_other_encodings_and_line_ends(write, tmp_path, reported, encoding) -> None:
    path = write() / "train" / "dialogues_train.txt"
    path.write_bytes("It ’ s a caf\xe9 . __eou__ Yes . __eou__ So ? __eou__\r\n".encode(encoding))
    dataset, warnings = reported(DailyDialog, root=tmp_path)
    assert dataset.split("train")[0].texts == ("It ’ s a caf\xe9 .", "Yes .", "So ?")
    assert len(warnings) == (encoding == "cp1252")


@pytest.mark.parametrize("data", [b"PK\x03\x04\x00\x00", b"\x00" * 9])
def test_a_file_that_is_no_text(write, tmp_path, data) -> None:
    (write() / "test" / "dialogues_test.txt").write_bytes(data)
    assert "dialogues_test.txt: is not a text file" in mistakes_of(tmp_path)[0]


def test_a_dialogue_that_is_in_train_and_test_is_a_finding(write, tmp_path, cli) -> None:
    longer = "I would like to book two seats for tonight , please . __eou__ For which film ? __eou__ Any . __eou__"
    write(train={"texts": [longer]}, test={"texts": [longer]})
    ended = cli("data", "check", "dailydialog", f"data.root={tmp_path}", "--json")
    assert ended.code == 1
    found = [(f["level"], f["what"]) for f in json.loads(ended.out)["findings"]]
    assert ("wrong", "conversations that occur in several splits: 1 (train/0 = test/0)") in found
    assert any("published" in what for _, what in found)


def test_statistics_count_the_classes(write, tmp_path, cli) -> None:
    write()
    ended = cli("data", "stats", "dailydialog", f"data.root={tmp_path}", "--json")
    assert ended.code == 0, ended.err
    assert "no emotion" in ended.out


def test_acts_are_not_simulated_and_nothing_is_if_real_data_is_required(monkeypatch) -> None:
    with pytest.raises(InputError, match="'act' cannot be simulated, and nothing is at data/dailydialog"):
        DailyDialog(targets=("emotion", "act"))
    monkeypatch.setenv("ERCFW_REQUIRE_REAL", "1")
    with pytest.raises(InputError, match="DailyDialog is not at data/dailydialog, and ERCFW_REQUIRE_REAL forbids"):
        DailyDialog()


@pytest.mark.slow
def test_simulated_dialogues_have_the_published_shape() -> None:
    dataset = DailyDialog()
    assert dataset.provenance.simulated
    assert dataset.modalities == ("text",)
    assert [len(dataset.split(split)) for split in ("train", "dev", "test")] == [11118, 1000, 1000]
    lengths = [len(c) for c in dataset.split("train")]
    assert np.mean(lengths) == pytest.approx(7.84, abs=0.1)
    assert np.std(lengths) == pytest.approx(4.01, abs=0.1)
    assert (min(lengths), max(lengths)) == (2, 35)
    for conversation in dataset.split("dev"):
        assert conversation.speaker_numbers.tolist() == [place % 2 for place in range(len(conversation))]


def test_the_recipe_selects_by_the_micro_f1_of_the_emotions(write, tmp_path, cli) -> None:
    rng = np.random.default_rng(0)
    drawn = {split: rng.integers(0, 7, (8, 3)) for split in FOLDERS}
    numbers = {split: [" ".join(map(str, row)) for row in of] for split, of in drawn.items()}
    files = {split: {"texts": [TALK] * 8, "emotions": lines, "acts": []} for split, lines in numbers.items()}
    root = write(tmp_path / "corpus", **files)
    np.save(root / "text.npy", np.eye(7, dtype=np.float32)[np.concatenate([*drawn.values()]).ravel()])
    ended = cli(
        "run", "dailydialog_text", f"data.root={root}", "train.epochs=3", "train.lr=0.05", "train.device=cpu",
        "--seeds", "1", "--drop", "features.text", "--out", "runs", "--quiet",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    folder = tmp_path / "runs" / "dailydialog_text" / "base" / "seed-0"
    metrics = json.loads((folder / "metrics.json").read_text())
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert max(history, key=lambda epoch: epoch["selected"])["selected"] == pytest.approx(
        metrics["scores"]["dev"]["emotion"]["micro-f1"]
    )
    with (folder / "predictions.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    pairs = [(row["emotion"], row["emotion.predicted"]) for row in rows]
    hits = sum(true == predicted != "no emotion" for true, predicted in pairs)
    spoken = sum(true != "no emotion" for true, _ in pairs) + sum(named != "no emotion" for _, named in pairs)
    assert metrics["scores"]["test"]["emotion"]["micro-f1"] == pytest.approx(2 * hits / spoken)
