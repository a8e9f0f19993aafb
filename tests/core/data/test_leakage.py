"""Streams fitted on labels: stopped, stamped or warned of; clean ones are left in peace."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from ercfw.contract.conversation import Conversation, ConversationStream
from ercfw.contract.feature_table import FeatureTable
from ercfw.contract.stamps import DEV_CONTAMINATED
from ercfw.data import leakage as fitted
from ercfw.data.leakage import check_fitted, linear_scores
from ercfw.errors import InputError
from ercfw.system.user_folders import cache_folder

SPLITS = ("train", "dev", "test")


def split(name, conversations, rng, leak):
    """Conversations of five utterances, whose stream reveals the class as much as ``leak`` says."""
    made = []
    for number in range(conversations):
        labels = rng.integers(0, 3, 5)
        values = (leak * np.eye(3)[labels] + rng.standard_normal((5, 3))).astype(np.float32)
        made.append(
            Conversation(
                f"{name}/{number}", name, tuple("01234"), ("x",) * 5, ("",) * 5,
                {"emotion": labels}, {"text": ConversationStream(values, np.ones(5, bool))},
            )
        )  # fmt: skip
    return made


def splits(train_leak, dev_leak):
    rng = np.random.default_rng(0)
    return {
        "train": split("train", 40, rng, train_leak),
        "dev": split("dev", 20, rng, dev_leak),
        "test": split("test", 3, rng, 0),
    }


def ids(data, *names):
    return frozenset(id for name in names for c in data[name] for id in c.ids)


def check(data, fitted_on, allow=False, source=("train",)):
    return check_fitted("text", fitted_on, data, ids(data, *source), allow)


def test_what_meets_test_stops():
    data = splits(1, 1)
    with pytest.raises(InputError, match=r"features.text\] fitted_on: .* 1 utterances of test"):
        check(data, ids(data, "train") | {("test/0", "0")}, allow=True)


def test_what_meets_dev_stops_unless_it_is_allowed_and_stamped():
    data = splits(1, 1)
    with pytest.raises(InputError, match=r"100 utterances of dev.*allow_fitted_dev"):
        check(data, ids(data, "train", "dev"))
    assert check(data, ids(data, "train", "dev"), allow=True).stamps == (DEV_CONTAMINATED,)


def test_what_meets_neither_is_left_in_peace():
    data = splits(8, 0)
    for fitted_on in ("nothing", ids(data, "train")):
        found = check(data, fitted_on)
        assert found.stamps == found.warnings == ()


@pytest.mark.parametrize(("train_leak", "dev_leak", "warned"), [(6, 0, True), (6, 6, False), (0, 0, False)])
def test_unknown_is_warned_of_where_train_reveals_more_than_dev(train_leak, dev_leak, warned):
    found = check(splits(train_leak, dev_leak), "unknown")
    assert found.stamps == ()
    assert [("suggests that the features were fitted" in text) for text in found.warnings] == [True] * warned


@pytest.mark.parametrize(("leak", "warned"), [(6, True), (0, False)])
def test_a_dev_split_cut_out_of_train_cannot_clear_a_stream_that_reveals_much(leak, warned):
    found = check(splits(leak, leak), "unknown", source=("train", "dev"))
    assert ["no check here can detect it" in text for text in found.warnings] == [True] * warned


def as_numbers(classes):
    return np.stack([classes == 1, np.where(classes == 2, 3.0, -1.0)], 1).astype(np.float32)


def as_shares(classes):
    return np.where(np.eye(3)[classes] > 0, 0.8, 0.1).astype(np.float32)


@pytest.mark.parametrize("form", [as_numbers, as_shares], ids=["two numbers", "shares of annotators"])
@pytest.mark.parametrize(("train_leak", "dev_leak", "warned"), [(6, 0, True), (6, 6, False), (0, 0, False)])
def test_labels_of_every_form_are_checked(form, train_leak, dev_leak, warned):
    data = {
        name: [replace(c, labels={"emotion": form(c.labels["emotion"])}) for c in conversations]
        for name, conversations in splits(train_leak, dev_leak).items()
    }
    data["train"][0].labels["emotion"][0] = np.nan
    found = check(data, "unknown")
    assert [("suggests that the features were fitted" in text) for text in found.warnings] == [True] * warned


def test_numbers_are_divided_where_they_divide_train_most_evenly():
    """Of these, the second: half of it is above its median. What equals the median is not above it."""
    train = np.array([[0, 1, 5], [0, 2, 5], [0, 3, 5], [1, 4, 9]], np.float32)
    dev = np.array([[1, 2.5, 5], [0, 2.6, 9]], np.float32)
    assert [each.tolist() for each in fitted._classes(train, dev)] == [[0, 0, 1, 1], [0, 1]]
    assert [len(each) for each in fitted._classes(train, np.zeros(0, np.float32))] == [4, 0]


def test_scores_are_cached_by_content():
    data = splits(2, 1)
    first = linear_scores("text", data["train"], data["dev"])
    (path,) = (cache_folder() / "fitted").iterdir()
    assert json.loads(path.read_text()) == list(first[:2])
    path.write_text("[1.5, 2.5]")
    assert linear_scores("text", data["train"], data["dev"])[:2] == (1.5, 2.5)
    linear_scores("text", data["train"], data["dev"][1:])
    assert len(list((cache_folder() / "fitted").iterdir())) == 2


def test_of_a_large_split_some_conversations_stand_for_all(monkeypatch):
    data = splits(2, 1)
    expected = linear_scores("text", data["train"][::2], data["dev"])
    monkeypatch.setattr(fitted, "SAMPLE", 100)  # of 200 utterances of train, and 100 of dev
    assert linear_scores("text", data["train"], data["dev"]) == expected
    assert len(list((cache_folder() / "fitted").iterdir())) == 1


def test_absent_and_unlabelled_rows_are_not_read():
    data = splits(5, 5)
    clean = linear_scores("text", data["train"], data["dev"])
    for conversation in data["train"]:
        stream = conversation.streams["text"]
        stream.values[0], stream.present[0] = 1e6, False
        stream.values[1] = -1e6
        conversation.labels["emotion"][1] = -100
    dirty = linear_scores("text", data["train"], data["dev"])
    assert abs(clean[0] - dirty[0]) < 5
    assert abs(clean[1] - dirty[1]) < 5


# ---- the whole way, from a recipe

RECIPE = """
schema = 1
title = "Fitted"
[data]
use = "table"
root = "{root}"
modalities = ["text"]
{data}
{features}
[encoder.text]
use = "linear"
width = 4
[head.emotion]
use = "linear"
[loss.cross-entropy]
[train]
epochs = 1
"""


@pytest.fixture
def corpus(tmp_path):
    """A table with a stream of vectors, and what to put into a recipe on it."""

    def write(train_leak, dev_leak, features="", data="", fitted_on=None):
        found = splits(train_leak, dev_leak)
        root = tmp_path / "corpus"
        root.mkdir(exist_ok=True)
        with (root / "utterances.csv").open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["split", "conversation", "utterance", "label"])
            for name in SPLITS:
                for c in found[name]:
                    out.writerows(
                        [name, c.id, u, "abc"[y]] for u, y in zip(c.utterances, c.labels["emotion"], strict=True)
                    )
        everything = [c for name in SPLITS for c in found[name]]
        values = np.concatenate([c.streams["text"].values for c in everything])
        if fitted_on is None:
            np.save(root / "text.npy", values)
        else:
            all_ids = tuple(id for c in everything for id in c.ids)
            FeatureTable(all_ids, values, np.ones(len(values), bool), fitted_on=ids(found, *fitted_on)).save(
                root / "text.safetensors"
            )
        path = tmp_path / "fitted.toml"
        table = f"[features.text]\n{features}" if features else ""
        path.write_text(RECIPE.format(root=root, features=table, data=data))
        return path

    return write


def test_a_store_that_was_fitted_on_test_ends_the_command(cli, corpus, tmp_path):
    ended = cli("run", corpus(1, 1, fitted_on=SPLITS))
    assert ended.code == 2
    assert "was fitted on 15 utterances of test" in ended.err
    assert not (tmp_path / "runs").exists()


def test_a_store_that_was_fitted_on_dev_needs_leave_and_is_stamped(cli, corpus, tmp_path):
    path = corpus(1, 1, fitted_on=("train", "dev"))
    ended = cli("run", path)
    assert ended.code == 2
    assert "allow_fitted_dev" in ended.err
    assert cli("run", path, "data.allow_fitted_dev=true").code == 0
    folder = tmp_path / "runs/fitted/base/seed-0"
    for name in ("recipe.toml", "metrics.json", "environment.json", "history.jsonl", "predictions.csv", "report.md"):
        assert DEV_CONTAMINATED in (folder / name).read_text(), name
    assert DEV_CONTAMINATED.encode() in (folder / "model.safetensors").read_bytes()[:4000]
    assert json.loads((folder / "metrics.json").read_text())["stamps"] == [DEV_CONTAMINATED]


def test_fitted_on_train_is_no_trouble_when_dev_is_a_split_of_its_own(cli, corpus):
    ended = cli("run", corpus(6, 0, features='fitted_on = "train"\nfile = "corpus/text.npy"'))
    assert ended.code == 0, ended.err
    assert "warning" not in ended.err


def test_an_array_of_unknown_making_is_warned_of(cli, corpus, tmp_path):
    ended = cli("run", corpus(6, 0, features='file = "corpus/text.npy"'))
    assert ended.code == 0, ended.err
    assert "suggests that the features were fitted on the training labels" in " ".join(ended.err.split())
    assert "suggests that the features were fitted" in (tmp_path / "runs/fitted/base/seed-0/report.md").read_text()


MOSI = """
schema = 1
title = "MOSI arrays"
[data]
use = "table"
root = "{root}"
modalities = ["{modality}"]
dev = {dev}
[encoder.default]
use = "linear"
width = 4
[head.emotion]
use = "linear"
[loss.cross-entropy]
[train]
epochs = 1
"""


@pytest.mark.slow
@pytest.mark.parametrize(("modality", "accused"), [("text", True), ("visual", True), ("audio", False)])
def test_real_arrays_that_were_fitted_on_labels_are_reported_and_clean_ones_are_not(
    cli, real_data, tmp_path, modality, accused
):
    root = real_data("mosi")
    with (root / "utterances.csv").open(encoding="utf-8") as file:
        train = sorted({row["conversation"] for row in csv.DictReader(file) if row["split"] == "train"})
    path = tmp_path / "mosi.toml"
    path.write_text(MOSI.format(root=root, modality=modality, dev=json.dumps(train[::5][:12])))
    ended = cli("run", path)
    assert ended.code == 0, ended.err
    assert (f"stream '{modality}'" in ended.err) == accused
    assert "SIMULATED" not in ended.err + ended.out


def test_columns_of_noise_as_many_as_rows_cost_few_points():
    rng = np.random.default_rng(0)
    data = splits(4, 4)
    clean = linear_scores("text", data["train"], data["dev"])

    def with_noise(conversation):
        values = conversation.streams["text"].values
        noise = rng.standard_normal((len(values), 157)).astype(np.float32)  # 160 rows in each fold's train
        stream = ConversationStream(np.hstack([values, noise]), np.ones(len(values), bool))
        return conversation.with_streams({"text": stream})

    noisy = linear_scores("text", *([with_noise(c) for c in data[name]] for name in ("train", "dev")))
    assert clean[0] > 90
    assert noisy[0] > clean[0] - 20  # with a fixed penalty of 1: 32 points less
    assert noisy[1] > clean[1] - 20


def test_without_a_cache_the_scores_are_computed_every_time(monkeypatch, tmp_path):
    data = splits(2, 1)
    expected = linear_scores("text", data["train"], data["dev"])
    monkeypatch.delenv("ERCFW_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "absent"))
    assert linear_scores("text", data["train"], data["dev"]) == expected
    (tmp_path / "file").touch()
    monkeypatch.setenv("ERCFW_CACHE", str(tmp_path / "file"))  # cannot hold a file
    assert linear_scores("text", data["train"], data["dev"]) == expected
