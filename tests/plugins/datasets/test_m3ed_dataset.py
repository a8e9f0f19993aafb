"""M3ED: a made annotation.json in its form, and the simulated conversations in its place."""

import copy
import json

import numpy as np
import pytest

from ercfw.contract.targets import as_target
from ercfw.data.label_form import check_label_form, declared_targets
from ercfw.errors import InputError
from ercfw_datasets.m3ed import M3ed
from ercfw_datasets.m3ed_files import seconds_of

from .made_m3ed import SERIES, dialogue, mistakes_of, turn, write_m3ed

CLASSES = ("happy", "neutral", "sad", "disgust", "anger", "fear", "surprise")
SPLITS = ("train", "dev", "test")


@pytest.fixture
def content() -> dict:
    """One dialogue of two utterances in each split."""
    turns = turn(), turn("真的吗？", "B", "00:00:01:05", "00:01:02:25", "Happy", "Happy,Surprise")
    return {name: {f"{name}_1": dialogue(f"{name}_1", *map(copy.deepcopy, turns))} for name in SERIES.values()}


@pytest.fixture
def write(tmp_path):
    """``write(content)``: the annotations and the lists of the splits."""
    return lambda content, root=tmp_path, **lists: write_m3ed(root, content, **lists)


def test_dialogues_are_read_with_names_times_and_main_emotions(write, content, silent) -> None:
    dataset = silent(M3ed, root=write(content))
    (first,) = dataset.split("train")
    assert first.id == "chuntian_1"
    assert first.utterances == ("chuntian_1_1", "chuntian_1_2")
    assert first.texts == ("你好", "真的吗？")
    assert first.speakers == ("王小明", "李小红")
    assert first.times == (pytest.approx((0.04, 1.16)), pytest.approx((1.2, 63.0)))
    assert dataset.targets == {"emotion": CLASSES}
    assert first.labels["emotion"].tolist() == [1, 0]
    assert [c.id for split in ("dev", "test") for c in dataset.split(split)] == ["xiatian_1", "qiutian_1"]
    assert len(dataset.rows) == 6
    assert dataset.source_train == set(first.ids)
    assert len(dataset.provenance.files) == 4
    assert dataset.modalities == ("text", "audio", "visual")
    assert all(c.clips == () for split in SPLITS for c in dataset.split(split))


def test_utterances_come_in_the_order_of_their_numbers(write, content, silent) -> None:
    names = [f"chuntian_1_{number}" for number in range(1, 12)]
    content["chuntian"]["chuntian_1"]["Dialog"] = {name: turn(name) for name in sorted(names)}
    (first,) = silent(M3ed, root=write(content)).split("train")
    assert first.texts == first.utterances == tuple(names)
    content["chuntian"]["chuntian_1"]["Dialog"]["last words"] = turn()
    (first,) = silent(M3ed, root=write(content)).split("train")
    assert first.utterances == (*sorted(names), "last words")


@pytest.mark.parametrize(
    ("names", "speakers"), [(("甲", "乙"), ("甲", "乙")), (("甲", "甲"), ("A", "B")), (("", " "), ("A", "B"))]
)
def test_letters_stand_for_speakers_whose_names_do_not_tell_them_apart(write, content, names, speakers) -> None:
    content["chuntian"]["chuntian_1"] = dialogue("chuntian_1", turn(), turn(speaker="B"), names=names)
    assert M3ed(root=write(content)).split("train")[0].speakers == speakers
    content["chuntian"]["chuntian_1"]["SpeakerInfo"] = {"A": None, "B": {"Name": 5}}
    assert M3ed(root=write(content)).split("train")[0].speakers == ("A", "5")
    del content["chuntian"]["chuntian_1"]["SpeakerInfo"]
    assert M3ed(root=write(content)).split("train")[0].speakers == ("A", "B")


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("00:00:01:04", 1.16), ("00:00:00:25", 1.0), ("01:02:03:00", 3723.0), ("02:03:12", 123.48),
        ("00:00:01:26", None), ("00:01", None), ("1.5", None), ("", None), ("-0:00:01:04", None),
        ("00:00:01:04:05", None), ("٠٠:00:01:04", None),
    ],
)  # fmt: skip
def test_times_count_frames_of_40_ms(time, seconds) -> None:
    assert seconds_of(time) == (None if seconds is None else pytest.approx(seconds))


