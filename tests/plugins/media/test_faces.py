"""Faces in frames and clips: found, cut out, followed, averaged."""

from collections.abc import Callable
from importlib import util
from pathlib import Path

import numpy as np
import pytest
import torch

from ercfw.contract.conversation import Clip
from ercfw.errors import BrokenClipError, InputError
from ercfw_media.faces import Face, FaceDetector, Frame, crops, face_crops, main_track, pool

SIZE = (640, 360)


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    pytest.importorskip("av")
    if util.find_spec("mtcnn") is None or util.find_spec("lz4") is None:
        pytest.skip("the extra 'faces' is not installed")
    return FaceDetector(smallest=30)


@pytest.fixture(scope="module")
def clip(real_data: Callable[[str], Path]) -> Clip:
    return Clip(real_data("meld_clips") / "dev" / "dia29_utt10.mp4")


@pytest.fixture(scope="module")
def frames(clip: Clip, detector: FaceDetector) -> list[Frame]:
    from ercfw_media.clips import read_frames

    return read_frames(clip, 4, 640)


def face(x: float, y: float, side: float = 40) -> Face:
    half = side / 2
    return Face((x - half, y - half, x + half, y + half), 0.9, np.zeros((5, 2), np.float32))


def test_the_face_of_a_real_clip_is_found_with_its_parts_in_place(frames: list[Frame], detector: FaceDetector) -> None:
    for faces in detector.detect(frames):
        assert len(faces) == 1
        x1, y1, x2, y2 = faces[0].box
        left, right, nose, mouth_left, mouth_right = faces[0].landmarks
        assert x1 < left[0] < nose[0] < right[0] < x2
        assert mouth_left[0] < mouth_right[0]
        assert y1 < max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1]) < y2


def test_what_is_found_does_not_depend_on_the_frames_beside(frames: list[Frame], detector: FaceDetector) -> None:
    together = detector.detect([*frames, frames[0][:200, :400], frames[1]])
    alone = [detector.detect([frame])[0] for frame in (*frames, frames[0][:200, :400], frames[1])]
    for ours, theirs in zip(together, alone, strict=True):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one.box, other.box, atol=1e-2)


def test_a_moved_and_doubled_picture_moves_and_doubles_its_face(frames: list[Frame], detector: FaceDetector) -> None:
    moved = np.roll(frames[0], (20, 30), (0, 1))
    doubled = frames[0].repeat(2, 0).repeat(2, 1)
    still, after, large = (np.array(detector.detect([frame])[0][0].box) for frame in (frames[0], moved, doubled))
    side = still[3] - still[1]
    assert np.abs(after - still - [30, 20, 30, 20]).max() < 0.1 * side
    assert np.abs(large / 2 - still).max() < 0.1 * side


def test_no_frames_have_no_faces(detector: FaceDetector) -> None:
    assert detector.detect([]) == []
    assert detector.detect([np.zeros((90, 120, 3), np.uint8)]) == [[]]


@pytest.mark.parametrize(
    ("options", "where"),
    [({"smallest": 11}, "smallest"), ({"thresholds": (0.6, 0.7, 1.0)}, "thresholds"), ({"factor": 1.0}, "factor")],
)
def test_options_out_of_range_are_refused(options: dict[str, object], where: str) -> None:
    with pytest.raises(InputError, match=where):
        FaceDetector(**options)  # type: ignore[arg-type]


def test_the_fingerprint_depends_on_the_settings() -> None:
    prints = [FaceDetector(), FaceDetector(smallest=24), FaceDetector(factor=0.8), FaceDetector(thresholds=(0.5,) * 3)]
    assert len({detector.fingerprint for detector in prints}) == len(prints)
    assert FaceDetector().fingerprint == FaceDetector().fingerprint


def test_crops_are_squares_with_a_margin_around_the_box() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    narrow = Face((30.0, 20.0, 36.0, 30.0), 0.9, np.zeros((5, 2), np.float32))  # 6 wide, 10 high
    got = crops(frame, [narrow], 12, margin=0.1)  # its square is 28..38, 20..30; with the margin 27..39, 19..31
    np.testing.assert_allclose(got[0], frame[19:31, 27:39].transpose(2, 0, 1), atol=1e-3)
    assert crops(frame, [], 12).shape == (0, 3, 12, 12)


def test_a_crop_over_the_border_goes_on_with_the_last_pixels() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    got = crops(frame, [face(0, 30, side=10)], 10)
    wanted = np.pad(frame[25:35, :5], ((0, 0), (5, 0), (0, 0)), mode="edge").transpose(2, 0, 1)
    np.testing.assert_allclose(got[0], wanted, atol=1e-3)


def test_the_main_track_is_the_large_one_in_the_middle_however_its_faces_are_ordered() -> None:
    middle = [face(300 + 15 * t, 180, side=60) for t in range(4)]
    corner = [face(40, 40, side=60) for _ in range(4)]
    small = [face(330, 300, side=20) for _ in range(4)]
    faces = [[middle[0], corner[0], small[0]], [small[1], corner[1], middle[1]], [corner[2], small[2], middle[2]]]
    assert main_track(faces, SIZE) == middle[:3]


def test_a_track_may_pause_and_a_flash_does_not_outweigh_it() -> None:
    stays, flash = face(320, 180, side=40), face(200, 180, side=90)
    assert main_track([[stays], [], [flash, stays], [stays]], SIZE) == [stays, None, stays, stays]


def test_faces_far_apart_are_two_tracks_and_each_face_goes_on_with_one() -> None:
    left, right = face(200, 180), face(440, 180)
    assert main_track([[left], [left], [right]], SIZE) == [left, left, None]
    near = face(left.box[0] + 30, 180)
    assert main_track([[left], [near, left]], SIZE) == [left, left]


def test_without_faces_there_is_no_track() -> None:
    assert main_track([[], []], SIZE) == [None, None]
    assert main_track([], SIZE) == []


def test_pooling_over_frames_weighs_frames_alike_and_over_faces_faces() -> None:
    vectors, frame = torch.tensor([[1.0, 0], [3, 0], [8, 2]]), torch.tensor([2, 2, 5])
    assert pool(vectors, frame).tolist() == [5, 1]  # ((1 + 3) / 2 + 8) / 2
    assert pool(vectors, frame, "faces").tolist() == pytest.approx([4, 2 / 3])


def test_the_faces_of_a_clip_are_listed_by_frame(clip: Clip, detector: FaceDetector) -> None:
    found = face_crops(clip, detector, frames=3, size=32, margin=0.2)
    assert found.frames == 3
    assert found.frame.tolist() == sorted(found.frame.tolist())
    assert found.pixels.shape == (len(found.frame), 3, 32, 32)
    assert 0 <= found.pixels.min() < found.pixels.max() <= 255
    alone = face_crops(clip, detector, frames=3, size=32, margin=0.2, faces="main")
    assert alone.frame.tolist() == [0, 1, 2]
    assert all(any(torch.equal(one, other) for other in found.pixels) for one in alone.pixels)


def test_a_clip_that_is_none_is_broken(tmp_path: Path, detector: FaceDetector) -> None:
    (tmp_path / "not.mp4").write_bytes(b"not a film")
    with pytest.raises(BrokenClipError):
        face_crops(Clip(tmp_path / "not.mp4"), detector, size=32)
