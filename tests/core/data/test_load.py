"""From a dataset to splits with streams: what is refused, what is drawn, what is stamped and hashed."""

import csv
import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from ercfw.contract.conversation import UNLABELLED, ConversationStream
from ercfw.data.collate import collate
from ercfw.data.load import load_data, make_dataset
from ercfw.data.train_statistics import make_data_info
from ercfw.errors import InputError
from ercfw.experiment.plan import Selection, plan_jobs
from ercfw.recipe.overrides import parse_overrides
from ercfw.recipe.recipe_file import read_toml

EXTRACTOR = """
from ercfw import Extractor, hookimpl


class Never(Extractor):
    reads = "text"
    fingerprint = "0" * 64

    def __init__(self, *, dim: int = 5) -> None:
        self.dim = dim

    def extract(self, conversation):
        raise AssertionError("must not run on simulated conversations")


@hookimpl
def provide_extractors():
    return {"never": Never}
"""


@pytest.fixture
def load(tiny_recipe):
    """The data of the tiny recipe; ``change`` is laid over a split's conversations."""

    def go(*words, change=None, dropped=(), **recipe):
        choice = Selection(overrides=parse_overrides(words), dropped=dropped)
        (job,) = plan_jobs(read_toml(tiny_recipe(**recipe)), choice)
        dataset = make_dataset(job.parts.dataset)
        if change is not None:
            given = dataset.split
            dataset.split = lambda name: change(name, list(given(name)))
        return load_data(job.recipe, job.parts.extractors, dataset, lambda *_: None)

    return go


def info(data):
    return make_data_info(data.splits["train"], data.targets)


def test_splits_streams_and_what_a_model_is_given(load):
    data = load()
    assert [len(data.splits[name]) for name in ("train", "dev", "test")] == [12, 1, 3]
    values = np.concatenate([c.streams["text"].values for c in data.splits["train"]])
    assert values.shape == (sum(map(len, data.splits["train"])), 8)
    np.testing.assert_allclose(info(data).modalities["text"].mean, values.mean(0), atol=1e-5)
    labels = np.concatenate([c.labels["emotion"] for c in data.splits["train"]])
    assert info(data).targets["emotion"].counts == tuple(np.bincount(labels, minlength=7))
    assert info(data).modalities.keys() == {"text", "audio"}
    assert data.stamps == ("SIMULATED",)


def test_a_model_learns_nothing_of_dev_and_test(load):
    def louder(name, conversations):
        return (
            conversations
            if name == "train"
            else [replace(c, labels={"emotion": c.labels["emotion"] * 0}) for c in conversations]
        )

    assert info(load(change=louder)) == info(load())


def unlabel(split):
    def change(name, conversations):
        bare = [replace(c, labels={"emotion": np.full(len(c), UNLABELLED)}) for c in conversations]
        return bare if name == split else conversations

    return change


@pytest.mark.parametrize("split", ["train", "dev"])
def test_train_and_dev_need_labels(load, split):
    with pytest.raises(InputError, match=f"split '{split}': has no labelled utterance"):
        load(change=unlabel(split))


def test_test_needs_none(load):
    assert len(load(change=unlabel("test")).splits["test"]) == 3


def test_a_conversation_stands_in_one_split_and_is_not_empty(load):
    def leak(name, conversations):
        return (
            [*conversations, replace(taken["train"][0], split=name)]
            if name == "dev"
            else taken.setdefault(name, conversations)
        )

    taken = {}
    with pytest.raises(InputError, match=r"split 'dev': conversation train/0: is also in split 'train'"):
        load(change=leak)

    def hollow(name, conversations):
        return [
            replace(
                conversations[0],
                id="none",
                utterances=(),
                speakers=(),
                texts=(),
                labels={"emotion": np.zeros(0, np.int64)},
            ),
            *conversations,
        ]

    with pytest.raises(InputError, match="conversation none: has no utterances"):
        load(change=lambda name, conversations: hollow(name, conversations) if name == "test" else conversations)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (('data.modalities=["text","adio"]',), "has no modality 'adio'.*did you mean 'audio'"),
        (("encoder.tetx.use=linear",), "has no modality 'tetx'.*did you mean 'text'"),
        (("head.emotoin.use=linear", "loss.cross-entropy.target=emotion"), "no target 'emotoin'.*you mean 'emotion'"),
    ],
)  # fmt: skip
def test_what_the_data_does_not_have_is_reported(load, words, says):
    with pytest.raises(InputError, match=says):
        load(*words)


def test_a_table_for_a_modality_that_is_left_out_is_ignored(load):
    assert info(load('data.modalities=["text"]', "encoder.audio.use=linear")).modalities.keys() == {"text"}


def test_on_simulated_conversations_an_extractor_gives_only_its_width(load, plugin_file):
    plugin_file(EXTRACTOR)
    data = load("features.text.use=never", "features.text.dim=11", top='plugins = ["./mine.py"]\n')
    assert info(data).modalities["text"].dim == 11
    assert info(data).modalities["audio"].dim == 6
    assert "simulated" in data.streams["text"].made_by


