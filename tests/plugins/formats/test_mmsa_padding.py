"""Which frames of MMSA's files are padding: zeros at the ends, frames beyond a length, frames beyond the text."""

import numpy as np
import pytest

from ercfw import InputError
from ercfw_formats import mmsa

from .conftest import LONGEST, PLAN


@pytest.fixture
def frames_of(made, tmp_path):
    """``frames_of(key)``: the frames of each clip that the format reads, by id."""

    def read(key):
        published = mmsa.Mmsa().read(made.write(tmp_path / "aligned_50.pkl"))
        frames, place, found = published.frames[mmsa.STREAMS[key]], 0, {}
        for video, lengths in frames.lengths.items():
            for clip, length in zip(published.utterances[video], lengths, strict=True):
                found[f"{video}$_${clip}"] = frames.values[place : place + length]
                place += length
        assert place == len(frames.values)
        return found

    return read


def check(found, wanted):
    assert set(found) == set(wanted)
    for id in wanted:
        np.testing.assert_array_equal(found[id], wanted[id])


@pytest.mark.parametrize("place", [0, 1])
def test_zeros_at_both_ends(made, frames_of, place):
    for key in ("text", "audio", "vision"):
        made.put(key, place)
        check(frames_of(key), made.frames[key])


def test_zeros_between_frames_stay(made, frames_of):
    wanted = made.frames["audio"] = {
        id: np.float32([[1, 2, 3], [0, 0, 0], [0, 0, 0], [4, 5, 6]]) for id in made.frames["audio"]
    }
    made.put("audio")
    check(frames_of("audio"), wanted)


def lengths(made, key, more=0):
    return {split: [len(made.frames[key][id]) + more for id in ids] for split, ids in PLAN.items()}


@pytest.mark.parametrize("in_front", [False, True])
def test_given_lengths_keep_zeros_within_them(made, frames_of, in_front):
    """One frame of zeros more than there are others: the first of them if the padding is in front, else the last."""
    zeros = np.zeros((1, 3), "f4")
    wanted = {id: np.concatenate([zeros, x] if in_front else [x, zeros]) for id, x in made.frames["audio"].items()}
    for split, content in made.content.items():
        content["audio_lengths"] = lengths(made, "audio", 1)[split]
        for row, id in enumerate(content["id"]):
            content["audio"][row] = 0
            at = slice(LONGEST - len(wanted[id]), None) if in_front else slice(len(wanted[id]))
            content["audio"][row, at] = wanted[id]
    check(frames_of("audio"), wanted)


def test_a_length_of_an_utterance_without_frames(made, frames_of):
    """The makers count a frame where they found nothing; the utterance lacks the modality all the same."""
    for split, content in made.content.items():
        content["vision_lengths"] = np.maximum(1, lengths(made, "vision")[split])
    check(frames_of("vision"), made.frames["vision"])


@pytest.mark.parametrize(("length", "beyond"), [(1, 2), (0, 1), (3, 4)])
def test_values_beyond_a_length(made, frames_of, length, beyond):
    made.put("audio")
    made.content["test"]["audio"][1] = 0
    made.content["test"]["audio"][1, LONGEST - 1 - beyond : LONGEST - 1] = 1
    for split, content in made.content.items():
        content["audio_lengths"] = lengths(made, "audio")[split]
    made.content["test"]["audio_lengths"][1] = length
    with pytest.raises(InputError, match=f"test: audio_lengths: utterance 2 has values beyond its {length} frames"):
        frames_of("audio")


def test_the_mask_of_bert(made, frames_of):
    """What BERT writes for padding is not zero; a text that begins with zeros is not BERT's, and loses only these."""
    for split, content in made.content.items():
        mask = np.zeros((len(content["id"]), 3, LONGEST), "f4")
        mask[:, 0] = 101
        for row, id in enumerate(content["id"]):
            mask[row, 1, : len(made.frames["text"][id])] = 1
            content["text"][row, len(made.frames["text"][id]) :] = 7
        content["text_bert"] = mask
        made.content[split] = content
    wanted = dict(made.frames["text"])
    made.content["test"]["text"][0] = 0
    made.content["test"]["text"][0, 3:] = 5
    wanted["t$_$0"] = np.full((2, 4), 5, "f4")
    check(frames_of("text"), wanted)


def test_values_that_are_not_finite(made, frames_of):
    """They become 0, are counted, and are padding where a frame holds nothing else."""
    made.frames["audio"] = {id: np.ones((4, 3), "f4") for id in made.frames["audio"]}
    made.put("audio")
    audio = made.content["train"]["audio"]
    audio[0, 1] = [-np.inf, np.nan, 2]
    audio[1, 3] = -np.inf
    audio[2, :4] = np.nan
    wanted = dict(made.frames["audio"])
    wanted["b$_$2"] = np.float32([[1, 1, 1], [0, 0, 2], [1, 1, 1], [1, 1, 1]])
    wanted["a$_$10"] = np.ones((3, 3), "f4")
    wanted["b$_$0"] = np.zeros((0, 3), "f4")
    with pytest.warns(UserWarning, match="'audio' holds 2 values that are not finite; they become 0"):
        check(frames_of("audio"), wanted)


def test_whole_numbers_and_other_types(made, frames_of):
    made.frames["vision"] = {id: np.arange(6).reshape(3, 2) + 1 for id in made.frames["vision"]}
    for split, dtype in (("train", "i2"), ("valid", "i8"), ("test", "f8")):
        content = made.content[split]
        content["vision"] = np.zeros((len(content["id"]), LONGEST, 2), dtype)
        content["vision"][:, :3] = np.arange(6).reshape(3, 2) + 1
    found = frames_of("vision")
    check(found, made.frames["vision"])
    assert {array.dtype for array in found.values()} == {np.dtype("f8")}
