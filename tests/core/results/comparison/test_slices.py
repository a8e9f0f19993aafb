"""Slices hold the utterances that they say, and score them as scikit-learn does."""

import pytest
from sklearn.metrics import f1_score

from ercfw.results.comparison.slices import find_slices
from ercfw.results.finished_run import find_groups

CLASSES = ("joy", "anger")
ROWS = [
    # conversation, utterance, speaker, true, predicted, kind, new_speaker, lacks
    ("a", "0", "Ann", "joy", "joy", "scripted", "no", ""),
    ("a", "1", "Bob", "joy", "anger", "scripted", "yes", ""),
    ("a", "2", "Ann", "anger", "anger", "scripted", "no", "audio"),
    ("a", "3", "Bob", "", "joy", "scripted", "yes", ""),
    ("a", "4", "Bob", "joy", "joy", "scripted", "yes", ""),
    ("a", "5", "Ann", "anger", "joy", "scripted", "no", "audio visual"),
    ("b", "0", "Cem", "anger", "anger", "improvised", "no", ""),
]


COLUMNS = ("conversation", "utterance", "speaker", "emotion", "emotion.predicted", "kind", "new_speaker", "lacks")


def slices(left_run, rows, without=()):
    """Of a run that answered so; columns may be left out, as older runs do."""
    cells = [{name: cell for name, cell in zip(COLUMNS, row, strict=True) if name not in without} for row in rows]
    return find_slices(find_groups([left_run(cells, CLASSES)]), "test", "emotion")


def score(rows):
    return f1_score([r[3] for r in rows], [r[4] for r in rows], labels=CLASSES, average="weighted", zero_division=0)


def test_each_slice_holds_what_it_says(left_run):
    found = {(each.by, each.name): each for each in slices(left_run, ROWS)}
    by_hand = {
        ("emotion shift from the speaker's previous utterance", "no shift"): [5],  # Ann: anger, anger
        ("emotion shift from the speaker's previous utterance", "shift"): [
            2
        ],  # Ann: joy, anger; Bob's last is unlabelled
        ("emotion shift from the previous utterance", "no shift"): [1],
        ("emotion shift from the previous utterance", "shift"): [2, 5],
        ("position in the conversation", "1st"): [0, 6],
        ("position in the conversation", "2nd to 5th"): [1, 2, 4],
        ("position in the conversation", "6th to 10th"): [5],
        ("length of the conversation", "1 utterance"): [6],
        ("length of the conversation", "6 to 10"): [0, 1, 2, 4, 5],
        ("speaker", "not in train"): [1, 4],
        ("speaker", "also in train"): [0, 2, 5, 6],
        ("modalities", "all present"): [0, 1, 4, 6],
        ("modalities", "without audio"): [2],
        ("modalities", "without audio, visual"): [5],
        ("kind of conversation", "scripted"): [0, 1, 2, 4, 5],
        ("kind of conversation", "improvised"): [6],
    }
    assert set(found) == set(by_hand)
    for key, places in by_hand.items():
        assert found[key].utterances == len(places), key
        assert found[key].scores["base"] == [pytest.approx(score([ROWS[n] for n in places]))], key


def test_parts_stand_in_their_order(left_run):
    rows = [("a", str(n), "Ann", "joy", "joy", "", "no", "") for n in range(12)]
    rows += [(f"c{n}", "0", "Ann", "joy", "joy", "", "no", "") for n in range(2)]
    places = [s.name for s in slices(left_run, rows) if s.by.startswith("position")]
    assert places == ["1st", "2nd to 5th", "6th to 10th", "11th and later"]


def test_what_does_not_part_the_utterances_is_no_slice(left_run):
    assert slices(left_run, ROWS[-1:]) == []


def test_a_run_of_an_older_version_has_the_slices_that_it_can_have(left_run):
    found = slices(left_run, ROWS, without=("kind", "new_speaker", "lacks"))
    assert {each.by for each in found} == {
        "emotion shift from the speaker's previous utterance", "emotion shift from the previous utterance",
        "position in the conversation",
        "length of the conversation",
    }  # fmt: skip


def test_every_seed_has_its_score(runs):
    groups = find_groups([runs / "base", runs / "w-o-audio"])
    for each in find_slices(groups, "test", "emotion"):
        assert {name: len(values) for name, values in each.scores.items()} == {"base": 3, "w/o audio": 3}
