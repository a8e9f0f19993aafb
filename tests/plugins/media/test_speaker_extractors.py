"""Extractors that follow the speaker: what they describe, what is cached, and what they refuse."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ercfw.contract.conversation import Clip, Conversation
from ercfw.contract.interfaces import Broken
from ercfw.data.extraction.extract import extract
from ercfw.errors import BrokenClipError, InputError
from ercfw.system.progress import no_progress
from ercfw_media.face_expression import FaceExpression
from ercfw_media.face_extractor import FaceExtractor, FaceReader, Follow
from ercfw_media.face_identity import FaceIdentity
from ercfw_media.face_identity_network import IdentityVectors
from ercfw_media.faces import Face, FaceDetector, Frame, only

ANN, BOB = 1.0, 2.0
"""The numbers by which the made-up pictures tell their people apart."""


class Pictures(FaceReader):
    """Reads made-up frames: a file lists the places of Ann and Bob, and a frame holds them as pixels."""

    def pictures(self, clip: Clip) -> list[Frame]:
        content = clip.path.read_text()
        if content == "broken":
            raise BrokenClipError("it is broken")
        frames = []
        for line in content.splitlines():
            frame = np.zeros((36, 64, 3), np.uint8)
            for word in line.split():
                who, x = word[0], int(word[1:])
                frame[18, x] = {"a": ANN, "b": BOB}[who]
            frames.append(frame)
        return frames


class Finder(FaceDetector):
    """Finds the people of made-up frames."""

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        nothing = np.zeros((5, 2), np.float32)
        return [
            [Face((x - 2.0, 16, x + 2.0, 20), 0.9, nothing) for x in np.flatnonzero(frame[18, :, 0]).tolist()]
            for frame in frames
        ]


def number(picture: Frame, face: Face) -> float:
    return float(picture[18, round(face.box[0]) + 2, 0])


class Numbers(IdentityVectors):
    """Identity vectors of made-up frames, of width 1."""

    def __call__(self, pictures: Sequence[Frame], faces: Sequence[Sequence[Face]]) -> list[NDArray[np.float32]]:
        pairs = zip(pictures, faces, strict=True)
        return [
            np.array([[number(picture, face)] for face in here], np.float32).reshape(-1, 1) for picture, here in pairs
        ]

    def load(self) -> None:
        """Nothing to load."""


class Who(FaceExtractor):
    """The mean number of the described people, and how many faces they were."""

    dim = 2

    def __init__(self, *, faces: Follow = "speaker") -> None:
        super().__init__(Pictures(Finder(), 20, 640), faces, Numbers(Path("none")))

    @property
    def fingerprint(self) -> str:
        return f"who-{self.faces}-of-made-up-pictures"

    def extract_clip(self, clip: Clip) -> NDArray[np.float32] | None:
        pictures = self.reader.pictures(clip)
        return self.describe(pictures, only(self.which, self.reader.detector.detect(pictures), pictures))

    def describe(self, pictures: Sequence[Frame], faces: Sequence[Sequence[Face]]) -> NDArray[np.float32] | None:
        seen = [number(picture, face) for picture, here in zip(pictures, faces, strict=True) for face in here]
        return np.array([np.mean(seen), len(seen)], np.float32) if seen else None


@pytest.fixture
def conversation(tmp_path: Path) -> Conversation:
    contents = {"0": "a8 b32\na8 b32", "1": "b32", "2": "b32\nb33 a8", "3": "broken", "4": " ", "5": ""}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    clips = (*(Clip(tmp_path / name) for name in contents), None)
    names = tuple("ABABABA")
    return Conversation("c", "train", tuple("0123456"), names, ("",) * 7, {"emotion": np.arange(7)}, clips=clips)


def listed(values: Sequence[NDArray[Any] | Broken | None]) -> list[list[float] | str | None]:
    return [v.why if isinstance(v, Broken) else None if v is None else v.tolist() for v in values]


FOUND = [[ANN, 2], [BOB, 1], [ANN, 1], "it is broken", None, None, None]


def test_the_speaker_is_described_and_what_cannot_be_read_is_left_out(conversation: Conversation) -> None:
    assert listed(Who().extract(conversation)) == FOUND
    assert listed(Who(faces="main").extract(conversation))[:3] == [[BOB, 2], [BOB, 1], [BOB, 2]]
    assert listed(Who(faces="all").extract(conversation))[:3] == [[1.5, 4], [BOB, 1], [pytest.approx(5 / 3), 3]]


def test_neither_labels_nor_texts_matter(conversation: Conversation) -> None:
    other = replace(conversation, labels={}, texts=tuple("abcdefg"))
    assert listed(Who().extract(other)) == listed(Who().extract(conversation))


def test_a_clip_by_itself_gives_what_a_conversation_of_one_gives(conversation: Conversation) -> None:
    for place in range(2):
        one = conversation.only(slice(place, place + 1))
        clip = one.clips[0]
        assert clip is not None
        alone = Who().extract_clip(clip)
        assert alone is not None
        assert listed(Who().extract(one)) == [alone.tolist()] == [[BOB, 2 - place]]


def test_only_one_that_follows_the_speaker_reads_later_utterances(conversation: Conversation) -> None:
    assert [Who(faces=faces).causal for faces in ("all", "main", "speaker")] == [True, True, False]  # type: ignore[arg-type]
    assert not Who().source().causal


@pytest.mark.parametrize(("faces", "files"), [("speaker", 1), ("main", 6), ("all", 6)])
def test_the_cache_holds_conversations_or_clips(conversation: Conversation, faces: Follow, files: int) -> None:
    made = extract(Who(faces=faces), "who", [conversation], no_progress)
    assert len(list(Path(os.environ["ERCFW_CACHE"]).rglob("*.safetensors"))) == files
    assert made.table.present.tolist() == [True] * 3 + [False] * 4
    assert made.broken == {("c", "3"): "it is broken"}
    if faces == "speaker":
        assert made.table.values[:3].tolist() == FOUND[:3]


def test_the_cache_forgets_a_conversation_when_its_clips_or_speakers_change(conversation: Conversation) -> None:
    def rows(changed: Conversation) -> list[list[float]]:
        table = extract(Who(), "who", [changed], no_progress).table
        return table.values[table.present].tolist()  # type: ignore[no-any-return]

    assert rows(conversation) == FOUND[:3]
    assert rows(replace(conversation, speakers=("B", "B", "A", *conversation.speakers[3:]))) == [[BOB, 2], [BOB, 1]]
    clip = conversation.clips[1]
    assert clip is not None
    clip.path.write_text("a9")
    assert rows(conversation)[1] == [ANN, 1]


def test_the_fingerprint_of_what_follows_the_speaker_is_its_own(tmp_path: Path) -> None:
    made = [
        FaceExpression(faces="all"),
        FaceExpression(faces="main"),
        FaceExpression(faces="speaker", identity=tmp_path),
    ]
    assert len({extractor.fingerprint for extractor in made}) == 3
    assert made[2].source().fingerprint == made[2].fingerprint
    prints = {
        FaceIdentity(identity=tmp_path, **options).fingerprint  # type: ignore[arg-type]
        for options in ({}, {"faces": "main"}, {"faces": "all"}, {"frames": 3}, {"width": 320}, {"smallest": 30})
    }
    assert len(prints) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"faces": "speaker"},
            "identity: is needed to tell faces apart, but is not set .*npm pack @vladmandic/face-api",
        ),
        (
            {"faces": "speaker", "identity": Path("gone.tgz")},
            r"identity: there is no file or folder gone\.tgz .*npm pack",
        ),
        ({"faces": "main", "identity": Path()}, "identity: is set, but faces = 'main' does not tell faces apart"),
        ({"identity": Path()}, "identity: is set, but faces = 'all' .*set faces = 'speaker'"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: Mapping[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FaceExpression(**options)


def test_a_recipe_without_the_package_ends_in_one_message(cli: Any, tmp_path: Path) -> None:
    rows = [f"{split},{split},0,A,joy,0.mp4" for split in ("train", "dev", "test")]
    Path("utterances.csv").write_text("\n".join(["split,conversation,utterance,speaker,label,clip", *rows]))
    Path("0.mp4").write_bytes(b"no film")
    (tmp_path / "faces.toml").write_text(
        'schema = 1\ntitle = "Faces"\n[data]\nuse = "table"\nroot = "."\nmodalities = ["visual"]\n'
        '[features.visual]\nuse = "face-identity"\n[encoder.default]\nuse = "linear"\nwidth = 2\n'
        '[fusion]\nuse = "concat"\n[head.emotion]\nuse = "linear"\n[loss.cross-entropy]\n'
    )
    cli("extract", "faces.toml").check(2, "[features.visual]..identity..npm pack @vladmandic/face-api@1.7.15")
    Path("other.tgz").write_bytes(b"another package")
    ended = cli("extract", "faces.toml", "features.visual.identity=other.tgz")
    ended.check(2, "other.tgz: is damaged, or is another file..npm pack @vladmandic/face-api@1.7.15")
