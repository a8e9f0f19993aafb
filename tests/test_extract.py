"""The cache of extracted features: kept by content, whole, and made again where it is damaged."""

import mmap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ercfw.conversations import Conversation
from ercfw.errors import InputError, RunError
from ercfw.extract import cache_folder, extract
from ercfw.interfaces import Extractor


class Letters(Extractor):
    """How many letters, words and marks a text has; remembers what it was asked for."""

    reads = "text"
    dim = 3
    fingerprint = "f" * 64

    def __init__(self):
        self.asked = []

    def extract(self, conversation):
        self.asked.append(conversation.id)
        return [self.one(text) for text in conversation.texts]

    def one(self, text):
        return np.array([len(text), text.count(" "), text.count("!")], np.float32) if text else None


def conversation(name, *texts, speaker="a"):
    size = len(texts)
    return Conversation(
        name, "train", tuple(map(str, range(size))), (speaker,) * size, texts, {"emotion": np.zeros(size, np.int64)}
    )


CONVERSATIONS = [conversation("c0", "Hi!", "", "How are you"), conversation("c1", "Fine!"), conversation("c2", "Bye")]


def quiet(*_):
    pass


def test_values_ids_and_absence():
    steps = []
    table = extract(Letters(), "letters", CONVERSATIONS, lambda *step: steps.append(step))
    assert table.ids == (("c0", "0"), ("c0", "1"), ("c0", "2"), ("c1", "0"), ("c2", "0"))
    assert table.present.tolist() == [True, False, True, True, True]
    assert table.values.tolist() == [[3, 0, 1], [0, 0, 0], [11, 2, 0], [5, 0, 1], [3, 0, 0]]
    assert table.fitted_on == "nothing"
    assert table.made_by == {"extractor": "letters", "fingerprint": "f" * 64}
    assert steps == [("extracting letters", n, 3) for n in (1, 2, 3)]


def test_the_same_content_is_read_from_the_cache_whatever_its_name():
    first, second = Letters(), Letters()
    table = extract(first, "letters", CONVERSATIONS, quiet)
    renamed = [replace(c, id=f"other/{c.id}") for c in reversed(CONVERSATIONS)]
    again = extract(second, "letters", renamed, quiet)
    assert first.asked == ["c0", "c1", "c2"]
    assert second.asked == []
    assert again.values.tolist() == table.values[[4, 3, 0, 1, 2]].tolist()


@pytest.mark.parametrize("change", ["text", "speaker", "settings"])
def test_another_content_is_made_anew(change):
    extract(Letters(), "letters", CONVERSATIONS, quiet)
    second = Letters()
    texts = ("Hi?", "", "How are you") if change == "text" else CONVERSATIONS[0].texts
    if change == "settings":
        second.fingerprint = "e" * 64
    speaker = "b" if change == "speaker" else "a"
    extract(second, "letters", [conversation("c0", *texts, speaker=speaker)], quiet)
    assert second.asked == ["c0"]


class Dies(Letters):
    def extract(self, conversation):
        if conversation.id == "c2":
            raise KeyboardInterrupt
        return super().extract(conversation)


def test_what_was_stopped_goes_on_where_it_was():
    with pytest.raises(KeyboardInterrupt):
        extract(Dies(), "letters", CONVERSATIONS, quiet)
    after = Letters()
    assert len(extract(after, "letters", CONVERSATIONS, quiet).ids) == 5
    assert after.asked == ["c2"]


def cached():
    return sorted((cache_folder() / "features").rglob("*.safetensors"), key=lambda path: path.stat().st_size)


@pytest.mark.parametrize("damage", [b"", b"rubbish", None])
def test_a_damaged_file_is_made_again(damage):
    table = extract(Letters(), "letters", CONVERSATIONS, quiet)
    whole = {path: path.read_bytes() for path in cached()}
    assert len(whole) == 3
    victim = cached()[-1]
    victim.write_bytes(whole[victim][:-4] if damage is None else damage)
    after = Letters()
    assert extract(after, "letters", CONVERSATIONS, quiet).values.tolist() == table.values.tolist()
    assert after.asked == ["c0"]
    assert {path: path.read_bytes() for path in cached()} == whole


class Says(Letters):
    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def extract(self, conversation):
        return list(self.arrays)


