"""Face identity on the clips of a real conversation of two women, whose every picture was looked at by eye."""

from collections.abc import Callable
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from ercfw.contract.conversation import Clip, Conversation
from ercfw_media.face_api_package import read_face_api
from ercfw_media.face_identity import FaceIdentity
from ercfw_media.face_identity_network import BLOCKS, FaceIdentityNet
from ercfw_media.face_tracks import SAME_PERSON, SAME_PICTURE
from ercfw_media.faces import Face, only
from ercfw_media.speaker_face import speaker_faces

SPEAKERS = tuple("MRMRMRMRMMR")
CLOSE = {"M": (6, 8, 9), "R": (3, 7, 10)}
"""The utterances that show their speaker from near."""
ACROSS = {0: (0.38, 0.6), 1: (0.6, 0.75), 2: (0.45, 0.55), 3: (0.4, 0.7), 4: (0.5, 0.8), 5: (0.2, 0.3), 6: (0.5, 0.6),
          7: (0.3, 0.45), 8: (0.6, 0.7), 9: (0.6, 0.7), 10: (0.3, 0.37)}  # fmt: skip
"""Where the speaker stands, on average over the pictures of an utterance that show her, as a share of the width."""


@pytest.fixture(scope="module")
def clips(real_data: Callable[[str], Path]) -> tuple[Clip, ...]:
    pytest.importorskip("av")
    pytest.importorskip("lz4")
    return tuple(Clip(real_data("meld_clips") / "dev" / f"dia29_utt{number}.mp4") for number in range(len(SPEAKERS)))


def test_the_weights_are_those_of_a_network_of_29_convolutions(face_api: Path) -> None:
    weights = read_face_api(face_api)
    assert sum(name.endswith("filters") for name in weights) == 1 + 2 * len(BLOCKS) == 29
    network = FaceIdentityNet(weights).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 150, 150)).shape == (2, 128)


def apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(one - other))


@pytest.mark.slow
def test_a_person_is_nearer_to_herself_than_to_another(face_api: Path, clips: tuple[Clip, ...]) -> None:
    """In each of these clips the main face is the speaker's; dlib's bound is one for single pictures."""
    extractor = FaceIdentity(identity=face_api, faces="main", frames=4)
    single: dict[str, list[NDArray[np.float32]]] = {}
    for name, places in CLOSE.items():
        for place in places:
            pictures = extractor.reader.pictures(clips[place])
            found = only("main", extractor.reader.detector.detect(pictures), pictures)
            single.setdefault(name, []).append(np.concatenate(extractor._vectors(pictures, found)))
    means = {name: [vectors.mean(0) for vectors in made] for name, made in single.items()}
    same = [apart(a, b) for made in means.values() for a, b in combinations(made, 2)]
    assert max(same) < SAME_PERSON
    assert max(same) < min(apart(a, b) for a, b in product(*means.values()))
    pairs = [cdist(a, b) < SAME_PICTURE for made in single.values() for a, b in combinations(made, 2)]
    assert np.concatenate([pair.ravel() for pair in pairs]).mean() > 0.9
    assert (cdist(*(np.concatenate(made) for made in single.values())) > SAME_PICTURE).mean() > 0.9


@pytest.mark.slow
def test_neighbouring_frames_show_one_person(face_api: Path, clips: tuple[Clip, ...]) -> None:
    extractor = FaceIdentity(identity=face_api, frames=40)
    pictures = extractor.reader.pictures(clips[7])[:3]
    vectors = extractor._vectors(pictures, extractor.reader.detector.detect(pictures))
    assert [len(here) for here in vectors] == [1, 1, 1]
    assert max(apart(a[0], b[0]) for a, b in combinations(vectors, 2)) < SAME_PICTURE / 2


@pytest.mark.slow
def test_the_face_of_every_utterance_is_the_speakers(face_api: Path, clips: tuple[Clip, ...]) -> None:
    extractor = FaceIdentity(identity=face_api, frames=8)
    source = extractor.source()
    seen = [source._look(clip) for clip in clips]  # type: ignore[attr-defined]
    chosen = speaker_faces(seen, SPEAKERS)
    for place, faces in enumerate(chosen):
        low, high = ACROSS[place]
        assert low < np.mean([middle(face) for here in faces for face in here]) < high, place
    assert not any(chosen[2][:3])  # the other woman is alone in the picture until the cut
    assert all(chosen[2][4:])


def middle(face: Face) -> float:
    return (face.box[0] + face.box[2]) / 2 / 640


@pytest.mark.slow
def test_the_extractor_gives_each_speaker_her_own_vectors(face_api: Path, clips: tuple[Clip, ...]) -> None:
    places = (1, 2, 6, 7)
    rows = tuple(map(str, places))
    speakers = tuple(SPEAKERS[place] for place in places)
    talk = Conversation("c", "dev", rows, speakers, ("",) * 4, {}, clips=tuple(clips[place] for place in places))
    r1, m2, m6, r7 = FaceIdentity(identity=face_api, frames=6).extract(talk)
    assert max(apart(m2, m6), apart(r1, r7)) < min(apart(m2, r1), apart(m2, r7), apart(m6, r1), apart(m6, r7))  # type: ignore[arg-type]
