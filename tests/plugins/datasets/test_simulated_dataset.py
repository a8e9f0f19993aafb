"""Simulated conversations: the shape of the real ones, help from context and from a second modality."""

from collections import Counter

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from threadpoolctl import threadpool_limits

from ercfw.errors import InputError
from ercfw_datasets.emorynlp import EmoryNlp
from ercfw_datasets.meld import Meld
from ercfw_datasets.simulated import Simulated

SPLITS = ("train", "dev", "test")
BANDS = {"length": 0.3, "deviation": 0.5, "speakers": 0.25, "stay": 0.03, "own": 0.03, "other": 0.03, "share": 0.03}


def shape_of(dataset) -> dict[str, float | np.ndarray]:
    train = dataset.split("train")
    sizes = [len(c) for c in train]
    same = {"stay": [], "own": [], "other": []}
    for c in train:
        labels, last = c.labels["emotion"].tolist(), {}
        for place, (speaker, label) in enumerate(zip(c.speakers, labels, strict=True)):
            if speaker in last:
                same["own"].append(last[speaker] == label)
            if place:
                same["stay"].append(c.speakers[place - 1] == speaker)
                if c.speakers[place - 1] != speaker:
                    same["other"].append(labels[place - 1] == label)
            last[speaker] = label
    counts = Counter(label for c in train for label in c.labels["emotion"].tolist())
    return {
        "length": np.mean(sizes),
        "deviation": np.std(sizes),
        "speakers": np.mean([len(set(c.speakers)) for c in train]),
        "share": np.array([counts[i] for i in range(7)]) / sum(sizes),
        **{name: np.mean(values) for name, values in same.items()},
    }


@pytest.mark.parametrize(("like", "corpus"), [("meld", Meld), ("emorynlp", EmoryNlp)])
def test_the_shape_of_a_real_corpus(real_data, like, corpus):
    real, drawn = shape_of(corpus(root=real_data(like))), shape_of(Simulated(like=like, seed=3))
    for name, band in BANDS.items():
        assert np.abs(real[name] - drawn[name]).max() < band, (name, real[name], drawn[name])


def test_sizes_of_the_corpora():
    for like, sizes, utterances, classes in (
        ("meld", (1038, 114, 280), (9989, 1109, 2610), 7),
        ("emorynlp", (659, 89, 79), (7551, 954, 984), 7),
        ("iemocap", (108, 12, 31), (5163, 647, 1623), 6),
    ):
        dataset = Simulated(like=like)
        for name, size, many in zip(SPLITS, sizes, utterances, strict=True):
            split = dataset.split(name)
            assert len(split) == size
            assert sum(map(len, split)) == pytest.approx(many, rel=0.13)
        assert len(dataset.targets["emotion"]) == classes
    assert all(len(set(c.speakers)) == 2 for c in dataset.split("train"))


def test_dailydialog_and_m3ed_have_two_speakers():
    shapes = {like: shape_of(Simulated(like=like, conversations=400)) for like in ("dailydialog", "m3ed")}
    for like, length, stay in (("dailydialog", 7.84, 0.0), ("m3ed", 25.4, 0.652)):
        assert shapes[like]["speakers"] == pytest.approx(2, abs=0.01)  # one may be silent
        assert shapes[like]["length"] == pytest.approx(length, abs=0.6)
        assert shapes[like]["stay"] == pytest.approx(stay, abs=0.02)
    assert Simulated(like="dailydialog", conversations=4).modalities == ("text",)
    assert Simulated(like="dailydialog", conversations=4, widths={"audio": 3}).modalities == ("text", "audio")


def matrix(dataset, split, streams, neighbours):
    """The streams of each utterance, and with ``neighbours`` those before, after and last by the speaker."""
    xs, ys = [], []
    for c in dataset.split(split):
        x = np.concatenate([table.select(c.ids).read(np.arange(len(c))).values for table in streams], 1)
        if neighbours:
            own, last = np.zeros_like(x), {}
            for place, speaker in enumerate(c.speakers):
                if speaker in last:
                    own[place] = x[last[speaker]]
                last[speaker] = place
            edge = np.zeros_like(x[:1])
            x = np.concatenate([x, np.concatenate([edge, x[:-1]]), np.concatenate([x[1:], edge]), own], 1)
        xs.append(x)
        ys.append(c.labels["emotion"])
    return np.concatenate(xs), np.concatenate(ys)


