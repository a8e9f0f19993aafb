"""Tables: made ones with every kind of mistake, and the real MOSI table."""

from pathlib import Path

import numpy as np
import pytest

from ercfw.contract.conversation import UNLABELLED
from ercfw.errors import InputError
from ercfw_datasets.table import Table

HEADER = "split,conversation,utterance,speaker,text,label"
LINES = [
    "train,a,1,X,hello,joy",
    "train,a,2,Y,hm,other",
    "train,b,1,X,well,",
    "train,a,9,X,again,happy",
    "dev,c,1,X,no,anger",
    "test,d,1,Z,yes,joy",
]


@pytest.fixture
def root(tmp_path):
    (tmp_path / "utterances.csv").write_text("\n".join([HEADER, *LINES, ""]), encoding="utf-8")
    return tmp_path


def rewrite(root: Path, *lines: str, header: str = HEADER) -> Path:
    (root / "utterances.csv").write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return root


def splits(dataset: Table) -> dict[str, str]:
    found = {}
    for name in ("train", "dev", "test"):
        try:
            found |= {c.id: name for c in dataset.split(name)}
        except InputError:
            continue
    return found


def test_a_column_may_distinguish_kinds_of_conversations(root):
    rows = ["train,a,1,X,hello,joy,scripted", "dev,b,1,X,hm,joy, phone ", "test,c,1,X,hm,joy,"]
    dataset = Table(root=rewrite(root, *rows, header=f"{HEADER},sort"), columns={"kind": "sort"})
    assert [c.kind for split in ("train", "dev", "test") for c in dataset.split(split)] == ["scripted", "phone", ""]
    assert [c.kind for c in Table(root=rewrite(root, *LINES)).split("train")] == ["", ""], "no such column"


def test_lines_become_conversations(root):
    dataset = Table(root=root)
    assert dataset.targets == {"emotion": ("anger", "happy", "joy", "other")}
    first, second = dataset.split("train")
    assert (first.id, first.utterances, first.speakers) == ("a", ("1", "2", "9"), ("X", "Y", "X"))
    assert first.texts == ("hello", "hm", "again")
    assert first.labels["emotion"].tolist() == [2, 3, 1]
    assert second.labels["emotion"].tolist() == [UNLABELLED]
    assert list(dataset.rows) == [("a", "1"), ("a", "2"), ("b", "1"), ("a", "9"), ("c", "1"), ("d", "1")]


def test_labels_are_renamed_merged_and_dropped_but_rows_stay(root):
    dataset = Table(root=root, labels={"happy": "joy", "other": ""}, classes=("joy", "anger"))
    first, second = dataset.split("train")
    assert first.utterances == ("1", "9")
    assert first.labels["emotion"].tolist() == [0, 0]
    assert second.labels["emotion"].tolist() == [UNLABELLED]
    assert len(dataset.rows) == 6
    np.save(root / "audio.npy", np.arange(6.0)[:, None])
    assert dataset.modalities == ()  # listed when the table was read
    again = Table(root=root, labels={"other": ""})
    assert again.modalities == ("audio",)
    table = again.features("audio")
    assert table.select(first.ids).read(np.arange(2)).values.ravel().tolist() == [0, 3]


def test_a_conversation_that_loses_all_its_utterances_is_gone(root):
    dataset = Table(root=root, labels={"anger": ""})
    assert "c" not in splits(dataset)
    with pytest.raises(InputError, match=r"\[data\] dev: there is no conversation in the dev split"):
        dataset.split("dev")


def test_own_column_names_and_missing_columns(root):
    rewrite(root, "a,1,joy", "a,2,anger", "b,1,joy", header="dialogue,n,emotion")
    dataset = Table(
        root=root,
        columns={"conversation": "dialogue", "utterance": "n", "label": "emotion"},
        dev=("b",),
    )
    (first,) = dataset.split("train")
    assert (len(set(first.speakers)), first.texts) == (1, ("", ""))
    with pytest.raises(InputError, match=r"who: there is no such column \(\[data\] columns: speaker\)"):
        Table(root=root, columns={"conversation": "dialogue", "utterance": "n", "speaker": "who"}, classes=("x",))


def test_nothing_needs_a_label_when_the_classes_are_named(root):
    rewrite(root, "a,1", header="conversation,utterance")
    assert Table(root=root, classes=("joy",)).split("train")[0].labels["emotion"].tolist() == [UNLABELLED]
    with pytest.raises(InputError, match=r"label: there is no such column \(set \[data\] columns, or classes"):
        Table(root=root)


