"""Data of somebody's own that does not fit: files, labels, splits; each mistake is one message."""

from pathlib import Path

import numpy as np
import pytest

from ercfw import FeatureTable

TABLE = """\
schema = 1
title = "A table"

[data]
use = "table"
root = "own"
modalities = ["audio"]
batch_size = 2

[encoder.audio]
use = "linear"
width = 4

[head.emotion]
use = "linear"

[loss.cross-entropy]

[train]
epochs = 1
device = "cpu"
"""
SIZES = {"train": (3, 1, 2), "dev": (2,), "test": (2,)}
ROWS = 10


@pytest.fixture
def table():
    """A small corpus in ``own/`` and a recipe for it; ``unlabelled`` names a split without labels."""

    def write(values: object = None, unlabelled: str = "", label: str = "joy") -> str:
        Path("own").mkdir(exist_ok=True)
        lines = ["conversation,utterance,speaker,text,label,split"]
        for split, sizes in SIZES.items():
            for number, size in enumerate(sizes):
                for place in range(size):
                    said = "" if split == unlabelled else ("anger", label)[len(lines) % 2]
                    lines.append(f"{split}{number},u{place},A,hello,{said},{split}")
        Path("own/utterances.csv").write_text("\n".join(lines) + "\n")
        np.save("own/audio.npy", values_of(ROWS) if values is None else values)
        Path("own.toml").write_text(TABLE)
        return "own.toml"

    return write


def values_of(rows: int, width: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)


def with_nan() -> np.ndarray:
    values = values_of(ROWS)
    values[3, 2] = np.nan
    return values


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (with_nan(), "own/audio.npy: utterance train1/u0 holds NaN or infinity"),
        (values_of(ROWS - 2), "own/audio.npy: has 8 rows, but the source has 10 utterances"),
        (values_of(ROWS)[0], "own/audio.npy: holds float32 of shape [4]"),
        (values_of(ROWS, 0), "own/audio.npy: holds float32 of shape [10, 0]"),
        (values_of(ROWS).astype(str), "own/audio.npy: holds <U32 of shape [10, 4]"),
        (values_of(ROWS).astype(object), "own/audio.npy: cannot be read..contains a pickle, which is never opened"),
    ],
    ids=["nan", "too-few", "one-dimension", "no-width", "text", "objects"],
)
def test_feature_files_that_do_not_fit(values, expected, cli, table):
    cli("run", table(values)).check(2, f"own.toml: [data] {expected}")
    assert not Path("runs").exists()


def test_a_feature_store_of_other_utterances(cli, table):
    recipe = table()
    Path("own/audio.npy").unlink()
    ids = tuple(("elsewhere", str(row)) for row in range(ROWS))
    FeatureTable(ids, values_of(ROWS), np.ones(ROWS, bool)).save(Path("own/audio.safetensors"))
    cli("run", recipe).check(2, "own/audio.safetensors: has no row for 10 utterances; the first is 'train0/u0'")


def test_a_model_of_another_width_gives_only_what_fits(cli, table):
    assert cli("run", table(), "--out", "first").code == 0
    table(values_of(ROWS, 3))
    ended = cli("run", "own.toml", "train.init_from=first/own/base/seed-0", "--out", "second")
    assert ended.code == 0
    assert "3 of 4 tensors taken" in ended.err


@pytest.mark.parametrize("split", ["train", "dev"])
def test_a_split_that_is_learnt_or_chosen_from_needs_labels(split, cli, table):
    cli("run", table(unlabelled=split)).check(2, f"split '{split}': has no labelled utterance")


def test_a_test_split_without_labels_is_predicted_and_not_scored(cli, table):
    assert cli("run", table(unlabelled="test")).code == 0
    folder = Path("runs/own/base/seed-0")
    assert "test has no labels: predicted, not scored" in (folder / "report.md").read_text()
    predicted = [line for line in (folder / "predictions.csv").read_text().splitlines() if line.startswith("test,")]
    assert len(predicted) == sum(SIZES["test"])
    release = cli("run", "own.toml", "train.protocol=release", "--out", "other")
    release.check(2, "own.toml: [train] protocol: 'release' chooses..on test, which has no label")


