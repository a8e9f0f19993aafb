"""Second targets: MELD's sentiment, IEMOCAP's affect, and what simulated conversations have."""

from collections import Counter
from csv import DictReader

import numpy as np
import pytest

from ercfw.contract.targets import as_target
from ercfw.data.label_form import check_label_form, declared_targets
from ercfw.errors import InputError
from ercfw_datasets.iemocap import Iemocap
from ercfw_datasets.meld import Meld
from ercfw_datasets.simulated import Simulated

SPLITS = ("train", "dev", "test")
MELD = "Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,StartTime,EndTime"


def all_of(dataset) -> list:
    conversations = [c for split in SPLITS for c in dataset.split(split)]
    check_label_form(conversations, declared_targets(dataset.targets))
    return conversations


@pytest.fixture
def meld(tmp_path):
    for split in SPLITS:
        rows = ['Hi,Ann,joy,positive,0,0,"0:00:01,0","0:00:02,0"', 'No,Bob,anger,negative,0,1,"0:00:02,0","0:00:03,0"']
        (tmp_path / f"{split}_sent_emo.csv").write_text("\n".join([MELD, *rows, ""]), encoding="utf-8")
    return tmp_path


def test_meld_reads_its_sentiment_if_it_is_asked_for(meld) -> None:
    dataset = Meld(root=meld, targets=("sentiment", "emotion"))
    assert list(dataset.targets) == ["sentiment", "emotion"]
    assert dataset.targets["sentiment"] == ("negative", "neutral", "positive")
    for conversation in all_of(dataset):
        assert conversation.labels["sentiment"].tolist() == [2, 0]
        assert conversation.labels["emotion"].tolist() == [4, 6]
    assert dataset.published_counts == {}  # they are those of the emotion, which comes second


def test_meld_alone_has_the_emotion_only(meld) -> None:
    dataset = Meld(root=meld)
    assert list(dataset.targets) == ["emotion"]
    assert all(set(c.labels) == {"emotion"} for c in all_of(dataset))


def test_a_sentiment_that_meld_does_not_have_is_named(meld) -> None:
    path = meld / "dev_sent_emo.csv"
    path.write_text(path.read_text().replace("negative", "bad"))
    with pytest.raises(InputError, match=r"dev_sent_emo.csv, line 3: not a class of this corpus: 'bad'"):
        Meld(root=meld, targets=("emotion", "sentiment"))
    assert Meld(root=meld).targets  # not asked for, not read


def test_the_sentiments_of_the_real_meld_are_those_of_its_files(real_data) -> None:
    root = real_data("meld")
    dataset = Meld(root=root, targets=("emotion", "sentiment"))
    for split in SPLITS:
        with (root / f"{split}_sent_emo.csv").open(encoding="utf-8") as file:
            expected = Counter(row["Sentiment"] for row in DictReader(file))
        found = np.concatenate([c.labels["sentiment"] for c in dataset.split(split)])
        assert {dataset.targets["sentiment"][n]: k for n, k in Counter(found.tolist()).items()} == expected


def test_the_affect_of_iemocaps_release(tmp_path) -> None:
    from tests.plugins.datasets.test_iemocap_release import FIRST, dialog

    dialog(tmp_path, "Ses01F_impro01", FIRST)
    path = tmp_path / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    path.write_text(path.read_text().replace("[2.5000, 2.5000, 2.5000]", "[4.5000, 3.0000, 1.5000]", 1))
    dataset = Iemocap(root=tmp_path, targets=("emotion", "affect"))
    (first,) = dataset.split("train")
    assert as_target(dataset.targets["affect"]).names == ("valence", "activation", "dominance")
    np.testing.assert_array_equal(first.labels["affect"][0], np.float32([4.5, 3.0, 1.5]))
    np.testing.assert_array_equal(first.labels["affect"][1:], np.float32([[2.5] * 3] * 3))


def test_the_affect_of_iemocaps_table(tmp_path) -> None:
    names = ("Ses01F_impro01", "Ses01M_impro01", "Ses05F_impro01")
    header = "conversation,utterance,speaker,text,label,valence,activation,dominance"
    lines = [f"{name},{name}_F00{i},F,hm,hap,{numbers}" for name in names for i, numbers in enumerate(("4,3,2", ",,"))]
    (tmp_path / "utterances.csv").write_text("\n".join([header, *lines, ""]))
    dataset = Iemocap(root=tmp_path, targets=("affect",))
    assert list(dataset.targets) == ["affect"]
    for conversation in all_of(dataset):
        np.testing.assert_array_equal(conversation.labels["affect"], np.float32([[4, 3, 2], [np.nan] * 3]))
    (tmp_path / "utterances.csv").write_text("\n".join([header, lines[0].replace("4,3,2", "6,3,2"), *lines[1:], ""]))
    with pytest.raises(InputError, match=r"valence: 6 is out of range \(write a number from 1 to 5\)"):
        Iemocap(root=tmp_path, targets=("affect",))


EVERY = ("votes", "emotion", "sentiment", "affect", "moods")


@pytest.mark.parametrize("like", ["meld", "iemocap", "emorynlp", "dailydialog", "m3ed"])
def test_simulated_targets_follow_the_emotion_and_nothing_else_changes(like) -> None:
    dataset, plain = (Simulated(like=like, conversations=40, targets=t) for t in (EVERY, None))
    assert list(dataset.targets) == list(EVERY)
    for one, other in zip(all_of(dataset), all_of(plain), strict=True):
        assert (one.id, one.texts, one.speakers) == (other.id, other.texts, other.speakers)
        np.testing.assert_array_equal(one.labels["emotion"], other.labels["emotion"])
    np.testing.assert_array_equal(dataset.features("text").values, plain.features("text").values)
    again = Simulated(like=like, conversations=40, targets=("affect",))
    affect = {c.id: c.labels["affect"] for c in again.split("train")}
    assert all(np.array_equal(c.labels["affect"], affect[c.id]) for c in dataset.split("train"))


def test_most_simulated_annotators_name_the_emotion() -> None:
    dataset = Simulated(conversations=200, targets=("emotion", "votes"))
    names, kinds = dataset.targets["emotion"], as_target(dataset.targets["votes"]).names
    hits = [
        kinds[votes.argmax()] == names[label]
        for c in dataset.split("train")
        for votes, label in zip(c.labels["votes"], c.labels["emotion"], strict=True)
    ]
    assert 0.8 < np.mean(hits) < 1.0


def test_meld_without_data_has_simulated_sentiments() -> None:
    dataset = Meld(targets=("emotion", "sentiment"))
    assert dataset.provenance.simulated
    assert list(dataset.targets) == ["emotion", "sentiment"]
