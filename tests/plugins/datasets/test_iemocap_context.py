"""IEMOCAP with its unlabelled utterances kept as context: in a table, in the corpus itself, and simulated."""

import csv
import json

import numpy as np
import pytest

from ercfw.contract.conversation import Clip
from ercfw.data.collate import collate
from ercfw.errors import InputError
from ercfw_datasets.iemocap import Iemocap
from tests.plugins.datasets.test_iemocap_release import FIRST, dialog, film

NAMES = ("Ses01F_impro01", "Ses01M_impro01", "Ses05F_impro01")
MOODS = ("xxx", "hap", "sur", "", "frustration", "neu")


@pytest.fixture
def table(tmp_path):
    lines = ["conversation,utterance,speaker,text,label,valence,activation,dominance"]
    lines += [f"{name},{name}_{'FM'[i % 2]}{i:03},{'FM'[i % 2]},{i},{mood},4,3,2"
              for name in NAMES for i, mood in enumerate(MOODS)]  # fmt: skip
    (tmp_path / "utterances.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return tmp_path


def labelled(dataset):
    return [
        (c.id, text, label)
        for split in ("train", "test")
        for c in dataset.split(split)
        for text, label in zip(c.texts, c.labels["emotion"].tolist(), strict=True)
        if label != -100
    ]


@pytest.fixture
def release(tmp_path):
    more = "Ses01F_impro01_M009 [008.2500-008.2900]: Eh?\nSes01F_impro01_M008 [1.2.3-004.0000]: When?\n"
    dialog(tmp_path, "Ses01F_impro01", FIRST, more)
    return tmp_path


def test_other_labels_stay_without_one(table, silent):
    dataset = silent(Iemocap, root=table, context="all")
    (first,) = dataset.split("train")
    assert first.texts == ("0", "1", "2", "3", "4", "5")
    assert first.labels["emotion"].tolist() == [-100, 0, -100, -100, 5, 2]
    assert list(dataset.targets) == ["emotion"]
    assert dataset.provenance.source == "IEMOCAP, 18 utterances, 9 of them of the six classes"
    assert dataset.published_counts
    batch = collate(dataset.split("train"))
    assert batch.inputs.layout.sizes == (6,)
    assert batch.targets["emotion"].tolist() == first.labels["emotion"].tolist()


def test_by_default_they_leave_their_conversations(table, silent):
    plain, without = silent(Iemocap, root=table), silent(Iemocap, root=table, context=None)
    for dataset in (plain, without):
        assert dataset.split("train")[0].texts == ("1", "3", "4", "5")
        assert dataset.provenance.source == "IEMOCAP, 12 utterances of the six classes"
    kept = silent(Iemocap, root=table, context="all")
    assert kept.rows == plain.rows
    assert labelled(kept) == labelled(plain)


def test_so_do_classes_that_the_recipe_does_not_have(table, silent, reported):
    four = silent(Iemocap, root=table, context="all", labels={"exc": "happiness", "fru": ""})
    assert four.targets["emotion"] == ("happiness", "sadness", "neutral", "anger")
    assert four.split("train")[0].labels["emotion"].tolist() == [-100, 0, -100, -100, -100, 2]
    chosen, warnings = reported(Iemocap, root=table, context="all", classes=("neu", "hap"))
    assert chosen.split("train")[0].labels["emotion"].tolist() == [-100, 1, -100, -100, -100, 0]
    assert warnings == [
        "[data] classes: utterances of sadness, anger, excitement, frustration are unlabelled; labels merges classes"
    ]


def test_they_have_no_numbers_either(table, silent):
    dataset = silent(Iemocap, root=table, context="all", targets=("affect",))
    (first,) = dataset.split("train")
    assert list(first.labels) == ["affect"]
    assert np.isnan(first.labels["affect"]).all(1).tolist() == [True, False, True, True, False, False]
    plain = silent(Iemocap, root=table, targets=("affect",))
    assert not np.isnan(plain.split("train")[0].labels["affect"]).any()


def test_speakers_of_context_count(table, silent):
    (first,) = silent(Iemocap, root=table, context="all").split("train")
    assert first.speakers == ("F", "M", "F", "M", "F", "M")
    (by_gender,) = silent(Iemocap, root=table, context="all", parties="gender").split("train")
    assert by_gender.parties == (1, 0, 1, 0, 1, 0)


def test_the_corpus_itself(release, reported):
    path = film(release, "Ses01F_impro01")
    dataset, warnings = reported(Iemocap, root=release, context="all")
    (first,) = dataset.split("train")
    order = ("F000", "M009", "M000", "F001", "F002", "M002", "M001")
    assert first.utterances == tuple(f"Ses01F_impro01_{place}" for place in order)
    assert first.labels["emotion"].tolist() == [2, -100, 5, -100, 0, 4, -100]
    assert first.texts[1] == "Eh?"
    assert first.speakers[1] == "Ses01_M"
    assert first.times[1] == (8.25, 8.29)
    assert first.clips[1] == Clip(path, 8.25, 8.29, half="right")
    assert warnings == ["IEMOCAP: utterances without an evaluation, which are left out: 1 (Ses01F_impro01_M008)"]
    assert len(dataset.rows) == 7
    plain, _ = reported(Iemocap, root=release)
    assert len(plain.rows) == 6


def test_a_clip_of_context_that_is_missing_is_reported(release, sound, reported):
    folder = release / "Session1" / "sentences" / "wav" / "Ses01F_impro01"
    for place in ("F000", "M000", "F002", "M002", "M009"):
        sound(folder / f"Ses01F_impro01_{place}.wav")
    _, warnings = reported(Iemocap, root=release, context="all")
    assert any("clips that are missing: 2 (Ses01F_impro01 Ses01F_impro01_F001" in said for said in warnings)
    _, warnings = reported(Iemocap, root=release)
    assert not any("clips" in said for said in warnings)


def test_simulated_conversations_keep_what_labels_would_leave_out():
    options = {"labels": {"fru": ""}, "targets": ("emotion", "affect"), "widths": {"text": 4}}
    kept, plain = Iemocap(context="all", **options), Iemocap(**options)
    full = Iemocap(targets=("affect", "emotion"), widths={"text": 4})
    for one, other, whole in zip(*(d.split("dev") for d in (kept, plain, full)), strict=True):
        unlabelled = one.labels["emotion"] == -100
        assert (unlabelled == (whole.labels["emotion"] == 5)).all()
        assert (np.isnan(one.labels["affect"]).all(1) == unlabelled).all()
        assert list(whole.labels) == ["affect", "emotion"]
        assert len(one) == len(whole)
        np.testing.assert_array_equal(one.labels["affect"][~unlabelled], other.labels["affect"])
        np.testing.assert_array_equal(whole.labels["affect"][~unlabelled], other.labels["affect"])


RECIPE = """\
schema = 1
title = "With context"
data = { use = "iemocap", root = ".", modalities = ["text"], dev = "session4" }
features.text = { file = "text.npy", fitted_on = "nothing" }
encoder.text = { use = "linear", width = 4 }
context.text = { use = "gru" }
head.emotion = { use = "linear" }
loss.cross-entropy = {}
train = { epochs = 1, device = "cpu" }
"""


def test_context_is_read_and_never_scored(tmp_path, cli):
    names = ("Ses01F_impro01", "Ses02F_impro01", "Ses04F_impro01", "Ses05F_impro01")
    lines = [f"{name},{name}_F{i:03},F,hm,{mood}" for name in names for i, mood in enumerate(MOODS)]
    (tmp_path / "utterances.csv").write_text("\n".join(["conversation,utterance,speaker,text,label", *lines, ""]))
    np.save(tmp_path / "text.npy", np.random.default_rng(0).normal(size=(len(lines), 3)).astype("f4"))
    (tmp_path / "own.toml").write_text(RECIPE)
    read = {}
    for out, words in {"plain": (), "all": ("data.context=all",)}.items():
        ended = cli("run", "own.toml", *words, "--out", out)
        assert ended.code == 0, ended.err
        (folder,) = (tmp_path / out).glob("**/seed-0")
        assert ('context = "all"' in (folder / "recipe.toml").read_text()) == (out == "all")
        with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
        scored = [row["emotion"] == row["emotion.predicted"] for row in rows if row["emotion"]]
        read[out] = len(rows), len(scored)
        scores = json.loads((folder / "metrics.json").read_text())["scores"]["test"]
        assert scores["emotion"]["accuracy"] == pytest.approx(np.mean(scored))
    assert read == {"plain": (4, 3), "all": (6, 3)}


def test_another_context_is_refused(table, cli):
    ended = cli("data", "stats", "iemocap", f"data.root={table}", "data.context=some")
    assert ended.code == 2
    assert "[data] context" in ended.err


def test_a_label_that_is_unknown_is_still_a_mistake(table):
    path = table / "utterances.csv"
    path.write_text(path.read_text().replace(",neu,", ",neutrall,"))
    with pytest.raises(InputError, match="not a class of this corpus: 'neutrall'"):
        Iemocap(root=table, context="all")