def test_labels_outside_the_classes_and_classes_without_labels(cli, table):
    recipe = table()
    cli("run", recipe, "data.classes=['anger']").check(2, "own.toml: [data] own/utterances.csv, line 2: ..'joy'")
    ended = cli("run", recipe, "data.classes=['anger','joy','awe']")
    assert ended.code == 0
    assert "warning: class 'awe' of 'emotion' has no utterance in train" in ended.err


def test_missing_files_and_folders(cli, table):
    recipe = table()
    cli("run", recipe, "features.audio.file=no.npy").check(
        2, "own.toml: [features.audio] file no.npy: there is no such feature file"
    )
    cli("run", recipe, "data.root=no").check(2, "own.toml: [data] no/utterances.csv: cannot be read: No such file")
    cli("run", recipe, "--drop", "data.root").check(2, "own.toml: [data] root: is not set")


def test_an_utterance_alone_in_its_batch_is_fine(cli, table):
    assert cli("run", table(), "data.batch_size=1", "loss.swfc={}", "loss.supcon={}").code == 0


@pytest.mark.parametrize("words", [(), ("features.audio.file=own/audio.npy",)], ids=["dataset", "features"])
def test_a_finished_run_is_not_taken_for_one_on_changed_features(words, cli, table):
    recipe = table()
    assert cli("run", recipe, *words).code == 0
    assert cli("run", recipe, *words).code == 0
    np.save("own/audio.npy", -values_of(ROWS))
    cli("run", recipe, *words).check(2, "was run on other data..own/audio.npy has changed")
    assert cli("run", recipe, *words, "--force").code == 0


def test_a_class_that_only_test_has_is_none(cli, table):
    recipe = table()
    path = Path("own/utterances.csv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], lines[-1].replace(lines[-1].split(",")[4], "zzz")]) + "\n")
    ended = cli("run", recipe)
    assert ended.code == 2
    assert "zzz" in ended.err
    assert cli("run", recipe, "data.classes=['anger','joy','zzz']").code == 0


@pytest.mark.parametrize("split", ["dev", "test"])
def test_weights_that_saw_what_they_are_judged_by_are_refused(split, cli, table):
    recipe = table()
    assert cli("run", recipe, "--out", "first").code == 0
    path = Path("own/utterances.csv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line[: -len("train")] + split if line.startswith("train0") else line for line in lines))
    ended = cli("run", recipe, "train.init_from=first/own/base/seed-0", "--out", "second")
    ended.check(2, f"[train] init_from: first/own/base/seed-0 was trained on 1 conversations of this run's {split}")


def store(present: list[bool]) -> None:
    rows = Path("own/utterances.csv").read_text().splitlines()[1:]
    ids = tuple(tuple(row.split(",")[:2]) for row in rows)
    Path("own/audio.npy").unlink(missing_ok=True)
    FeatureTable(ids, values_of(ROWS), np.array(present)).save(Path("own/audio.safetensors"))


def test_a_modality_that_train_never_has_is_refused(cli, table):
    recipe = table()
    store([False] * ROWS)
    cli("run", recipe).check(2, "[data] modalities: 'audio' is absent from every utterance of train")


def test_a_modality_that_most_utterances_lack_is_warned_of_and_counted(cli, table):
    recipe = table()
    store([True, True] + [False] * (ROWS - 3) + [True])
    ended = cli("run", recipe)
    assert ended.code == 0, ended.err
    assert "warning: stream 'audio' is present in only 2 of 6 utterances of train" in ended.err
    assert "train = 2 of 6" in Path("runs/own/base/seed-0/report.md").read_text()


def test_labels_that_differ_in_capitals_only_and_a_single_class_are_warned_of(cli, table):
    assert "differs from another class in capital letters only" in cli("run", table(label="Anger")).err
    assert "has a single class" in cli("run", table(label="anger"), "--force").err


def test_classes_that_are_numbers_and_classes_without_an_utterance_in_train_are_reported(cli, table):
    recipe = table()
    path = Path("own/utterances.csv")
    content = path.read_text().replace(",joy,", ",4,").replace(",anger,", ",2,")
    path.write_text(
        content.replace("test0,u1,A,hello,2", "test0,u1,A,hello,9").replace("test0,u1,A,hello,4", "test0,u1,A,hello,9")
    )
    ended = cli("run", recipe, 'data.classes=["2","4","9"]')
    assert ended.code == 0
    assert "warning: target 'emotion': the 3 classes are numbers, from '2' to '9'" in ended.err
    assert "warning: class '9' of 'emotion' has no utterance in train" in ended.err