def held_out(dataset, modalities, neighbours=False) -> float:
    streams = [dataset.draw(modality, 24) for modality in modalities]
    x, y = matrix(dataset, "train", streams, neighbours)
    x_test, y_test = matrix(dataset, "test", streams, neighbours)
    with threadpool_limits(1):  # many threads on a busy machine take ten times as long
        guess = LogisticRegression(max_iter=200, C=0.01).fit(x, y).predict(x_test)
    return f1_score(y_test, guess, average="weighted")


@pytest.mark.slow
@pytest.mark.parametrize("like", ["meld", "iemocap", "emorynlp"])
def test_context_helps_and_modalities_add_to_each_other(like):
    dataset = Simulated(like=like)
    text = held_out(dataset, ["text"])
    assert held_out(dataset, ["text"], neighbours=True) > text + 0.005
    both = held_out(dataset, ["text", "audio"])
    assert both > text + 0.02
    assert both > held_out(dataset, ["audio"]) + 0.02


def test_signal_sets_how_much_a_stream_reveals():
    none, much = (Simulated(conversations=300, signal={"text": signal}) for signal in (0.0, 3.0))
    assert held_out(none, ["text"]) < 0.45
    assert held_out(much, ["text"]) > 0.8


def test_drawn_by_seed_and_nothing_else():
    one, same, other = (Simulated(conversations=20, seed=seed) for seed in (1, 1, 2))
    np.random.seed(5)
    for dataset, equal in ((same, True), (other, False)):
        labels = [np.concatenate([c.labels["emotion"] for c in d.split("train")]) for d in (one, dataset)]
        assert np.array_equal(*labels) == equal
        assert np.array_equal(one.features("audio").values, dataset.features("audio").values) == equal
    assert not np.array_equal(one.draw("text", 4).values, one.draw("audio", 4).values)


def test_smaller_widths_and_the_words_simulated():
    dataset = Simulated(conversations=10, widths={"sound": 3, "text": 4})
    assert [len(dataset.split(name)) for name in SPLITS] == [10, 1, 3]
    assert set(dataset.modalities) == {"text", "audio", "visual", "sound"}
    assert [dataset.features(m).dim for m in ("text", "audio", "sound")] == [4, 512, 3]
    assert dataset.provenance.simulated
    assert "simulated" in dataset.provenance.source
    assert all("imulated" in text for c in dataset.split("train") for text in c.texts)
    assert dataset.source_train == {id for c in dataset.split("train") for id in c.ids}
    with pytest.raises(InputError, match="did you mean 'sound'"):
        dataset.features("sond")
    with pytest.raises(InputError, match=r"signal: txt: there is no such modality \(did you mean 'text'"):
        Simulated(signal={"txt": 1.0})


@pytest.mark.slow
def test_tokens_are_as_frequent_as_words_and_some_depend_on_the_class():
    dataset = Simulated(conversations=300)
    table, same = (dataset.draw("text", 5000, tokens=True) for _ in range(2))
    assert np.array_equal(table.values, same.values)
    assert table.vocabulary == 5000
    assert table.lengths.min() >= 1
    assert 7 < table.lengths.mean() < 9
    assert table.lengths.sum() == len(table.values)
    ids = [id for name in SPLITS for c in dataset.split(name) for id in c.ids]
    assert table.ids == tuple(ids)
    counts = np.zeros((len(ids), 5000), np.float32)
    np.add.at(counts, (np.repeat(np.arange(len(ids)), table.lengths), table.values), 1)
    labels = np.concatenate([c.labels["emotion"] for name in SPLITS for c in dataset.split(name)])
    train = len([id for c in dataset.split("train") for id in c.ids])
    with threadpool_limits(1):
        guess = LogisticRegression(C=0.05, max_iter=300).fit(counts[:train], labels[:train]).predict(counts[train:])
    majority = np.full(len(ids) - train, np.bincount(labels[:train]).argmax())
    scored, blind = (f1_score(labels[train:], answer, average="weighted") for answer in (guess, majority))
    assert scored > blind + 0.2


def test_real_conversations_draw_no_tokens(real_data):
    with pytest.raises(InputError, match="only simulated conversations can have simulated streams"):
        Meld(root=real_data("meld")).draw("text", 10, tokens=True)
