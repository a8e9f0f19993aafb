"""Every check of a corpus, where it fires and where it does not."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from ercfw.contract.conversation import ConversationStream
from ercfw.contract.feature_table import FeatureTable
from ercfw.data.audit.audit import check_corpus
from ercfw_datasets.table import Table

SPLITS = ("train",) * 6 + ("dev",) * 2 + ("test",) * 2
UTTERANCES = 5


@pytest.fixture
def own(tmp_path):
    """``own(change)``: a corpus of ten sound conversations, its rows changed by the test; the findings of it."""
    root = tmp_path / "own"
    root.mkdir()

    def make(change=lambda rows: rows, streams=None):
        rows = [
            {"conversation": f"{split}/{number}", "utterance": str(n), "speaker": "AB"[n % 2], "split": split,
             "label": ("calm", "wild")[(number + n) % 2], "start": str(2 * n), "end": str(2 * n + 1.5),
             "text": f"This is what is said in {number} at place {n}"}
            for number, split in enumerate(SPLITS) for n in range(UTTERANCES)
        ]  # fmt: skip
        rows = change(rows)
        with (root / "utterances.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        ids = tuple((row["conversation"], row["utterance"]) for row in rows)
        labels = np.array([row["label"] == "wild" for row in rows])
        for name, values in (streams or {}).items():
            table = (
                values
                if isinstance(values, FeatureTable)
                else FeatureTable(ids, values(labels), np.ones(len(ids), bool))
            )
            table.save(root / f"{name}.safetensors")
        return [(f.level, f.about, f.what) for f in check_corpus(Table(root=root), lambda *_: None)]

    return make


def of(found, level):
    return [f"{about}: {what}" for at, about, what in found if at == level]


def noise(labels, seed=0, width=6):
    return np.random.default_rng(seed).normal(size=(len(labels), width)).astype("f4")


def renumbered(rows):
    """Each split counts its conversations from 0, so that none is left out."""
    first = {}
    for row in rows:
        split, _, number = row["conversation"].partition("/")
        row["conversation"] = f"{split}/{int(number) - first.setdefault(split, int(number))}"
    return rows


def test_a_sound_corpus(own):
    found = own(renumbered, {"text": noise})
    assert of(found, "wrong") == of(found, "doubtful") == of(found, "known") == []
    assert "train: utterance ids of 6 conversations: no gaps, in order" in of(found, "fine")
    assert "train: times of 30 utterances: in order" in of(found, "fine")
    assert "stream 'text': 50 rows of width 6, one for every utterance" in of(found, "fine")
    assert "stream 'text': columns: none constant, none duplicate, all of similar scale" in of(found, "fine")
    assert any("no sign of label leakage" in line for line in of(found, "fine"))
    assert "all splits: no conversation of 10 words or more occurs twice" in of(found, "fine")


def edit(where, **values):
    """A change of the rows at these places."""

    def change(rows):
        for place in where:
            rows[place].update(values)
        return rows

    return change


def without(*places):
    return lambda rows: [row for place, row in enumerate(rows) if place not in places]


def same_texts(rows):
    """Conversation 8, of test, says what conversation 0 says."""
    for place in range(UTTERANCES):
        rows[8 * UTTERANCES + place]["text"] = rows[place]["text"].upper() + "!"
    return rows


def twice_in_train(rows):
    for place in range(UTTERANCES):
        rows[UTTERANCES + place]["text"] = rows[place]["text"]
    return rows


@pytest.mark.parametrize(
    ("change", "level", "says"),
    [
        (without(2), "note", "train: conversations whose utterance ids have gaps: 1 (train/0: 0-1 3-4)"),
        (edit([1], utterance="9"), "doubtful",
         "train: conversations whose utterance ids are not in order: 1 (train/0)"),
        (without(*range(5, 10)), "note", "train: conversation numbers that are missing: 1 (1)"),
        (edit([7], end="90"), "doubtful", "train: utterances longer than 60 s: 1 (train/1/2: 86.0 s)"),
        (edit([7], start="", end=""), "doubtful", "train: utterances without readable times: 1 (train/1/2)"),
        (edit([7], start="1", end="2"), "note",
         "train: utterances that begin before the previous one: 1 of 30 (train/1/2)"),
        (edit([6], end="9"), "note",
         "train: utterances that begin before the previous one ends: 1 of 30 (train/1/2)"),
        (edit([7], label=""), "note", "train, emotion: utterances without a label: 1"),
        (edit(range(30, 40), label="calm"), "doubtful", "dev, emotion: no utterance of class 'wild'"),
        (edit([7], text=" "), "doubtful", "train: utterances with empty texts: 1 of 30 (train/1/2)"),
        (edit([7], speaker=""), "doubtful", "train: utterances with empty speakers: 1 of 30 (train/1/2)"),
        (without(*range(6, 10)), "note", "train: conversations of one utterance: 1 of 6"),
        (same_texts, "wrong", "all splits: conversations that occur in several splits: 1 (train/0 = test/8)"),
        (same_texts, "note", "test: texts that also occur in train: 5 of 10 (50.0 %); 5 of them have 5 words or more"),
        (twice_in_train, "doubtful", "all splits: conversations that occur twice in a split: 1 (train/0 = train/1)"),
        (edit([40], speaker="C"), "note", "test: utterances by speakers who are not in train: 1 (10.0 %)"),
    ],
)  # fmt: skip
def test_annotations(own, change, level, says):
    assert says in of(own(change), level)


@pytest.mark.parametrize(
    "says",
    [
        "gaps",
        "not in order",
        "readable",
        "longer",
        "before the previous one",
        "one ends",
        "empty",
        "twice in",
        "in several",
    ],
)
def test_annotations_that_are_sound(own, says):
    assert not any(says in what for level, _, what in own(renumbered) if level != "fine")


def table(ids, **more):
    values = np.random.default_rng(0).normal(size=(len(ids), 3)).astype("f4")
    return FeatureTable(tuple(ids), values, np.ones(len(ids), bool), **more)


IDS = [(f"{split}/{number}", str(n)) for number, split in enumerate(SPLITS) for n in range(UTTERANCES)]


def large(labels):
    values = noise(labels)
    values[:, 2] *= 1e5
    return values


def constant(labels):
    values = noise(labels)
    values[:, 1] = 3
    return values


def doubled(labels):
    values = noise(labels)
    values[:, 4] = values[:, 1]
    return values


def zeros(labels):
    values = noise(labels)
    values[:3] = 0
    return values


def repeated(labels):
    values = noise(labels)
    values[10:20] = values[0]
    return values


def fitted(labels):
    """Train's labels, and noise for the rest, as features have that were fitted on train's labels."""
    values = noise(labels)
    values[:30, 0] = labels[:30] * 4
    return values


def absent(ids):
    values = table(ids)
    present = np.ones(len(ids), bool)
    present[:20] = False
    return FeatureTable(values.ids, values.values * present[:, None], present)


@pytest.mark.parametrize(
    ("stream", "level", "says"),
    [
        (table(IDS[1:]), "wrong", "utterances without a row: 1 (train/0/0)"),
        (table([*IDS, ("train/0", "99")]), "doubtful", "rows of utterances that are not in the corpus: 1 (train/0/99)"),
        (absent(IDS), "doubtful", "train: utterances that lack it: 20 of 30"),
        (constant, "doubtful", "constant columns: 1 (1)"),
        (doubled, "doubtful", "duplicate columns: 1 (1 = 4)"),
        (large, "doubtful", "columns whose standard deviation is over 1000 times the median: 1 (2)"),
        (large, "doubtful", "; use an encoder with standardise = true"),
        (zeros, "doubtful", "rows of zeros that are not marked absent: 3"),
        (repeated, "doubtful", "rows equal to the row of another utterance: 10 of 50"),
        (fitted, "wrong", "looks fitted on the training labels"),
        (table(IDS, fitted_on=frozenset(IDS[:32])), "wrong", "was fitted on the labels of 2 utterances of dev"),
        (table(IDS, provenance={"labels": "50 of 50 agree"}), "fine", "when they were imported: 50 of 50 agree"),
        (table(IDS, provenance={"extractor": "minilm"}), "fine", "made by extractor 'minilm'"),
        (table(IDS, provenance={"labels": "not compared"}), "note", "it is not verified that its rows belong"),
        (table(IDS), "note", "it is not verified that its rows belong to these utterances"),
        (FeatureTable(tuple(IDS), np.ones((100, 2), "f4"), np.ones(50, bool), np.full(50, 2)), "note",
         "it has no single vectors"),
    ],
)  # fmt: skip
def test_streams(own, stream, level, says):
    found = own(streams={"text": stream, "sound": noise})
    assert any(says in line for line in of(found, level) if line.startswith("stream 'text'")), found
    assert not any(says in line for line in of(found, level) if line.startswith("stream 'sound'") and level != "note")


def test_a_file_that_cannot_be_read(own, tmp_path):
    own(streams={"text": noise})
    (tmp_path / "own" / "text.safetensors").write_bytes(b"rubbish")
    found = [
        (f.level, f.what) for f in check_corpus(Table(root=tmp_path / "own"), lambda *_: None) if "stream" in f.about
    ]
    assert [level for level, _ in found] == ["wrong"]
    assert "is not a feature store" in found[0][1]


class Carrying(Table):
    """Conversations that bring their values themselves."""

    def split(self, name):
        values = {c.id: noise(c.utterances, seed=place) for place, c in enumerate(super().split(name))}
        return [
            c.with_streams({"text": ConversationStream(values[c.id], np.ones(len(c), bool))})
            for c in super().split(name)
        ]


def test_streams_that_conversations_carry(own, tmp_path):
    own()
    dataset = Carrying(root=tmp_path / "own")
    dataset.modalities = ("text",)
    found = check_corpus(dataset, lambda *_: None)
    assert any(f.what == "50 rows of width 6, one for every utterance" for f in found)


class Unrepaired(Table):
    """A dataset with a reader of its own, which keeps control characters."""

    def split(self, name):
        return [replace(c, texts=("It\x92s me", *c.texts[1:])) for c in super().split(name)]


def test_texts_with_control_characters(own, tmp_path):
    own()
    found = [f.what for f in check_corpus(Unrepaired(root=tmp_path / "own"), lambda *_: None) if f.about == "dev"]
    assert "texts with invisible control characters, which tokenizers misread: 2 (dev/6/0, dev/7/0)" in found


def test_names_of_large_numbers(own):
    """Numbers that no list of missing ones could hold, and more digits than Python reads."""

    def change(rows):
        renumbered(rows)
        for row in rows[:UTTERANCES]:
            row["conversation"] = "train/" + "9" * 15
        rows[-1]["utterance"] = "1" * 5000
        return rows

    found = own(change)
    missing = 10**15 - 6
    assert f"train: conversation numbers that are missing: {missing} (0, 6, 7 and {missing - 3} more)" in of(
        found, "note"
    )
