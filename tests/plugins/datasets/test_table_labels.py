"""Labels of a table that are scores, labels that are no class, and classes that only some conversations have."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ercfw.contract.conversation import UNLABELLED
from ercfw.data.audit.audit import check_corpus
from ercfw.data.train_statistics import describe_targets
from ercfw.errors import InputError
from ercfw_datasets.table import Table

SPLITS = ("train", "dev", "test")


@pytest.fixture
def corpus(tmp_path: Path) -> Callable[..., Path]:
    """``corpus(train=[...], dev=[...], test=[...])``: one conversation per split with these labels."""

    def write(**labels: list[str]) -> Path:
        lines = [f"{split},{n},{label},{split}" for split, found in labels.items() for n, label in enumerate(found)]
        (tmp_path / "utterances.csv").write_text("\n".join(["conversation,utterance,label,split", *lines, ""]))
        return tmp_path

    return write


def found(dataset: Table) -> list[list[str]]:
    names = [*dataset.targets["emotion"], ""]
    numbers = [[n for c in dataset.split(split) for n in c.labels["emotion"].tolist()] for split in SPLITS]
    return [[names[-1 if n == UNLABELLED else n] for n in of_split] for of_split in numbers]


def test_thresholds_make_classes_of_scores(corpus, silent):
    root = corpus(train=["-2.2", "0", "1e-3", ""], dev=["0.0", "-0.0"], test=["3", "-3"])
    dataset = silent(Table, root=root, thresholds=(0.0,), classes=("negative", "positive"))
    positive, negative = "positive", "negative"
    assert found(dataset) == [[negative, positive, positive, ""], [positive, positive], [positive, negative]]
    options = {"thresholds": (-0.5, 0.5), "classes": ("low", "middle", "high"), "labels": {"3": "", "-2.2": "0.5"}}
    assert found(silent(Table, root=root, **options)) == [
        ["high", "middle", "middle", ""], ["middle", "middle"], ["low"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thresholds": (0.0,)}, "1 thresholds make 2 classes, but classes names 0"),
        ({"thresholds": (0.0, 1.0), "classes": ("a", "b")}, "2 thresholds make 3 classes, but classes names 2"),
        ({"thresholds": (1.0, 1.0), "classes": ("a", "b", "c")}, r"\[data\] thresholds: do not increase"),
        ({"classes": ("1.5", "1.5")}, r"\[data\] classes: lists '1.5' twice"),
    ],
)
def test_thresholds_and_classes_that_do_not_fit(corpus, options, message):
    with pytest.raises(InputError, match=message):
        Table(root=corpus(train=["1.5"]), **options)


def test_what_is_no_number_between_thresholds_is_named(corpus):
    with pytest.raises(InputError) as raised:
        Table(root=corpus(train=["1.5", "?"], dev=["nan", "?"]), thresholds=(0.0,), classes=("a", "b"))
    first, second = map(str, raised.value.mistakes)
    assert "line 3: label: '?' is not a number" in first
    assert """leave it out: [data] labels = { "?" = "" }""" in first
    assert "line 4: label: 'nan' is not a number" in second


SCORES = [f"{number / 3:.2f}" for number in range(-5, 7)]


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (SCORES, ["2.10"]),
        ([*SCORES, "?", ""], ["?"]),
        ([str(10 * number) for number in range(-6, 6)], ["70"]),
    ],
)
def test_many_numbers_are_no_classes(corpus, train, test):
    with pytest.raises(InputError) as raised:
        Table(root=corpus(train=train, dev=train, test=test))
    (mistake,) = raised.value.mistakes
    assert "different numbers, from -" in mistake.what
    assert "[data] thresholds" in mistake.hint
    assert Table(root=corpus(train=train, dev=train, test=train), classes=tuple({*train} - {""})).split("test")


@pytest.mark.parametrize("labels", [[str(n) for n in range(28)], [str(n) for n in range(1, 33)], SCORES[:10]])
def test_codes_and_a_few_numbers_may_be_classes(corpus, silent, labels):
    assert silent(Table, root=corpus(train=labels, dev=labels, test=labels)).targets == {
        "emotion": tuple(sorted(labels))
    }


@pytest.mark.parametrize(
    ("labels", "level"),
    [(["0", "1", "2"], "note"), (["-1", "0", "1"], "doubtful"), (["1", "2", "3", "4", "5"], "doubtful"),
     (["0.0", "0.5"], "doubtful"), (["joy", "1"], None), (["joy"], None)],
)  # fmt: skip
def test_the_check_of_a_corpus_reports_classes_that_are_numbers(corpus, labels, level):
    dataset = Table(root=corpus(train=labels, dev=labels, test=labels))
    findings = [f for f in check_corpus(dataset, lambda *_: None) if "are numbers" in f.what]
    assert [finding.level for finding in findings] == ([level] if level else [])


def test_a_label_of_test_alone_shows_how_to_declare_it(corpus):
    with pytest.raises(InputError) as raised:
        Table(root=corpus(train=["joy", "sad"], dev=["joy"], test=["joy", "say", "fear"]))
    (mistake,) = raised.value.mistakes
    assert mistake.where.endswith("line 6")
    assert mistake.what == "not a class of this corpus: 'say', 'fear'"
    assert mistake.hint == (
        "did you mean 'sad'? known: joy, sad, the labels of train and dev; "
        "add it to [data] classes if it is a class, or rename it with [data] labels"
    )
    with pytest.raises(
        InputError, match=r"known: 1, 2, the labels of .*; if the labels are scores, set \[data\] thresh"
    ):
        Table(root=corpus(train=["1", "2"], dev=["1"], test=["3"]))
    with pytest.raises(InputError, match=r"known: joy; add it to \[data\] classes .* rename it"):
        Table(root=corpus(train=["joy", "sad"]), classes=("joy",))


def test_every_fold_has_the_class_of_a_single_conversation(tmp_path, silent):
    lines = [f"c{c},{u},{'fear' if c == u == 1 else ('joy', 'sad')[u]}" for c in range(6) for u in range(2)]
    (tmp_path / "utterances.csv").write_text("\n".join(["conversation,utterance,label", *lines, ""]))
    folds = [silent(Table, root=tmp_path, fold=fold, folds=3) for fold in range(3)]
    assert {fold.targets["emotion"] for fold in folds} == {("fear", "joy", "sad")}
    counts = [describe_targets(fold.split("train"), fold.targets)["emotion"].counts[0] for fold in folds]
    assert sorted(counts)[0] == 0
    assert ["fear" in labels for fold in folds for labels in found(fold)[2:]].count(True) == 1


def test_a_list_of_test_conversations_keeps_the_classes_of_the_corpus(corpus, silent):
    root = corpus(train=["joy"], dev=["sad"], test=["sad"])
    with (root / "utterances.csv").open("a") as file:
        file.write("rare,0,fear,train\n")
    assert silent(Table, root=root, test=("rare",)).targets == {"emotion": ("fear", "joy", "sad")}
