"""DailyDialog's text files and M3ED's annotation.json, damaged and of other forms."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ercfw_datasets.dailydialog import DailyDialog
from ercfw_datasets.m3ed import M3ed

TEXTS = "Good morning ! __eou__ The bus is late . __eou__\nWhy ? __eou__ It rains . __eou__ Oh . __eou__\n"
NUMBERS = {"": TEXTS, "emotion_": "0 4 \n6 1 0 \n", "act_": "1 1 \n2 1 1 \n"}
WORDS = [
    b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\x92", b"\r", b"\n", b"\n\n", b" ", b"__eou__", b"__eou", b"7",
    b"-1", b"nan", b"9" * 5000, "٣".encode(), b"\xe2\x80\xa8", b"\x85", b"\x1b[2J", b"x" * 200_000, b"__eou__" * 20_000,
    b"0 " * 20_000, b"\n" * 20_000,
]  # fmt: skip

EMOTIONS = {"EmoAnnotator1": "Neutral", "final_mul_emo": "Happy,Surprise", "final_main_emo": "Happy"}
TURN = {"StartTime": "00:00:00:01", "EndTime": "00:00:01:04", "Text": "你好", "Speaker": "A", "EmoAnnotation": EMOTIONS}
SERIES = {
    name: {f"{name}_1": {"SpeakerInfo": {"A": {"Name": "王"}}, "Dialog": {f"{name}_1_{n}": TURN for n in (1, 2)}}}
    for name in ("train", "val", "test")
}
MARKS = [
    b"\0", b"\xff", b"\xff\xfe", b'"', b"{", b"}", b"[", b",", b":", b"null", b"5", b"NaN", b"9" * 5000, b"\\ud83d",
    b"\\u0000", b"[" * 100_000, b'{"a":' * 100_000, b"Bored", b"_1", b"00:00:01:26", b"\x1b[2J", b"x" * 200_000,
]  # fmt: skip
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["Happy", "00:00:01:04"]),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(["Dialog", "SpeakerInfo", *TURN, *EMOTIONS, "Name", "A", "u_1"]), below)
    ),
    max_leaves=12,
)


def all_splits(dataset) -> None:
    for split in ("train", "dev", "test"):
        dataset.split(split)


@pytest.mark.cases(150)
@pytest.mark.filterwarnings("ignore::UserWarning")
@given(data=st.data())
def test_dailydialog(data, bearable, damaged, planted) -> None:
    for name in ("train", "validation", "test"):
        for kind, content in NUMBERS.items():
            Path(f"dialogues_{kind}{name}.txt").write_text(content, encoding="utf-8")
    kind = data.draw(st.sampled_from(list(NUMBERS)))
    content = data.draw(damaged(NUMBERS[kind].encode(), [*WORDS, planted]))
    Path(f"dialogues_{kind}test.txt").write_bytes(content)
    bearable(lambda: all_splits(DailyDialog(root=Path.cwd(), targets=("emotion", "act"))))


def write_m3ed(content: bytes) -> None:
    Path("annotation.json").write_bytes(content)
    for name in SERIES:
        Path(f"movie_list_{name}.txt").write_text(name)


@pytest.mark.cases(150)
@pytest.mark.filterwarnings("ignore::UserWarning")
@given(data=st.data())
def test_m3ed_bytes(data, bearable, damaged, planted) -> None:
    write_m3ed(data.draw(damaged(json.dumps(SERIES).encode(), [*MARKS, planted])))
    bearable(lambda: all_splits(M3ed(root=Path.cwd(), targets=("emotion", "mixed"))))


@pytest.mark.cases(100)
@pytest.mark.filterwarnings("ignore::UserWarning")
@given(tree=TREES, place=st.integers(0, 5))
def test_m3ed_trees(tree, place, bearable) -> None:
    """A tree stands in the place of the whole, a series, a dialogue, its utterances, an utterance, or its emotions."""
    whole = json.loads(json.dumps(SERIES))
    path = ["train", "train_1", "Dialog", "train_1_1", "EmoAnnotation"][:place]
    if path:
        node = whole
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = tree
    write_m3ed(json.dumps(whole if path else tree).encode())
    bearable(lambda: all_splits(M3ed(root=Path.cwd(), targets=("emotion", "mixed"))))


def test_thousands_of_mistakes_are_a_short_message(bearable) -> None:
    for name in ("train", "validation", "test"):
        Path(f"dialogues_{name}.txt").write_text("Yes . __eou__\n" * 5000, encoding="utf-8")
        Path(f"dialogues_emotion_{name}.txt").write_text("x\n" * 5000, encoding="utf-8")
    bearable(lambda: DailyDialog(root=Path.cwd()), names="and 14950 more mistakes")
    dialogue = {"Dialog": {f"u_{number}": {"Text": number} for number in range(5000)}}
    write_m3ed(json.dumps({"train": {"train_1": dialogue}}).encode())
    bearable(lambda: M3ed(root=Path.cwd()), names="and 24950 more mistakes")
