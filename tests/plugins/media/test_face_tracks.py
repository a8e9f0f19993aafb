"""Faces followed by place and identity, and the rule that finds the speaker's, on made-up faces."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from ercfw_media.face_tracks import SAME_PERSON, Track, follow, people
from ercfw_media.faces import Face
from ercfw_media.speaker_face import ClipFaces, speaker_faces

SIZE = (640, 360)
ANN, BOB, CAT = np.eye(3)
"""Identity vectors of three people; two people are 1.4 apart."""
Seen = tuple[float, NDArray[np.float64]]
"""The place of a face and its identity."""


def face(x: float, side: float = 60) -> Face:
    return Face((x - side / 2, 180 - side / 2, x + side / 2, 180 + side / 2), 0.9, np.zeros((5, 2), np.float32))


def clip(*frames: Sequence[Seen], side: float = 60) -> ClipFaces:
    faces = [[face(x, side) for x, _ in frame] for frame in frames]
    return ClipFaces(faces, follow(faces, [np.array([who for _, who in frame]) for frame in frames]), SIZE)


def places(chosen: Sequence[Sequence[Face]]) -> list[float | None]:
    return [(faces[0].box[0] + faces[0].box[2]) / 2 if faces else None for faces in chosen]


def tracked(made: ClipFaces) -> list[dict[int, float]]:
    return [{n: (seen.box[0] + seen.box[2]) / 2 for n, seen in track.faces.items()} for track in made.tracks]


def test_a_face_that_moves_is_one_track_and_may_pause() -> None:
    made = clip([(100, ANN)], [(130, ANN), (500, BOB)], [(480, BOB)], [(160, ANN)])
    assert tracked(made) == [{0: 100, 1: 130, 3: 160}, {1: 500, 2: 480}]


def test_another_person_in_the_same_place_begins_a_track() -> None:
    assert tracked(clip([(300, ANN)], [(300, BOB)], [(300, ANN)])) == [{0: 300, 2: 300}, {1: 300}]


def test_a_person_far_away_begins_a_track() -> None:
    assert tracked(clip([(100, ANN)], [(500, ANN)])) == [{0: 100}, {1: 500}]


def test_two_faces_side_by_side_are_told_apart_by_identity() -> None:
    made = clip([(300, ANN), (360, BOB)], [(330, BOB), (330, ANN)])
    assert [len(track.faces) for track in made.tracks] == [2, 2]
    np.testing.assert_array_equal(made.tracks[0].mean, ANN)


def test_the_links_have_the_smallest_sum_of_distances() -> None:
    """The nearest pair, linked first, would leave a pair that is too far apart."""
    tracks = [(300.0, np.array([0.0])), (310.0, np.array([0.5]))]
    made = clip(tracks, [(305, np.array([0.4])), (305, np.array([0.95]))])
    assert [[float(v[0]) for v in track.vectors] for track in made.tracks] == [[0.0, 0.4], [0.5, 0.95]]


def test_people_are_the_same_over_clips() -> None:
    near = ANN + SAME_PERSON / 2 * BOB
    first = clip([(100, ANN), (500, BOB)]).tracks
    second = clip([(500, near)], [(100, CAT)]).tracks
    (ann, bob), (again, cat) = people([first, second])
    assert ann == again
    assert len({ann, bob, cat}) == 3


def test_two_faces_of_a_frame_are_two_people_however_alike() -> None:
    twins = clip([(100, ANN), (500, ANN)], [(100, ANN), (500, ANN)])
    assert len(set(people([twins.tracks])[0])) == 2
    one, other = people([clip([(100, ANN)]).tracks, clip([(100, ANN)]).tracks])
    assert one == other


def test_without_tracks_there_are_no_people() -> None:
    assert people([]) == []
    assert people([[], []]) == [[], []]
    assert people([[], [Track({0: face(1)}, [ANN])]]) == [[], [0]]


def test_the_person_who_recurs_when_a_speaker_talks_is_chosen_though_smaller() -> None:
    """Bob is larger and in the middle of each picture; Ann is only there when A talks."""
    seen = [
        clip([(100, ANN), (320, BOB)], [(100, ANN), (320, BOB)]),
        clip([(320, BOB)], [(320, BOB)]),
        clip([(320, BOB), (120, ANN)], [(320, BOB)]),
    ]
    assert [places(one) for one in speaker_faces(seen, ["A", "B", "A"])] == [[100, 100], [320, 320], [120, None]]


def test_a_person_is_chosen_over_all_tracks_of_a_clip_that_was_cut() -> None:
    seen = [
        clip([(100, ANN)], [(320, BOB)], [(500, ANN)]),
        clip([(320, BOB)], [(320, BOB)], [(320, BOB)]),
    ]
    assert places(speaker_faces(seen, ["A", "B"])[0]) == [100, None, 500]


def test_a_face_that_belongs_to_another_speaker_is_not_taken() -> None:
    seen = [clip([(100, ANN)]), clip([(500, BOB)]), clip([(100, ANN)]), clip([(500, BOB)]), clip([(500, BOB)])]
    chosen = speaker_faces(seen, ["A", "B", "A", "B", "A"])
    assert [places(one) for one in chosen] == [[100], [500], [100], [500], [None]]


def test_the_shares_are_means_over_the_utterances_as_worked_by_hand() -> None:
    """A: Ann 1/2, Cat (1/2 + 1) / 2 = 3/4; B: Ann 0, Cat 1/2. Excess for A: Ann 1/2, Cat 1/4."""
    seen = [
        clip([(100, ANN), (320, CAT)], [(100, ANN)]),
        clip([(320, CAT)], [(320, CAT)]),
        clip([(320, CAT)], [(500, BOB)]),
    ]
    chosen = speaker_faces(seen, ["A", "A", "B"])
    assert [places(one) for one in chosen] == [[100, 100], [320, 320], [None, 500]]


def test_equal_persons_are_settled_by_size_and_place() -> None:
    faces = [[face(100, 40), face(540, 90)]]
    vectors = [np.array([ANN, BOB])]
    seen = [ClipFaces(faces, follow(faces, vectors), SIZE), clip([(100, CAT)])]
    assert places(speaker_faces(seen, ["A", "B"])[0]) == [540]


def test_with_one_speaker_the_person_who_recurs_is_chosen() -> None:
    seen = [clip([(100, ANN), (320, BOB)]), clip([(120, ANN), (320, CAT)]), clip([(140, ANN)])]
    assert [places(one) for one in speaker_faces(seen, ["A"] * 3)] == [[100], [120], [140]]


def test_a_single_utterance_gets_its_main_track() -> None:
    alone = clip([(100, ANN), (320, BOB)], [(100, ANN), (330, BOB)])
    assert places(speaker_faces([alone], ["A"])[0]) == [320, 330]
    none, some = speaker_faces([None, alone], ["B", "A"])
    assert none == []
    assert places(some) == [320, 330]


def test_utterances_without_a_readable_clip_count_nowhere() -> None:
    seen = [clip([(100, ANN), (320, BOB)]), None, None, clip([(320, BOB)])]
    chosen = speaker_faces(seen, ["A", "A", "B", "B"])
    assert [places(one) for one in chosen] == [[100], [], [], [320]]
    assert speaker_faces([None, None], ["A", "B"]) == [[], []]


def test_a_video_without_faces_counts_as_one_that_shows_nobody() -> None:
    seen = [clip([], []), clip([(100, ANN)], [])]
    assert [places(one) for one in speaker_faces(seen, ["A", "B"])] == [[None, None], [100, None]]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_neither_the_names_nor_the_order_matter(order: tuple[int, ...]) -> None:
    seen = [clip([(100, ANN), (320, BOB)]), clip([(320, BOB)]), clip([(320, CAT), (120, ANN)])]
    expected = [places(one) for one in speaker_faces(seen, ["A", "B", "A"])]
    named = [["x", "", "x"][n] for n in order]
    assert [places(one) for one in speaker_faces([seen[n] for n in order], named)] == [expected[n] for n in order]
