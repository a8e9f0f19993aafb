"""Tables: rubbish, damaged ones, odd names and settings, files of corpora; what was found by them stands first."""

import csv
import io
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ercfw.data.collate import collate
from ercfw.data.load import load_data, make_dataset
from ercfw.data.train_statistics import make_data_info
from ercfw.experiment.plan import Selection, plan_jobs
from ercfw.recipe.overrides import parse_overrides
from ercfw.recipe.recipe_file import read_toml

RECIPE = """\
schema = 1
title = "A table"
data = { use = "table", root = "own", modalities = ["audio"] }
features.audio = { file = "audio.npy", fitted_on = "nothing" }
encoder.audio = { use = "linear", width = 4 }
head.emotion = { use = "linear" }
loss.cross-entropy = {}
train = { epochs = 1, device = "cpu" }
"""
HEADER = ["conversation", "utterance", "speaker", "text", "label", "split"]
ROWS = [
    [f"{split}{number}", f"u{place}", "AB"[place % 2], 'Well, "no"', ["joy", "anger"][place % 2], split]
    for split, sizes in {"train": (3, 1, 2), "dev": (2, 2), "test": (2,)}.items()
    for number, size in enumerate(sizes)
    for place in range(size)
]
MELD_HEADER = ["Sr No.", "Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID", "StartTime", "EndTime"]
MELD = [
    [str(n), "Oh, hi\u2019", "Ross", ["joy", "fear"][n % 2], str(n // 3), str(n), "00:16:16,059", "00:16:21,731"]
    for n in range(6)
]
EMORYNLP_HEADER = [
    "Utterance", "Speaker", "Emotion", "Scene_ID", "Utterance_ID", "Season", "Episode", "Start_Time", "End_Time",
]  # fmt: skip
EMORYNLP = [
    ["Oh, hi", ["['Ross']", "['Ann', \"O'Hara\"]"][n % 2], ["Mad", "Sad"][n % 2], str(n // 3), str(n), "1", "2",
     "00:00:01.5", "00:00:02.5"]
    for n in range(6)
]  # fmt: skip


def written(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


@pytest.fixture
def read():
    """Reads a corpus as a run does, up to its batches; every utterance is given made-up features."""
    Path("own.toml").write_text(RECIPE)
    Path("own").mkdir()

    @cache
    def job(words):
        return plan_jobs(read_toml(Path("own.toml")), Selection(overrides=parse_overrides(words)))[0]

    def corpus(*words: str) -> None:
        dataset = make_dataset(job(words).parts.dataset)
        np.save("audio.npy", np.ones((len(dataset.rows), 2), np.float32))
        data = load_data(job(words).recipe, job(words).parts.extractors, dataset, lambda *_: None)
        make_data_info(data.splits["train"], data.targets)
        for conversations in data.splits.values():
            collate(conversations)

    return corpus


OF_MELD = "data={use='meld', root='own'}"


def test_found_a_time_of_thousands_of_digits(read, bearable):
    for split in ("train", "dev", "test"):
        rows = [[*row[:-1], "9" * 5000 + ":00:00,1"] for row in MELD]
        Path(f"own/{split}_sent_emo.csv").write_bytes(written([MELD_HEADER, *rows]))
    assert bearable(lambda: read(OF_MELD)) is None


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 5000], ids=["a part", "all of it"])
@pytest.mark.parametrize(
    "setting",
    ["data.root={}", "data.utterances={}", "features.audio.file={}", "data={{use='meld',root='{}'}}"],
    ids=["root", "table", "features", "corpus"],
)
def test_found_a_name_that_is_too_long_for_a_file(setting, name, read, bearable):
    Path("own/utterances.csv").write_bytes(written([HEADER, *ROWS]))
    assert bearable(lambda: read(setting.format(name))) is not None


@pytest.mark.slow
@pytest.mark.pictures
@pytest.mark.parametrize(
    ("classes", "title"),
    [(["$\\x$", "b"], "For $5 or $\\frac$"), (["x" * 100_000, "\x1b[2J"], "\x1b[2J" + "x" * 100_000)],
    ids=["formulas", "long and steering the terminal"],
)  # fmt: skip
def test_found_names_that_no_picture_can_show(classes, title, read, cli, recwarn):
    """The run had ended in a traceback, after its training."""
    rows = [[*row[:4], classes[row[4] == "joy"], row[5]] for row in ROWS]
    Path("own/utterances.csv").write_bytes(written([HEADER, *rows]))
    np.save("audio.npy", np.random.default_rng(0).normal(size=(len(ROWS), 2)))
    ended = cli("run", "own.toml", f"title={title}")
    assert ended.code == 0, ended.err
    assert "\x1b" not in ended.out + ended.err
    assert len(ended.out + ended.err) < 20_000
    assert list(Path("runs").rglob("confusion_test_emotion.png"))


WORDS = [
    b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\x92", b"\r", b"\n", b"\r\n", b'"', b'""', b",", b";", b"\t",
    b",\n", b'"\n', b"\xe2\x80\xa8", b"x" * 200_000, b'"' + b"x\n" * 70_000, b",joy", b"label", b"train", b"9" * 5000,
    b"99999999999:00:00,1", "٣:٣:٣,٣".encode(), b"-1", b"nan", b"\x1b[2J", b"\x00" * 5000,
]  # fmt: skip


@pytest.mark.cases(150)
@pytest.mark.filterwarnings("ignore:.*read as cp1252")
@given(data=st.data())
def test_bytes(data, read, bearable, damaged, planted):
    pieces = st.lists(st.sampled_from([*WORDS, planted]) | st.binary(max_size=8), max_size=20).map(b"".join)
    content = data.draw(damaged(written([HEADER, *ROWS]), [*WORDS, planted]) | pieces)
    Path("own/utterances.csv").write_bytes(content)
    bearable(read)


def test_ten_megabytes_in_a_cell(read, bearable):
    Path("own/utterances.csv").write_bytes(written([HEADER, *ROWS, ["a", "1", "A", "x" * 10_000_000, "joy", "train"]]))
    bearable(read, names="own/utterances.csv, line 14: is not a CSV record: field larger than field limit")


ODD = ["a\nb", "a\0", "\x1b[2J", "$\\x$", "a/../b", "x" * 1000, "\ufeff", "é", "e\u0301", "a|b", "`", "\u202e", "", " "]
NAMES = (
    st.sampled_from(["a", "train", "dev", "joy", "Joy", "anger", "u0", "1", "01"]) | st.sampled_from(ODD) | st.text()
)


def mostly(usual: str | list[str]) -> st.SearchStrategy[str]:
    return st.integers(0, 15).flatmap(lambda drawn: st.sampled_from(usual) if drawn else NAMES)


LABELS = ["joy", "anger", ""]
NUMBERS = list(map(str, range(50)))
FIELDS = st.tuples(mostly("abcdefg"), mostly(NUMBERS), mostly("AB"), NAMES, mostly(LABELS), mostly(["train"]))
SETTINGS = st.one_of(
    st.builds("data.labels={{{} = {!r}}}".format, st.sampled_from(["joy", "anger"]), st.sampled_from(["", "sad"])),
    st.builds("data.columns.{}={}".format, st.sampled_from(HEADER), st.sampled_from(HEADER)),
    st.builds("data.classes={}".format, st.lists(st.sampled_from(["joy", "anger"]), max_size=3)),
    st.builds("data.{}={}".format, st.sampled_from(["dev", "test"]), st.lists(st.sampled_from("abc"), max_size=2)),
    st.builds("data.columns.conversation={}".format, st.lists(st.sampled_from(HEADER), max_size=3)),
    st.builds("data.splits={{{} = {!r}}}".format, st.sampled_from(["train", "a"]), st.sampled_from(["", "dev"])),
    st.builds("data.thresholds={}".format, st.lists(st.floats(-1, 1), max_size=2)),
    st.builds("data.utterances={}".format, st.lists(st.sampled_from(["utterances.csv", "dev.csv"]), max_size=2)),
    st.builds("data.fold={}".format, st.integers(-1, 5)),
    st.builds("data.folds={}".format, st.integers(2, 6)),
    st.sampled_from(["data.root=nowhere", "data.root=own.toml", "data.utterances=..", "data.root=''"]),
)
FOLDED = st.just(["data.fold=1", "data.folds=3"])


@pytest.mark.slow
@pytest.mark.cases(200)
@given(
    rows=st.lists(FIELDS.map(list), max_size=12),
    order=st.permutations(range(6)),
    columns=st.sampled_from([6, 6, 6, 5, 7]),
    words=FOLDED | st.lists(SETTINGS, max_size=2),
)
def test_names_and_settings(rows, order, columns, words, read, bearable):
    """Records of odd names, columns in any order, missing or there twice."""
    kept = [*order, order[0]][:columns]
    content = written([[row[column] for column in kept] for row in [HEADER, *ROWS[: 2 * columns], *rows]])
    Path("own/utterances.csv").write_bytes(content)
    bearable(lambda: read(*words))


@pytest.mark.cases(100)
@pytest.mark.filterwarnings("ignore:.*read as cp1252")
@given(data=st.data(), split=st.sampled_from(["train", "dev", "test"]))
def test_meld(data, split, read, bearable, damaged):
    whole = written([MELD_HEADER, *MELD])
    for name in ("train", "dev", "test"):
        Path(f"own/{name}_sent_emo.csv").write_bytes(whole)
    Path(f"own/{split}_sent_emo.csv").write_bytes(data.draw(damaged(whole, WORDS)))
    bearable(lambda: read(OF_MELD))


@pytest.mark.cases(100)
@pytest.mark.filterwarnings("ignore:.*read as cp1252")
@given(data=st.data(), split=st.sampled_from(["train", "dev", "test"]))
def test_emorynlp(data, split, read, bearable, damaged):
    for season, name in enumerate(("train", "dev", "test")):
        rows = [[*row[:5], str(season), *row[6:]] for row in EMORYNLP]
        whole = written([EMORYNLP_HEADER, *rows])
        content = data.draw(damaged(whole, [*WORDS, b"['", b"\\", b"', '"])) if name == split else whole
        Path(f"own/emorynlp_{name}_final.csv").write_bytes(content)
    bearable(lambda: read("data={use='emorynlp', root='own'}"))
