"""The cache of extracted features: kept by content, whole, and made again where it is damaged."""

import mmap
from dataclasses import replace

import numpy as np
import pytest

from ercfw.contract.feature_table import FeatureTable
from ercfw.data.extraction.extract import extract
from ercfw.errors import InputError, RunError
from ercfw.system.user_folders import cache_folder
from tests.core.data.extraction.made_extractors import CONVERSATIONS, Letters, clips, conversation, quiet, table_of


def test_values_ids_and_absence():
    steps = []
    table = extract(Letters(), "letters", CONVERSATIONS, lambda *step: steps.append(step)).table
    assert table.ids == (("c0", "0"), ("c0", "1"), ("c0", "2"), ("c1", "0"), ("c2", "0"))
    assert table.present.tolist() == [True, False, True, True, True]
    assert table.values.tolist() == [[3, 0, 1], [0, 0, 0], [11, 2, 0], [5, 0, 1], [3, 0, 0]]
    assert table.fitted_on == "nothing"
    assert table.provenance == {"extractor": "letters", "fingerprint": "f" * 64}
    assert steps == [("extracting letters", n, 3) for n in (1, 2, 3)]


def test_the_same_content_is_read_from_the_cache_whatever_its_name():
    first, second = Letters(), Letters()
    table = table_of(first, "letters", CONVERSATIONS)
    renamed = [replace(c, id=f"other/{c.id}") for c in reversed(CONVERSATIONS)]
    again = table_of(second, "letters", renamed)
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
    assert len(table_of(after, "letters", CONVERSATIONS).ids) == 5
    assert after.asked == ["c2"]


def cached():
    return sorted((cache_folder() / "features").rglob("*.safetensors"), key=lambda path: path.stat().st_size)


@pytest.mark.parametrize("damage", [b"", b"rubbish", None])
def test_a_damaged_file_is_made_again(damage):
    table = table_of(Letters(), "letters", CONVERSATIONS)
    whole = {path: path.read_bytes() for path in cached()}
    assert len(whole) == 3
    victim = cached()[-1]
    victim.write_bytes(whole[victim][:-4] if damage is None else damage)
    after = Letters()
    assert table_of(after, "letters", CONVERSATIONS).values.tolist() == table.values.tolist()
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
        ((GOOD,), "returned 1 arrays for 2 utterances"),
        ((GOOD, GOOD, GOOD), "returned 3 arrays for 2 utterances"),
        ((GOOD, np.zeros(4, np.float32)), r"utterance 1: returned float32 of shape \[4\]"),
        ((GOOD, np.zeros(3)), r"utterance 1: returned float64 of shape \[3\]"),
        ((GOOD, np.full(3, np.nan, np.float32)), "utterance 1: returned .* declares finite"),
        ((GOOD, [1.0, 2.0, 3.0]), r"utterance 1: returned \[1.0, 2.0, 3.0\]"),
    ],
)
def test_what_an_extractor_must_not_give_is_reported_and_not_kept(arrays, says):
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
    kind = "frames"

    def one(self, text):
        return np.ones((len(text), 3), np.float32) if text else None


class Tokens(Letters):
    kind = "tokens"
    dim = 200

    def one(self, text):
        return np.array([ord(letter) for letter in text], np.int64) if text else None


def test_frames_and_tokens_have_lengths():
    frames = table_of(Frames(), "frames", CONVERSATIONS)
    assert frames.lengths.tolist() == [3, 0, 11, 5, 3]
    assert frames.values.shape == (22, 3)
    tokens = table_of(Tokens(), "tokens", CONVERSATIONS)
    assert tokens.values.tolist() == [
        ord(c) for conversation in CONVERSATIONS for text in conversation.texts for c in text
    ]
    assert tokens.present.tolist() == [True, False, True, True, True]


@pytest.mark.parametrize("texts", [("", "Hi", ""), ("", "", "Hi!", "", "Ho"), ("",)])
def test_absent_vectors_are_zeros_wherever_they_stand(texts):
    table = table_of(Letters(), "letters", [conversation("c", *texts)])
    letters = Letters()
    assert table.values.tolist() == [[0, 0, 0] if not text else letters.one(text).tolist() for text in texts]
    assert table.present.tolist() == [bool(text) for text in texts]