def test_a_class_that_train_lacks_is_warned_of(load):
    def narrow(name, conversations):
        return [
            replace(c, labels={"emotion": np.where(c.labels["emotion"] == 3, 0, c.labels["emotion"])})
            for c in conversations
        ]

    assert "class 'sadness' of 'emotion' has no utterance in train" in load(change=narrow).warnings


REAL = """
schema = 1
title = "Real"
[data]
use = "table"
root = "corpus"
modalities = ["text"]
[features.text]
file = "elsewhere.npy"
fitted_on = "nothing"
[encoder.text]
use = "linear"
[head.emotion]
use = "linear"
[loss.cross-entropy]
[train]
epochs = 1
"""


@pytest.fixture
def table(tmp_path):
    """A real corpus of thirty utterances: no stand-in, so no stamp."""
    (tmp_path / "corpus").mkdir()
    rows = [(s, f"{s}{n}", u, "ab"[(n + u) % 2]) for s in ("train", "dev", "test") for n in range(2) for u in range(5)]
    with (tmp_path / "corpus/utterances.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("split", "conversation", "utterance", "label"), *rows])
    np.save(tmp_path / "elsewhere.npy", np.random.default_rng(0).standard_normal((30, 3)).astype(np.float32))
    (tmp_path / "real.toml").write_text(REAL)
    return tmp_path


def test_real_data_is_hashed_and_has_no_stamp(cli, table, monkeypatch):
    monkeypatch.setenv("ERCFW_REQUIRE_REAL", "1")
    ended = cli("run", "real.toml", "--json")
    assert ended.code == 0, ended.err
    (metrics,) = json.loads(ended.out)
    assert metrics["stamps"] == []
    expected = {
        name: hashlib.sha256((table / name).read_bytes()).hexdigest()
        for name in ("corpus/utterances.csv", "elsewhere.npy")
    }
    assert metrics["data"]["files"] == expected
    assert metrics["data"]["simulated"] is False
    for path in (table / metrics["folder"]).iterdir():
        assert b"SIMULATED" not in path.read_bytes(), path
    assert "SIMULATED" not in ended.err
    report = (table / metrics["folder"] / "report.md").read_text()
    assert all(digest in report for digest in expected.values())


def carrying(given, *modalities):
    """A dataset's ``split``, whose conversations carry ones ``[U, 2]``."""

    def ones(size):
        return ConversationStream(np.ones((size, 2), np.float32), np.ones(size, bool))

    def split(name):
        return [c.with_streams({modality: ones(len(c)) for modality in modalities}) for c in given(name)]

    return split


@pytest.mark.parametrize("modalities", [("own", "text"), ("text", "own")])
def test_streams_of_a_file_and_of_the_conversations_stand_in_the_order_of_the_recipe(table, modalities):
    words = parse_overrides(
        [f"data.modalities={json.dumps(modalities)}", "encoder.own.use=linear", "fusion.use=concat"]
    )
    (job,) = plan_jobs(read_toml(table / "real.toml"), Selection(overrides=words))
    dataset = make_dataset(job.parts.dataset)
    dataset.split, dataset.modalities = carrying(dataset.split, "own"), modalities
    data = load_data(job.recipe, job.parts.extractors, dataset, lambda *_: None)
    assert tuple(info(data).modalities) == modalities
    streams = collate(data.splits["dev"]).inputs.streams
    assert streams["own"].values.tolist() == [[1, 1]] * 10
    np.testing.assert_array_equal(streams["text"].values, np.load(table / "elsewhere.npy")[10:20])


def test_a_file_that_the_recipe_names_goes_before_what_the_conversations_carry(table):
    (job,) = plan_jobs(read_toml(table / "real.toml"), Selection())
    dataset = make_dataset(job.parts.dataset)
    dataset.split = carrying(dataset.split, "text")
    data = load_data(job.recipe, job.parts.extractors, dataset, lambda *_: None)
    values = collate(data.splits["test"]).inputs.streams["text"].values
    np.testing.assert_array_equal(values, np.load(table / "elsewhere.npy")[20:])


def test_a_changed_file_is_not_taken_for_the_one_that_was_run(cli, table):
    assert cli("run", "real.toml").code == 0
    path = table / "corpus/utterances.csv"
    path.write_text(path.read_text().replace("dev0,0,a", "dev0,0,b"))
    ended = cli("run", "real.toml")
    assert ended.code == 2
    assert "corpus/utterances.csv has changed" in ended.err


def test_the_stand_in_can_be_forbidden(cli, tiny_recipe, monkeypatch):
    recipe = tiny_recipe()
    words = ["data.use=meld", "data.widths={text=4, audio=4, visual=4}"]
    monkeypatch.setenv("ERCFW_REQUIRE_REAL", "1")
    ended = cli("run", recipe, *words)
    assert ended.code == 2
    assert "ERCFW_REQUIRE_REAL forbids simulated data" in ended.err


def test_simulated_conversations_take_no_real_file(load):
    with pytest.raises(InputError, match=r"\[features.text\] file: is set, but the data is simulated.*data.root"):
        load("features.text.file=text.npy")
