"""Features of clips: each kept by itself, broken ones absent and reported."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ercfw.contract.conversation import Clip
from ercfw.contract.interfaces import ClipExtractor
from ercfw.data.extraction.extract import extract
from ercfw.errors import BrokenClipError
from tests.core.data.extraction.made_extractors import CONVERSATIONS, clips, conversation, quiet, table_of


class Sizes(ClipExtractor):
    """The bytes of a clip, where it begins, and 1 for the left half; remembers which it was asked for."""

    reads = "audio"
    dim = 3
    fingerprint = "f" * 64

    def __init__(self):
        self.asked = []

    def extract_clip(self, clip):
        self.asked.append(clip.path.name)
        data = clip.path.read_bytes()
        if data.startswith(b"bad"):
            raise BrokenClipError("is cut off")
        return np.array([len(data), clip.start, clip.half == "left"], np.float32) if data else None


def test_every_clip_is_kept_by_itself_and_by_its_content_alone():
    first, same, other = Sizes(), Sizes(), Sizes()
    spoken = clips(a=b"1", b=b"22", silent=b"")
    table = table_of(first, "sizes", [spoken])
    assert table.values[:, 0].tolist() == [1, 2, 0]
    assert table.present.tolist() == [True, True, False]
    renamed = replace(spoken, texts=("x", "y", "z"), speakers=("p", "q", "r"))
    assert table_of(same, "sizes", [renamed]).values.tolist() == table.values.tolist()
    assert same.asked == []
    Path("b.wav").write_bytes(b"333")
    assert table_of(other, "sizes", [spoken]).values[:, 0].tolist() == [1, 3, 0]
    assert other.asked == ["b.wav"]


def test_stretches_of_one_file_are_kept_apart():
    path = Path("long.wav")
    path.write_bytes(b"1234")
    stretches = (Clip(path), Clip(path, 1.5, 2.0), Clip(path, 1.5, 2.5), Clip(path, 1.5, 2.0, "left"))
    spoken = replace(conversation("c", *"abcd"), clips=stretches)
    extractor = Sizes()
    assert table_of(extractor, "sizes", [spoken]).values.tolist() == [[4, 0, 0], [4, 1.5, 0], [4, 1.5, 0], [4, 1.5, 1]]
    assert len(extractor.asked) == 4


def test_broken_clips_are_absent_and_reported_each_time():
    spoken = clips(good=b"1", gone=None, broken=b"bad", empty=b"")
    for extractor in (Sizes(), Sizes()):
        made = extract(extractor, "sizes", [spoken], quiet)
        assert made.table.present.tolist() == [True, False, False, False]
        assert made.broken == {("c", "1"): "cannot be opened: No such file or directory", ("c", "2"): "is cut off"}
    assert extractor.asked == []


def test_a_conversation_without_clips_has_nothing_to_be_seen():
    assert not table_of(Sizes(), "sizes", CONVERSATIONS).present.any()
    assert not table_of(Sizes(), "sizes", [replace(CONVERSATIONS[0], clips=(None, None, None))]).present.any()