def test_values_are_mapped_and_their_file_has_no_name():
    table = table_of(Letters(), "letters", CONVERSATIONS)
    base = table.values
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, mmap.mmap)
    assert {path.suffix for path in (cache_folder() / "features").rglob("*") if path.is_file()} == {".safetensors"}


@pytest.mark.parametrize(
    ("kind", "array", "promise"),
    [
        ("vector", np.ones((2, 3), np.float32), r"finite float32 \[3\]"),
        ("frames", GOOD, r"finite float32 \[T, 3\]"),
        ("tokens", GOOD, r"int64 \[T\] from 0 to 2"),
        ("tokens", np.array([3]), r"int64 \[T\] from 0 to 2"),
        ("tokens", np.array([-1]), r"int64 \[T\] from 0 to 2"),
    ],
)
def test_what_is_not_of_the_promised_kind_is_reported(kind, array, promise):
    extractor = Says(array)
    extractor.kind = kind
    with pytest.raises(RunError, match=f"returned .*, but declares {promise}"):
        extract(extractor, "mine", [conversation("c", "x")], quiet)


def test_tokens_keep_the_size_of_their_vocabulary(tmp_path):
    table = table_of(Tokens(), "tokens", CONVERSATIONS)
    assert table.dim == 200
    table.save(tmp_path / "tokens.safetensors")
    assert FeatureTable.load(tmp_path / "tokens.safetensors").dim == 200


class Listens(Letters):
    """Reads the sound of a whole conversation."""

    reads = "audio"

    def extract(self, conversation):
        self.asked.append(conversation.id)
        sizes = [clip.path.stat().st_size if clip else None for clip in conversation.clips]
        return [None if size is None else np.array([size, sum(filter(None, sizes)), 0], np.float32) for size in sizes]


def test_who_reads_whole_conversations_is_asked_for_them():
    spoken = clips(a=b"1", gone=None, b=b"22")
    first, same, other = Listens(), Listens(), Listens()
    made = extract(first, "listens", [spoken], quiet)
    assert made.table.values.tolist() == [[1, 3, 0], [0, 0, 0], [2, 3, 0]]
    assert list(made.broken) == [("c", "1")]
    assert table_of(same, "listens", [replace(spoken, texts=("x", "y", "z"))]).values[0].tolist() == [1, 3, 0]
    assert same.asked == []
    table_of(other, "listens", [replace(spoken, speakers=("a", "b", "a"))])
    assert other.asked == ["c"]


@pytest.mark.parametrize("place", [-1, -8])
def test_a_number_that_was_flipped_on_the_disk_is_made_again(place):
    table = table_of(Letters(), "letters", CONVERSATIONS)
    whole = {path: path.read_bytes() for path in cached()}
    victim = cached()[-1]
    damaged = bytearray(whole[victim])
    damaged[place] ^= 1
    victim.write_bytes(damaged)
    after = Letters()
    assert table_of(after, "letters", CONVERSATIONS).values.tolist() == table.values.tolist()
    assert len(after.asked) == 1
    assert {path: path.read_bytes() for path in cached()} == whole


class Part(Letters):
    """The first numbers of what ``Letters`` gives."""

    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    @property
    def fingerprint(self):
        return f"{self.dim}" * 64

    def source(self):
        return WHOLE

    def select(self, features):
        return features[: self.dim]


WHOLE = Letters()


def test_extractors_of_one_source_share_its_cache():
    whole = table_of(WHOLE, "letters", CONVERSATIONS)
    asked = list(WHOLE.asked)
    for dim in (1, 2):
        table = extract(Part(dim), "letters", CONVERSATIONS, quiet).table
        assert table.values.tolist() == whole.values[:, :dim].tolist()
        assert table.present.tolist() == whole.present.tolist()
        assert table.provenance["fingerprint"] == str(dim) * 64
    assert WHOLE.asked == asked == ["c0", "c1", "c2"]


def test_what_an_extractor_selects_is_checked():
    class Wide(Part):
        def select(self, features):
            return features.astype(np.float64)

    with pytest.raises(RunError, match=r"selected .*float64.*but declares"):
        extract(Wide(2), "letters", CONVERSATIONS, quiet)