def test_lists_take_conversations_out_of_what_the_column_says(root):
    dataset = Table(root=root, dev=("b", "c"), test=("d",))
    assert splits(dataset) == {"a": "train", "b": "dev", "c": "dev", "d": "test"}
    assert dataset.source_train == {("a", "1"), ("a", "2"), ("a", "9"), ("b", "1")}
    rewrite(root, "a,1,joy", "b,1,joy", "c,1,joy", header="conversation,utterance,label")
    dataset = Table(root=root, dev=("b",), test=("c",))
    assert dataset.source_train == {("a", "1"), ("b", "1")}


def test_folds_cover_every_conversation_once_and_depend_on_names_alone(root):
    names = [f"talk-{n}" for n in range(23)]
    header = "conversation,utterance,label"
    rewrite(root, *(f"{name},{i},joy" for name in names for i in range(2)), header=header)
    folds = [splits(Table(root=root, fold=fold, folds=4)) for fold in range(4)]
    tested = [name for fold in folds for name, split in fold.items() if split == "test"]
    assert sorted(tested) == sorted(names)
    for fold, following in zip(folds, folds[1:] + folds[:1], strict=True):
        dev = {name for name, split in fold.items() if split == "dev"}
        assert dev == {name for name, split in following.items() if split == "test"}
        assert 5 <= len(dev) <= 6
    rewrite(root, *(f"{name},{i},joy" for name in names[::-1] for i in range(2)), header=header)
    assert splits(Table(root=root, fold=2, folds=4)) == folds[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dev": ("z",)}, r"\[data\] dev: z: there is no such conversation \(there are 4 conversations"),
        ({"dev": ("b",), "test": ("b",)}, "this conversation is also listed in dev"),
        ({"fold": 5}, r"there is no fold 5 \(choose 0 to 4\)"),
        ({"fold": 0}, "5 folds need at least 5 conversations, but there are 4"),
        ({"fold": 0, "dev": ("b",)}, "cannot be combined with dev or test"),
        ({"labels": {"hapy": "joy"}}, r"labels: hapy: no utterance has this label \(did you mean 'happy'"),
        ({"classes": ("joy", "happy")}, "line 3: not a class of this corpus: 'other', 'anger'"),
        ({"labels": {"other": "othr"}, "classes": ("joy", "happy", "anger", "other")}, "'othr'.*mean 'other'"),
        ({"utterances": "u.csv"}, r"u\.csv: cannot be read"),
    ],
)
def test_options_that_do_not_fit(root, options, message):
    with pytest.raises(InputError, match=message):
        Table(root=root, **options)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train,a,9,X,again,joy", "line 8: utterance '9' of conversation 'a' occurs twice .*line 5"),
        ("dev,a,10,X,again,joy", "line 8: split: conversation 'a' is in train and in dev"),
        ("held,e,1,X,again,joy", "line 8: split: 'held' is not a split"),
        ("train,,1,X,again,joy", "line 8: conversation: is empty"),
        ("train,a,1,X,so, what,joy", "line 8: has 7 fields"),
    ],
)
def test_a_bad_line_is_named(root, line, message):
    with pytest.raises(InputError, match=message):
        Table(root=rewrite(root, *LINES, line))


def test_a_root_is_needed():
    with pytest.raises(InputError, match=r"\[data\] root: is not set"):
        Table()


def test_labels_that_are_all_empty(root):
    with pytest.raises(InputError, match="no utterance has a label"):
        Table(root=rewrite(root, "train,a,1,X,hm,"))


def test_real_mosi(real_data):
    root = real_data("mosi")
    plain = Table(root=root)
    train = [c.id for c in plain.split("train")]
    assert (len(train), len(plain.split("test")), len(plain.rows)) == (62, 31, 2199)
    assert plain.targets == {"emotion": ("negative", "positive")}
    assert plain.modalities == ("audio", "text", "visual")
    dataset = Table(root=root, dev=tuple(train[:12]))
    kept = [c.id for c in dataset.split("train")]
    assert kept == train[12:]
    assert [c.id for c in dataset.split("dev")] == train[:12]
    assert dataset.source_train == plain.source_train == {id for c in plain.split("train") for id in c.ids}
    source = np.load(root / "audio.npy")
    place = {id: row for row, id in enumerate(dataset.rows)}
    table = dataset.features("audio")
    for c in dataset.split("test")[:5]:
        read = table.select(c.ids).read(np.arange(len(c)))
        np.testing.assert_array_equal(read.values, source[[place[id] for id in c.ids]])
    closest = train[0][:-1] + "?"
    with pytest.raises(InputError, match=f"did you mean '{train[0]}'"):
        Table(root=root, dev=(closest,))
