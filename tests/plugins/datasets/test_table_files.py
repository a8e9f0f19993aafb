"""A corpus in several files, one per split or not, and conversations that several columns name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ercfw.errors import InputError
from ercfw_datasets.table import Table

OWN = {"conversation": "scene", "utterance": "turn", "label": "mood"}
ROWS = ["1,0,glad,1,1", "1,1,sad,1,1", "1,0,sad,1,2"]
SPLITS = ("train", "dev", "test")


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., Path]:
    """``files({"train.csv": ROWS})``: files with these lines below the same header."""

    def write(contents: dict[str, list[str]], header: str = "scene,turn,mood,Season,Episode_ID") -> Path:
        for name, lines in contents.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("\n".join([header, *lines, ""]), encoding="utf-8")
        return tmp_path

    return write


def names(dataset: Table) -> list[list[str]]:
    return [[c.id for c in dataset.split(split)] for split in SPLITS]


def distinct(*numbers: int) -> list[str]:
    return [f"{number},{turn},{mood},1,1" for number in numbers for turn, mood in enumerate(("glad", "sad"))]


@pytest.mark.parametrize(
    "found",
    [
        ("train.csv", "dev.csv", "test.csv"),
        ("Corpus_Train.csv", "Corpus_Valid.csv", "Corpus_Test.csv"),
        ("my-train-2.csv", "my-validation-2.csv", "my-testing-2.csv"),
    ],
)
def test_a_file_for_each_split_is_found(files, silent, found):
    root = files({name: distinct(place) for place, name in enumerate(found)})
    dataset = silent(Table, root=root, columns=OWN)
    assert names(dataset) == [["0"], ["1"], ["2"]]
    assert dataset.source_train == {("0", "0"), ("0", "1")}
    assert list(dataset.provenance.files) == [str(root / name) for name in found]
    assert Table.table_to_make(root) is None


def test_one_of_them_alone_brings_the_others_with_a_warning(files, reported):
    root = files({f"{split}.csv": distinct(place) for place, split in enumerate(SPLITS)})
    dataset, warnings = reported(Table, root=root, columns=OWN, utterances="train.csv")
    assert names(dataset) == [["0"], ["1"], ["2"]]
    assert warnings == [
        f"table {root}: train.csv, dev.csv, test.csv: reading all of them; [data] utterances lists the files"
    ]


def test_a_file_that_the_recipe_splits_stays_alone(files, silent):
    root = files({"train.csv": distinct(0, 1, 2), "dev.csv": distinct(3), "test.csv": distinct(4)})
    options = {"root": root, "columns": OWN, "utterances": "train.csv"}
    assert names(silent(Table, **options, dev=("1",), test=("2",))) == [["0"], ["1"], ["2"]]
    in_folds = silent(Table, **options, fold=0, folds=3)
    assert sorted(name for found in names(in_folds) for name in found) == ["0", "1", "2"]


def test_the_recipe_says_the_split_of_each_file(files, silent):
    header = "scene,turn,mood,split"
    root = files({name: [f"{name[0]},0,glad,train"] for name in ("a.csv", "b.csv", "c.csv")}, header)
    chosen = {"test": "a.csv", "train": "c.csv", "dev": "b.csv"}
    assert names(silent(Table, root=root, columns=OWN, utterances=chosen)) == [["c"], ["b"], ["a"]]


def test_files_that_are_no_splits_are_one_table(files, silent):
    root = files({"session1.csv": distinct(1), "session2.csv": distinct(2, 3)})
    np.save(root / "audio.npy", np.arange(6.0)[:, None])
    options = {"columns": OWN, "utterances": ("session2.csv", "session1.csv"), "dev": ("1",), "test": ("3",)}
    dataset = silent(Table, root=root, **options)
    assert names(dataset) == [["2"], ["1"], ["3"]]
    table = dataset.features("audio")
    assert table.select((("1", "0"),)).read(np.arange(1)).values.tolist() == [[4.0]], "rows are in the given order"


@pytest.mark.parametrize("use_splits", [True, False])
def test_files_that_number_their_conversations_anew(files, reported, use_splits):
    first, second = ("train.csv", "dev.csv") if use_splits else ("a.csv", "b.csv")
    root = files({first: distinct(1, 2), second: distinct(1)})
    dataset, warnings = reported(Table, root=root, columns=OWN, utterances=(first, second))
    before = ("train", "dev") if use_splits else ("a", "b")
    assert list(dict.fromkeys(id for id, _ in dataset.rows)) == [f"{before[0]}/1", f"{before[0]}/2", f"{before[1]}/1"]
    (warning,) = warnings
    assert "several files have a conversation '1' (1 such names)" in warning
    assert f"such as '{before[0]}/1'" in warning


def test_several_columns_name_a_conversation(files, silent):
    columns = {**OWN, "conversation": ("Season", "Episode_ID", "scene")}
    root = files({"utterances.csv": [*ROWS, "7,0,glad,1,2"]})
    assert [c.id for c in silent(Table, root=root, columns=columns).split("train")] == ["1/1/1", "1/2/1", "1/2/7"]
    root = files({"utterances.csv": ["1,0,glad,1, ", "1,1,glad,1,2"]})
    with pytest.raises(InputError, match="line 2: Season/Episode_ID/scene: is empty"):
        Table(root=root, columns=columns)
    with pytest.raises(InputError, match=r"Episode: there is no such column .*did you mean 'Episode_ID'"):
        Table(root=root, columns={**OWN, "conversation": ("Episode", "scene")})


def test_columns_of_all_files_are_found_where_ids_are_repeated(files, reported):
    root = files({"train.csv": distinct(1), "dev.csv": ROWS, "test.csv": ["4,0,glad,1,1"]})
    dataset, warnings = reported(Table, root=root, columns=OWN)
    assert names(dataset) == [["train/1/1/1"], ["dev/1/1/1", "dev/1/2/1"], ["test/1/1/4"]]
    composed, renamed = warnings
    assert "dev.csv, line 4: utterance '0' of conversation '1' occurs twice" in composed
    assert "so the columns Season, Episode_ID, scene together name the conversation" in composed
    assert "several files have a conversation '1/1/1'" in renamed


def test_an_utterance_that_really_occurs_twice_is_a_mistake(files):
    root = files({"utterances.csv": [*ROWS, "1,0,sad,1,2"]})
    with pytest.raises(InputError, match="line 4: utterance '0' of conversation '1' occurs twice"):
        Table(root=root, columns=OWN)


def test_a_conversation_in_two_splits_shows_how_to_name_it_by_both(files):
    root = files({"utterances.csv": ["1,0,glad,train", "1,1,sad,dev"]}, "scene,turn,mood,split")
    message = r"in train and in dev .*\[data\] columns = \{ conversation = \[\"split\", \"scene\"\] \}"
    with pytest.raises(InputError, match=message):
        Table(root=root, columns=OWN)


@pytest.mark.parametrize(
    ("utterances", "message"),
    [
        ((), r"\[data\] utterances: names no file"),
        (("train.csv", "more.csv"), r"more\.csv: neither a column nor the name of the file says its split .*train = "),
        (("train.csv", "dev.csv"), r"dev\.csv: cannot be read"),
        ({"train": "train.csv", "dev": "d.csv"}, r"d\.csv: cannot be read"),
    ],
)
def test_files_that_do_not_fit(files, utterances, message):
    root = files({"train.csv": distinct(1), "more.csv": distinct(2)})
    with pytest.raises(InputError, match=message):
        Table(root=root, columns=OWN, utterances=utterances)


def test_a_table_of_its_own_comes_before_files_of_splits(files, silent):
    root = files({"utterances.csv": distinct(8), "train.csv": distinct(1), "dev.csv": distinct(2)})
    assert [c.id for c in silent(Table, root=root, columns=OWN).split("train")] == ["8"]


def test_real_emorynlp(real_data, reported):
    columns = {"utterance": "Utterance_ID", "speaker": "Speaker", "text": "Utterance", "label": "Emotion"}
    whole = {**columns, "conversation": ("Season", "Episode", "Scene_ID")}
    dataset, warnings = reported(Table, root=real_data("emorynlp"), columns=whole)
    assert warnings == []
    sizes = [(len(found), sum(map(len, found))) for found in map(dataset.split, SPLITS)]
    assert sizes == [(659, 7551), (89, 954), (79, 984)]
    assert len(dataset.targets["emotion"]) == 7
    options = {"columns": {**columns, "conversation": "Scene_ID"}, "utterances": "emorynlp_train_final.csv"}
    guessed, warnings = reported(Table, root=real_data("emorynlp"), **options)
    assert guessed.rows == dataset.rows
    assert ["together name the conversation" in warnings[0], "reading all of them" in warnings[1]] == [True, True]
