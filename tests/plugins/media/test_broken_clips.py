"""What is no clip, or a broken one, is one message; what is whole before the damage is read."""

import socket
import wave

import numpy as np
import pytest

pytest.importorskip("av", reason="the sound extra is not installed")

import ercfw_media.media_file as media_file
from ercfw.contract.conversation import Clip
from ercfw.errors import BrokenClipError, InputError
from ercfw_media.clips import read_frames, read_sound
from tests.plugins.media.made_clips import make_clip, sine


def reported(clip: Clip) -> tuple[str, str]:
    """What is said of its pictures and of its sound."""
    said = []
    for read in (lambda: read_frames(clip, 4), lambda: read_sound(clip, 16_000)):
        with pytest.raises(BrokenClipError) as error:
            read()
        said.append(str(error.value))
    return said[0], said[1]


def test_a_playlist_does_not_reach_for_the_network(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        (tmp_path / "a.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{there}\n#EXT-X-ENDLIST\n")
        assert reported(Clip(tmp_path / "a.m3u8")) == ("is not a sound or video file, or is cut off",) * 2
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_files_that_are_none(tmp_path, capfd):
    subtitle = "1\n00:00:01,000 --> 00:00:02,000\nHm.\n"
    wrong, neither = "is not a sound or video file, or is cut off", "has neither sound nor pictures"
    cases = {
        "a.mp4": ("", "is empty"), "b.mp4": ("Hm. " * 999, wrong),
        "d.srt": (subtitle, neither), "e.txt": ("Hm. " * 999, neither),
    }  # fmt: skip
    for name, (content, message) in cases.items():
        (tmp_path / name).write_text(content)
        assert reported(Clip(tmp_path / name)) == (message, message)
    for name, why in (("none.mp4", "No such file or directory"), (".", "Is a directory")):
        assert reported(Clip(tmp_path / name)) == (f"cannot be opened: {why}",) * 2
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (5.0, None, "ends before the utterance begins at 5.00 s"),
        (2.0, 2.0, "cannot be read from 2.00 s to 2.00 s"),
        (2.0, 1.0, "cannot be read from 2.00 s to 1.00 s"),
        (-1.0, None, "cannot be read from -1.00 s to its end"),
        (float("nan"), 1.0, "cannot be read from nan s to 1.00 s"),
    ],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_wrong_times(tmp_path, name, start, end, message):
    path = make_clip(tmp_path / name, pictures=32, sound=sine(4, 16_000))
    assert reported(Clip(path, start, end)) == (message, message)


@pytest.mark.parametrize(
    ("name", "codecs", "muxing"),
    [
        ("a.mp4", ("libx264", "aac"), {"movflags": "faststart"}),
        ("b.mkv", ("libx264", "libopus"), {}),
        ("c.webm", ("libvpx", "libopus"), {}),
    ],
)
def test_of_a_file_that_is_cut_off_what_is_there_whole_is_read(tmp_path, capfd, name, codecs, muxing):
    path = make_clip(
        tmp_path / name, pictures=32, codec=codecs[0], sound=sine(4, 16_000), sound_codec=codecs[1], muxing=muxing
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    assert all("cut off" in message for message in reported(Clip(path)))
    assert len(read_frames(Clip(path, 0.0, 1.0), 40)) == 8
    assert len(read_sound(Clip(path, 0.0, 1.0), 16_000)) == 16_000
    assert reported(Clip(path, 3.0, 4.0)) == ("ends before the utterance begins at 3.00 s",) * 2
    assert capfd.readouterr().err == ""


def test_a_file_whose_contents_stand_at_its_end_cannot_be_read_when_it_is_cut_off(tmp_path):
    path = make_clip(tmp_path / "a.mp4", pictures=32, sound=sine(4, 16_000))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert reported(Clip(path, 0.0, 1.0)) == ("is not a sound or video file, or is cut off",) * 2


def test_damage_inside_the_stretch_is_reported_and_before_it_passed_over(tmp_path):
    path = make_clip(tmp_path / "a.mkv", sound=sine(8, 16_000), sound_codec="flac")
    content = bytearray(path.read_bytes())
    damaged = content.index(b"\xff\xf8", 5000)  # a frame of FLAC some 0.6 s from the beginning
    content[damaged : damaged + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(BrokenClipError, match="is damaged or cut off"):
        read_sound(Clip(path, 0.0, 1.0), 16_000)
    assert len(read_sound(Clip(path, 1.2, 2.2), 16_000)) == 16_000


def test_an_unknown_codec(tmp_path):
    path = make_clip(tmp_path / "a.mkv", pictures=4, sound=sine(1, 16_000))
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MPEG9/ISO/AVC").replace(b"A_AAC", b"A_XXX"))
    assert reported(Clip(path)) == tuple(f"its {x} has an unknown codec" for x in ("video", "audio"))


def test_sound_that_is_not_finite(tmp_path):
    sound = sine(1, 16_000)
    sound[5000] = np.nan
    path = make_clip(tmp_path / "a.wav", sound=sound, sound_codec="pcm_f32le")
    with pytest.raises(BrokenClipError, match="values that are not finite"):
        read_sound(Clip(path), 16_000)
    assert len(read_sound(Clip(path, 0.5), 16_000)) == 8000


def test_more_channels_than_can_be_resampled(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(65)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(65 * 2 * 1600))
    with pytest.raises(BrokenClipError, match="its sound has 65 channels, and at most 64 can be read"):
        read_sound(Clip(tmp_path / "a.wav"), 16_000)


def test_without_pyav_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(media_file, "find_spec", lambda _: None)
    for read, extra in ((read_frames, "faces"), (read_sound, "sound")):
        with pytest.raises(InputError, match=rf"av: .*pip install 'ercfw\[{extra}\]'"):
            read(Clip(tmp_path / "a.mp4"), 8)


def outcome(read, clip: Clip) -> str:
    try:
        read(clip, 8000)
    except BrokenClipError as error:
        return str(error)
    return "a result"


def test_whatever_bytes_are_damaged_there_is_a_result_or_one_message(tmp_path):
    rng = np.random.default_rng(0)
    seen = set()
    for name in ("a.mp4", "b.mkv", "c.ts"):
        path = make_clip(tmp_path / name, pictures=8, sound=sine(1, 16_000))
        whole = path.read_bytes()
        for _ in range(25):
            content = bytearray(whole)
            for place in rng.integers(0, rng.choice([300, len(whole)]), 9):
                content[place] = rng.integers(256)
            path.write_bytes(content[: rng.integers(1, len(whole))] if rng.random() < 0.3 else content)
            seen |= {outcome(read, Clip(path, 0.25, 0.75)) for read in (read_frames, read_sound)}
    assert max(map(len, seen)) < 120
    assert len(seen) > 3
