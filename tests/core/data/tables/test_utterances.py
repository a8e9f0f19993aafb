"""Utterances grouped into conversations."""

from pathlib import Path

import pytest

from ercfw import Clip, Utterance, to_conversations
from ercfw.errors import InputError


def utterance(talk: str, id: str, **more) -> Utterance:
    return Utterance(f"line {talk}{id}", (talk, id), "Ann", f"text {id}", **more)


def test_conversations_and_utterances_keep_their_order():
    clip = Clip(Path("x.wav"))
    given = [utterance("b", "2", time=(1.0, 2.0)), utterance("a", "1", clip=clip), utterance("b", "1")]
    b, a = to_conversations(given, {"a": "dev", "b": "train"})
    assert (b.id, b.split, b.utterances, b.texts, b.speakers) == (
        "b", "train", ("2", "1"), ("text 2", "text 1"), ("Ann", "Ann")
    )  # fmt: skip
    assert (b.times, b.clips) == (((1.0, 2.0), None), ())
    assert (a.times, a.clips, dict(a.labels)) == ((), (clip,), {})


def test_utterances_that_are_left_out_are_checked():
    given = [utterance("a", "1"), utterance("a", "2"), utterance("b", "1")]
    (only,) = to_conversations(given, {"a": "train", "b": "train"}, {("a", "2"), ("b", "1")})
    assert only.ids == (("a", "1"),)
    with pytest.raises(InputError, match="line a2: utterance '2' of conversation 'a' occurs twice"):
        to_conversations([*given, utterance("a", "2")], {"a": "train", "b": "train"}, {("a", "2")})
