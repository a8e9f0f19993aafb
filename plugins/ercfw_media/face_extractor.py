"""Extractors that describe faces, and read the whole conversation to find the speaker's."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ercfw import Broken, BrokenClipError, Clip, ClipExtractor, Conversation, Extractor, InputError
from ercfw_media.clips import read_frames
from ercfw_media.face_api_package import HASHES, find_face_api
from ercfw_media.face_identity_network import IdentityVectors
from ercfw_media.face_tracks import SAME_PERSON, SAME_PICTURE, follow
from ercfw_media.faces import Face, FaceDetector, Frame, Which
from ercfw_media.speaker_face import Chosen, ClipFaces, speaker_faces

Follow = Literal["all", "main", "speaker"]
Vector = NDArray[np.float32]


@dataclass(frozen=True)
class FaceReader:
    """Reads frames of clips, and finds the faces in them.

    Attributes:
        detector: detects the faces.
        frames: the largest number of frames to read of a clip.
        width: wider frames are scaled down to this width.
    """

    detector: FaceDetector
    frames: int
    width: int

    def pictures(self, clip: Clip) -> list[Frame]:
        """Return the frames, spread evenly over the clip.

        Raises:
            BrokenClipError: the clip cannot be read.
            InputError: a library is missing.
        """
        return read_frames(clip, self.frames, self.width)


def identity_of_speakers(faces: Follow, package: Path | None) -> IdentityVectors | None:
    """Return what tells faces apart if the speaker is followed.

    Args:
        faces: the faces to describe.
        package: the package that the user gives; None = the one in the cache.

    Raises:
        InputError: the package is missing, or is given although no faces are told apart.
    """
    if faces == "speaker":
        return IdentityVectors(find_face_api(package))
    if package is not None:
        hint = "set faces = 'speaker', or leave identity out"
        raise InputError.at("identity", f"is set, but faces = '{faces}' does not tell faces apart", hint)
    return None


class FaceExtractor(ClipExtractor):
    """Describes the faces of each clip, or of the speaker, whom only the whole conversation shows.

    Args:
        reader: reads the clips.
        faces: the faces to describe.
        identity: tells faces apart; needed for ``speaker``.
    """

    reads = "visual"

    def __init__(self, reader: FaceReader, faces: Follow, identity: IdentityVectors | None) -> None:
        self.reader, self.faces = reader, faces
        self.causal = faces != "speaker"
        self._speakers = SpeakerFaces(self, identity) if faces == "speaker" and identity else None

    @abstractmethod
    def describe(self, pictures: Sequence[Frame], faces: Sequence[Sequence[Face]]) -> Vector | None:
        """Return the vector ``[D]`` of the chosen faces of a clip, listed for each picture; None if there is none."""

    @property
    def which(self) -> Which:
        """Return the faces to describe in a clip by itself, where nobody recurs."""
        return "main" if self.faces == "speaker" else self.faces

    @property
    def about_identity(self) -> Mapping[str, object]:
        """Return what the fingerprint must contain if the speaker is followed, and nothing otherwise."""
        if self.faces != "speaker":
            return {}
        return {"identity": [HASHES, SAME_PICTURE, SAME_PERSON]}

    def extract(self, conversation: Conversation) -> Sequence[Vector | Broken | None]:
        """Return U vectors ``[D]``; an utterance without a clip, or without a chosen face, is absent."""
        source = self.source()
        return super().extract(conversation) if source is self else source.extract(conversation)

    def source(self) -> Extractor:
        """Return this extractor, whose features are cached by clip, or one that follows speakers by conversation."""
        return self if self._speakers is None else self._speakers

    def select(self, features: Vector) -> Vector:
        """Return the features of the source as they are."""
        return features


class SpeakerFaces(Extractor):
    """Describes the speaker's face in each utterance of a conversation; reads later utterances, but no labels.

    Args:
        of: describes the faces.
        identity: tells them apart.
    """

    reads = "visual"
    causal = False

    def __init__(self, of: FaceExtractor, identity: IdentityVectors) -> None:
        self.of, self.identity = of, identity

    @property
    def dim(self) -> int:  # type: ignore[override]
        """Return D of the extractor that describes the faces."""
        return self.of.dim

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of the extractor that describes the faces, which covers the rule."""
        return self.of.fingerprint

    def extract(self, conversation: Conversation) -> Sequence[Vector | Broken | None]:
        """Return U vectors ``[D]``.

        Each clip is read twice, first to find out who is seen in it, so that no more than the frames of one clip are in
        memory.

        Raises:
            InputError: a library is missing, or weights are not the pinned ones.
        """
        self.identity.load()
        seen: list[ClipFaces | None] = []
        broken: dict[int, Broken] = {}
        clips = conversation.clips or (None,) * len(conversation)
        for place, clip in enumerate(clips):
            try:
                seen.append(None if clip is None else self._look(clip))
            except BrokenClipError as error:
                broken[place] = Broken(str(error))
                seen.append(None)
        chosen = speaker_faces(seen, conversation.speakers)
        return [
            broken[place] if place in broken else self._describe(clip, faces)
            for place, (clip, faces) in enumerate(zip(clips, chosen, strict=True))
        ]

    def _look(self, clip: Clip) -> ClipFaces | None:
        pictures = self.of.reader.pictures(clip)
        if not pictures:
            return None
        faces = self.of.reader.detector.detect(pictures)
        height, width, _ = pictures[0].shape
        return ClipFaces(faces, follow(faces, self.identity(pictures, faces)), (width, height))

    def _describe(self, clip: Clip | None, faces: Chosen) -> Vector | Broken | None:
        if clip is None or not any(faces):
            return None
        try:
            return self.of.describe(self.of.reader.pictures(clip), faces)
        except BrokenClipError as error:
            return Broken(str(error))