GOOD = np.zeros(3, np.float32)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ((GOOD,), "gave 1 arrays for 2 utterances"),
        ((GOOD, GOOD, GOOD), "gave 3 arrays for 2 utterances"),
        ((GOOD, np.zeros(4, np.float32)), r"utterance 1: gave float32 of shape \[4\]"),
        ((GOOD, np.zeros(3)), r"utterance 1: gave float64 of shape \[3\]"),
        ((GOOD, np.full(3, np.nan, np.float32)), "utterance 1: gave .* not finite"),
        ((GOOD, [1.0, 2.0, 3.0]), r"utterance 1: gave \[1.0, 2.0, 3.0\]"),
    ],
)
def test_what_an_extractor_must_not_give_is_told_and_not_kept(arrays, says):
    with pytest.raises(RunError, match=f"extractor 'mine', conversation c.*{says}"):
        extract(Says(*arrays), "mine", [conversation("c", "x", "y")], quiet)
    assert cached() == []


class Fails(Letters):
    def one(self, text):
        return {}[text]


class Refuses(Letters):
    def one(self, text):
        raise InputError.at("clip.mp4", "holds no sound")


def test_an_extractor_that_fails_is_named():
    with pytest.raises(RunError, match="extractor 'mine', conversation c0: failed: KeyError"):
        extract(Fails(), "mine", CONVERSATIONS, quiet)
    with pytest.raises(InputError, match=r"clip\.mp4: holds no sound"):
        extract(Refuses(), "mine", CONVERSATIONS, quiet)


class Frames(Letters):
    def one(self, text):
        return np.ones((len(text), 3), np.float32) if text else None


class Tokens(Letters):
    dim = 200

    def one(self, text):
        return np.array([ord(letter) for letter in text], np.int64) if text else None


def test_frames_and_tokens_have_lengths():
    frames = extract(Frames(), "frames", CONVERSATIONS, quiet)
    assert frames.lengths.tolist() == [3, 0, 11, 5, 3]
    assert frames.values.shape == (22, 3)
    tokens = extract(Tokens(), "tokens", CONVERSATIONS, quiet)
    assert tokens.values.tolist() == [
        ord(c) for conversation in CONVERSATIONS for text in conversation.texts for c in text
    ]
    assert tokens.present.tolist() == [True, False, True, True, True]


@pytest.mark.parametrize("texts", [("", "Hi", ""), ("", "", "Hi!", "", "Ho"), ("",)])
def test_absent_vectors_are_zeros_wherever_they_stand(texts):
    table = extract(Letters(), "letters", [conversation("c", *texts)], quiet)
    letters = Letters()
    assert table.values.tolist() == [[0, 0, 0] if not text else letters.one(text).tolist() for text in texts]
    assert table.present.tolist() == [bool(text) for text in texts]


def test_values_are_mapped_and_their_file_has_no_name():
    table = extract(Letters(), "letters", CONVERSATIONS, quiet)
    base = table.values
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, mmap.mmap)
    assert {path.suffix for path in (cache_folder() / "features").rglob("*") if path.is_file()} == {".safetensors"}


class Wavers(Letters):
    def one(self, text):
        return np.ones((2, 3) if "!" in text else 3, np.float32)


def test_vectors_and_frames_in_turn_are_told():
    with pytest.raises(RunError, match="extractor 'wavers' gave vectors, frames or tokens in turn"):
        extract(Wavers(), "wavers", CONVERSATIONS, quiet)


class Clips(Letters):
    reads = "audio"


def test_sound_is_known_by_its_clip_and_not_by_its_text(tmp_path):
    clip = Path("a.wav")
    clip.write_bytes(b"one")
    spoken = replace(conversation("c", "Hi"), media=(clip,))
    extract(Clips(), "clips", [spoken], quiet)
    same, other = Clips(), Clips()
    extract(same, "clips", [replace(spoken, texts=("Ho",))], quiet)
    assert same.asked == []
    clip.write_bytes(b"two")
    extract(other, "clips", [spoken], quiet)
    assert other.asked == ["c"]


def test_a_clip_that_is_not_there_is_told():
    with pytest.raises(InputError, match=r"gone\.wav: cannot be read: No such file"):
        extract(Clips(), "clips", [replace(conversation("c", "Hi"), media=(Path("gone.wav"),))], quiet)