def test_crossing_and_unreadable_times_are_findings(write, content, tmp_path, cli) -> None:
    turns = (
        turn(start="00:00:09:00", end="00:00:08:00"),
        turn(start="00:00:02:00", end="00:00:03:00"),
        turn(start="soon", end="later"),
    )
    content["chuntian"]["chuntian_1"] = dialogue("chuntian_1", *turns)
    write(content)
    ended = cli("data", "check", "m3ed", f"data.root={tmp_path}")
    assert "utterances that end at or before their start: 1 (chuntian_1/chuntian_1_1: -1.0 s)" in ended.out
    assert "utterances that begin before the previous one: 1 of 2 (chuntian_1/chuntian_1_2)" in ended.out
    assert "utterances without readable times: 1 (chuntian_1/chuntian_1_3)" in ended.out


def test_mixed_emotions_are_several_labels(write, content) -> None:
    first = content["chuntian"]["chuntian_1"]["Dialog"]
    first["chuntian_1_3"] = turn(main="Sad", mixed=" Sad ,Anger,")
    first["chuntian_1_4"] = turn(main="", mixed="")
    dataset = M3ed(root=write(content), targets=("emotion", "mixed"))
    assert as_target(dataset.targets["mixed"]).kind == "multilabel"
    assert as_target(dataset.targets["mixed"]).names == CLASSES
    conversations = [c for split in SPLITS for c in dataset.split(split)]
    check_label_form(conversations, declared_targets(dataset.targets))
    rows = conversations[0].labels["mixed"]
    named = [{name for name, has in zip(CLASSES, row, strict=True) if has == 1} for row in rows[:3]]
    assert named == [{"neutral"}, {"happy", "surprise"}, {"sad", "anger"}]
    assert np.isnan(rows[3]).all()
    assert conversations[0].labels["emotion"].tolist() == [1, 0, 2, -100]


def test_renamed_classes_rename_mixed_emotions_too(write, content) -> None:
    labels = {"Happy": "pleasant", "surprise": "pleasant", "neutral": ""}
    dataset = M3ed(root=write(content), labels=labels, targets=("mixed", "emotion"))
    assert dataset.targets["emotion"] == ("pleasant", "sad", "disgust", "anger", "fear")
    (first,) = dataset.split("train")
    assert first.utterances == ("chuntian_1_2",)
    assert first.labels["mixed"].tolist() == [[1, 0, 0, 0, 0]]
    assert dataset.published_counts == {}


def test_unknown_emotions(write, content) -> None:
    content["xiatian"]["xiatian_1"]["Dialog"]["xiatian_1_1"] = turn(main="Bored", mixed="Bored,Sda")
    root = write(content)
    (message,) = mistakes_of(root)
    assert message.startswith("annotation.json: xiatian_1_1: not a class of this corpus: 'Bored'")
    assert M3ed(root=root, labels={"Bored": ""}).targets
    first, *_ = mistakes_of(root, labels={"Bored": ""}, targets=("mixed",))
    assert first.startswith("annotation.json: xiatian_1_1, final_mul_emo: not a class of this corpus: 'Sda' (did you")


def test_published_counts_of_train_and_dev() -> None:
    assert {split: sum(counts) for split, counts in M3ed.published_counts.items()} == {"train": 17427, "dev": 2821}


def test_files_are_found_below_the_folder(write, content, tmp_path) -> None:
    write(content, tmp_path / "download" / "M3ED_metadata")
    assert len(M3ed(root=tmp_path).rows) == 6
    lists = tmp_path / "download" / "M3ED_metadata" / "splitInfo"
    for path in list(lists.iterdir()):
        path.rename(tmp_path / path.name)
    assert len(M3ed(root=tmp_path).rows) == 6


@pytest.mark.parametrize("inside", [True, False])
def test_sound_is_found_by_letter_and_utterance(write, content, tmp_path, sound, reported, inside) -> None:
    root = write(content, tmp_path / "corpus")
    place = (root if inside else tmp_path / "sounds") / "modality_speech"
    for name in SERIES.values():
        sound(place / f"A_{name}_1_1.wav")
    options = {} if inside else {"clips": place.parent}
    dataset, warnings = reported(M3ed, root=root, **options)
    assert [clip and clip.path.name for clip in dataset.split("train")[0].clips] == ["A_chuntian_1_1.wav", None]
    assert warnings == [
        "M3ED: clips that are missing: 3 (chuntian_1 chuntian_1_2, xiatian_1 xiatian_1_2, qiutian_1 qiutian_1_2)"
    ]
    if not inside:
        assert reported(M3ed, root=root, clips=place)[0].split("train")[0].clips == dataset.split("train")[0].clips


