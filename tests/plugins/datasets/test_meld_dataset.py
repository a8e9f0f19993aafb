"""MELD: the real annotation files, made ones with damage, and the simulated conversations in their place."""

import csv
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ercfw.contract.feature_table import FeatureTable
from ercfw.data.collate import collate
from ercfw.errors import InputError
from ercfw_datasets.meld import Meld

HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
SPLITS = ("train", "dev", "test")


def write(root, **lines):
    for split in SPLITS:
        rows = lines.get(split, ['1,Hi,Ann,joy,positive,0,0,1,1,"0:00:01,500","00:00:02,000"'])
        (root / f"{split}_sent_emo.csv").write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def meld(real_data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Meld(root=real_data("meld"))


def test_real_sizes(meld):
    sizes = {name: [len(c) for c in meld.split(name)] for name in SPLITS}
    assert {name: (len(n), sum(n)) for name, n in sizes.items()} == {
        "train": (1038, 9989), "dev": (114, 1109), "test": (280, 2610),
    }  # fmt: skip
    assert len(meld.rows) == len(set(meld.rows)) == 13708
    assert len(meld.source_train) == 9989
    assert not meld.provenance.simulated
    assert len(meld.provenance.files) == 3


def test_real_ids_keep_the_gaps_of_the_source(meld):
    train = {c.id: c for c in meld.split("train")}
    assert "train/60" not in train
    assert train["train/1"].utterances == ("0", "1", "2", "3", "4", "5", "8")
    gaps = [c for name in SPLITS for c in meld.split(name) if c.utterances != tuple(map(str, range(len(c))))]
    assert len(gaps) == 76


def test_real_rows_against_a_plain_reading(meld, real_data):
    for name in SPLITS:
        with (real_data("meld") / f"{name}_sent_emo.csv").open(encoding="utf-8", newline="") as file:
            source = list(csv.DictReader(file))
        mine = [
            (c.id, c.utterances[i], c.speakers[i], c.texts[i], meld.targets["emotion"][c.labels["emotion"][i]])
            for c in meld.split(name)
            for i in range(len(c))
        ]
        assert mine == [
            (f"{name}/{r['Dialogue_ID']}", r["Utterance_ID"], r["Speaker"], r["Utterance"], r["Emotion"])
            for r in source
        ]
    counts = Counter(label for c in meld.split("train") for label in c.labels["emotion"].tolist())
    assert [counts[i] for i in range(7)] == [4710, 1205, 268, 683, 1743, 271, 1109]
    assert sum("’" in text for c in meld.split("train") for text in c.texts) > 2000
    assert meld.split("train")[0].times[0] == pytest.approx((976.059, 981.731))
    assert all(time for name in SPLITS for c in meld.split(name) for time in c.times)


def test_features_are_read_by_row_or_by_id_and_only_when_asked_for(tmp_path):
    two = ["1,a,A,joy,x,0,0,1,1,t,t", "2,b,B,joy,x,0,3,1,1,t,t"]
    dataset = Meld(root=write(tmp_path, train=two))
    assert dataset.modalities == ("text", "audio", "visual")
    assert dataset.split("train")[0].times == ()  # no times there, and no utterance lost over it
    values = np.arange(8, dtype=np.float32).reshape(4, 2)
    np.save(tmp_path / "text.npy", values)
    table = dataset.features("text")
    assert table.ids == (("train/0", "0"), ("train/0", "3"), ("dev/0", "0"), ("test/0", "0"))
    FeatureTable(table.ids[::-1], values[::-1], np.ones(4, dtype=bool)).save(tmp_path / "audio.safetensors")
    for modality in ("text", "audio"):
        stored = dataset.features(modality).select(dataset.rows)
        np.testing.assert_array_equal(stored.read(np.arange(4)).values, values)
    read = {path.split("/")[-1] for path in dataset.provenance.files}
    assert read == {"text.npy", "audio.safetensors", *(f"{split}_sent_emo.csv" for split in SPLITS)}
    with pytest.raises(InputError, match=r"visual\.safetensors: there is no feature file for 'visual'"):
        dataset.features("visual")
    with pytest.raises(InputError, match="only simulated conversations can have simulated streams"):
        dataset.draw("visual", 3)


def test_feature_files_that_do_not_fit(tmp_path):
    dataset = Meld(root=write(tmp_path))
    ids = (*dataset.rows[:2], ("test/0", "1"))
    FeatureTable(ids, np.zeros((3, 1)), np.ones(3, dtype=bool)).save(tmp_path / "text.safetensors")
    with pytest.raises(InputError, match="has no row for 1 utterances; the first is 'test/0/0'"):
        dataset.features("text").select(dataset.rows)
    np.save(tmp_path / "text.npy", np.zeros((3, 1)))
    with pytest.raises(InputError, match=r"text\.safetensors: text\.npy exists, too"):
        dataset.features("text")
    np.save(tmp_path / "audio.npy", np.zeros((2, 1)))
    with pytest.raises(InputError, match=r"audio\.npy: has 2 rows, but the source has 3"):
        dataset.features("audio")


def test_bad_annotations(tmp_path):
    line = "1,Hi,Ann,{},x,0,{},1,1,t,t"
    write(tmp_path, dev=[line.format("joy", 0), line.format("happy", 1), line.format("bored", 2)])
    message = r"dev_sent_emo\.csv, line 3: not a class of this corpus: 'happy', 'bored'"
    with pytest.raises(InputError, match=message):
        Meld(root=tmp_path)
    write(tmp_path, test=[line.format("joy", 4), line.format("fear", 4)])
    with pytest.raises(InputError, match=r"line 3: utterance '4' of conversation '0' occurs twice"):
        Meld(root=tmp_path)
    write(tmp_path)
    (tmp_path / "dev_sent_emo.csv").unlink()
    with pytest.raises(InputError, match=r"dev_sent_emo\.csv: cannot be read: No such file"):
        Meld(root=tmp_path)


def test_simulated_only_when_nothing_was_named_and_nothing_is_there(tmp_path, monkeypatch):
    simulated = Meld(widths={"text": 8})
    assert simulated.provenance.simulated
    assert simulated.provenance.files == {}
    assert [len(simulated.split(name)) for name in SPLITS] == [1038, 114, 280]
    assert simulated.features("text").dim == 8
    assert simulated.draw("text", 5).dim == 5
    with pytest.raises(InputError, match="no folder elsewhere"):
        Meld(root=Path("elsewhere"))
    monkeypatch.setenv("ERCFW_REQUIRE_REAL", "1")
    with pytest.raises(InputError, match="ERCFW_REQUIRE_REAL forbids"):
        Meld()
    place = tmp_path / "data" / "meld"
    place.mkdir(parents=True)
    assert not Meld(root=write(place)).provenance.simulated
    assert not Meld().provenance.simulated


def test_something_real_but_incomplete_is_never_filled_up(tmp_path):
    place = tmp_path / "data" / "meld"
    place.mkdir(parents=True)
    (place / ".keep").touch()
    assert Meld().provenance.simulated
    np.save(place / "text.npy", np.zeros((3, 1)))
    with pytest.raises(InputError, match=r"train_sent_emo\.csv: cannot be read"):
        Meld()


def test_real_conversations_make_a_batch(meld):
    batch = collate(meld.split("dev")[:3])
    assert len(batch.ids) == sum(batch.inputs.layout.sizes) == len(batch.targets["emotion"])