def test_a_folder_of_sound_that_does_not_exist(write, content, tmp_path) -> None:
    message = f"[data] clips: there is no folder {tmp_path / 'no'} (the folder that contains modality_speech)"
    with pytest.raises(InputError) as raised:
        M3ed(root=write(content), clips=tmp_path / "no")
    assert str(raised.value) == message
    with pytest.raises(InputError, match=r"\[data\] clips: is set, but M3ED's annotations are not at data/m3ed"):
        M3ed(clips=tmp_path)


def test_series_and_splits_that_do_not_fit(write, content, reported) -> None:
    root = write(content, val="xiatian\r\n\r\nchuntian\n")
    assert mistakes_of(root) == [
        "splitInfo/movie_list_val.txt, line 3: 'chuntian' is also in movie_list_train.txt "
        "(keep each series in one split)"
    ]
    root = write(content, val="")
    assert mistakes_of(root) == [
        "annotation.json: xiatian: this series is in no split "
        "(write its name in one of movie_list_train.txt, movie_list_val.txt, movie_list_test.txt)"
    ]
    _, warnings = reported(M3ed, root=write(content, train="chuntian\ndongtian"))
    assert warnings == ["M3ED: series of the lists that are not in annotation.json: 1 (dongtian)"]


def test_a_dialogue_in_two_series(write, content) -> None:
    content["qiutian"]["chuntian_1"] = content["chuntian"]["chuntian_1"]
    assert mistakes_of(write(content)) == [
        "annotation.json: qiutian: the dialogue 'chuntian_1' is also in 'chuntian' (rename one of them)"
    ]


def test_missing_lists_are_named_at_once(write, content, tmp_path) -> None:
    root = write(content)
    for path in list((root / "splitInfo").iterdir()):
        path.unlink()
    assert [message.split(":")[0] for message in mistakes_of(root)] == [
        f"splitInfo/movie_list_{split}.txt" for split in SERIES
    ]
    (tmp_path / "annotation.json").unlink()
    assert mistakes_of(root) == ["annotation.json: cannot be read: No such file or directory"]


def test_no_dialogue_at_all(write, reported) -> None:
    dataset, _ = reported(M3ed, root=write({}))
    with pytest.raises(InputError, match=r"\[data\] train: there is no conversation in the train split"):
        dataset.split("train")


def test_simulated_conversations_take_its_place(monkeypatch) -> None:
    dataset = M3ed(widths={"text": 5})
    assert dataset.provenance.simulated
    assert [len(dataset.split(split)) for split in SPLITS] == [685, 126, 179]
    assert np.mean([len(c) for c in dataset.split("train")]) == pytest.approx(25.4, abs=0.6)
    assert dataset.features("text").dim == 5
    with pytest.raises(InputError, match="'mixed' cannot be simulated, and nothing is at data/m3ed"):
        M3ed(targets=("mixed",))
    monkeypatch.setenv("ERCFW_REQUIRE_REAL", "1")
    with pytest.raises(InputError, match="M3ED is not at data/m3ed, and ERCFW_REQUIRE_REAL forbids"):
        M3ed()


def test_a_run_on_both_targets(write, content, tmp_path, cli) -> None:
    root = write(content, tmp_path / "corpus")
    np.save(root / "text.npy", np.eye(6, dtype=np.float32))
    (tmp_path / "both.toml").write_text(
        'schema = 1\ntitle = "Both"\n[data]\nuse = "m3ed"\nmodalities = ["text"]\ntargets = ["emotion", "mixed"]\n'
        '[encoder.text]\nuse = "linear"\nwidth = 4\n[head.emotion]\nuse = "linear"\n[head.mixed]\nuse = "linear"\n'
        '[loss.cross-entropy]\ntarget = "emotion"\n[loss.bce]\ntarget = "mixed"\n'
        '[train]\nepochs = 1\ndevice = "cpu"\n'
    )
    ended = cli("run", "both.toml", f"data.root={root}", "--seeds", "1", "--out", "runs", "--quiet")
    assert ended.code == 0, ended.err
    scores = json.loads((tmp_path / "runs" / "both" / "base" / "seed-0" / "metrics.json").read_text())["scores"]["test"]
    assert {"label-micro-f1", "map"} <= set(scores["mixed"])
    assert "weighted-f1" in scores["emotion"]
