"""Pictures and sound of clips: the right ones, however they are stored, and one message for what is broken."""

import socket
import struct
import tracemalloc
import wave
from math import inf
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="the sound extra is not installed")

import ercfw_media.clips as clips
import ercfw_media.media_file as media_file
from ercfw.conversations import Clip
from ercfw.errors import BrokenClipError, InputError
from ercfw_media.clips import read_frames, read_sound
from ercfw_media.media_file import MediaFile
from tests.media.made_clips import make_clip, number_of, sine

FORMATS = {
    "a.mp4": "libx264", "b.mkv": "libx264", "c.webm": "libvpx", "d.webm": "libvpx-vp9", "e.gif": "gif",
    "f.mov": "png", "g.ts": "libx264", "h.mkv": "ffv1",
}  # fmt: skip
SOUNDS = {
    "a.wav": ("pcm_s16le", 22_050), "b.mp3": ("libmp3lame", 44_100), "c.ogg": ("libopus", 48_000),
    "d.flac": ("flac", 16_000), "e.m4a": ("aac", 48_000), "f.mkv": ("libopus", 48_000), "g.webm": ("libopus", 48_000),
}  # fmt: skip


def numbers(clip: Clip, most: int) -> list[int]:
    return [number_of(frame) for frame in read_frames(clip, most)]


@pytest.mark.parametrize(("name", "codec"), FORMATS.items(), ids=FORMATS)
def test_pictures_are_the_middles_of_equal_parts_read_through_or_sought(tmp_path, monkeypatch, name, codec):
    path = make_clip(tmp_path / name, pictures=32, fps=8, codec=codec, key_each=4)
    for skip in (inf, 0.0):
        monkeypatch.setattr(clips, "SKIP", skip)
        assert numbers(Clip(path), 40) == numbers(Clip(path), 32) == list(range(32))
        assert numbers(Clip(path), 4) == [4, 12, 20, 28]
        assert numbers(Clip(path), 1) == [16]
        assert numbers(Clip(path, 1.0, 2.0), 40) == list(range(8, 16))
        assert numbers(Clip(path, 2.5), 3) == [22, 26, 30]
        assert numbers(Clip(path, 3.0, 99.0), 40) == list(range(24, 32))


def test_of_a_stretch_between_two_pictures_the_one_shown_is_given(tmp_path):
    path = make_clip(tmp_path / "a.mp4", pictures=8, fps=2)
    assert numbers(Clip(path, 2.1, 2.3), 5) == [4]


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("b.gif", "gif"), ("c.png", "png")])
def test_a_single_picture(tmp_path, name, codec):
    (frame,) = read_frames(Clip(make_clip(tmp_path / name, pictures=1, codec=codec)), 20)
    assert (frame.shape, frame.dtype, number_of(frame)) == ((48, 64, 3), np.uint8, 0)


@pytest.fixture
def quarters(tmp_path: Path) -> Path:
    """Red, green, blue and white, clockwise from the upper left."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32, 0] = picture[:24, 32:, 1] = picture[24:, 32:, 2] = 255
    picture[24:, :32] = 255
    return make_clip(tmp_path / "quarters.mov", pictures=[picture], codec="png")


def test_halves_and_widths(quarters):
    (whole,) = read_frames(Clip(quarters), 1)
    (left,) = read_frames(Clip(quarters, half="left"), 1)
    (right,) = read_frames(Clip(quarters, half="right"), 1)
    np.testing.assert_array_equal(np.hstack([left, right]), whole)
    assert (left[0, 0].tolist(), right[0, 0].tolist()) == ([255, 0, 0], [0, 255, 0])
    (small,) = read_frames(Clip(quarters), 1, width=32)
    np.testing.assert_allclose(small, whole.reshape(24, 2, 32, 2, 3).mean((1, 3)), atol=2)
    assert read_frames(Clip(quarters), 1, width=640)[0].shape == (48, 64, 3)
    assert read_frames(Clip(quarters, half="right"), 1, width=16)[0].shape == (24, 16, 3)


def test_pictures_are_turned_upright(quarters):
    one = 1 << 16
    clockwise = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    upright = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    content = quarters.read_bytes()
    (before,) = read_frames(Clip(quarters), 1)
    track = content.index(b"tkhd")
    place = content.index(upright, track)
    quarters.write_bytes(content[:place] + clockwise + content[place + len(clockwise) :])
    (turned,) = read_frames(Clip(quarters), 1, width=48)
    np.testing.assert_array_equal(turned, np.rot90(before, -1))


def test_a_cover_is_no_picture(tmp_path):
    sound = make_clip(
        tmp_path / "a.mp3", sound=sine(1, 16_000), sound_codec="libmp3lame", muxing={"id3v2_version": "0"}
    )
    cover = make_clip(tmp_path / "cover.png", pictures=1, codec="png").read_bytes()
    body = b"\0image/png\0\3\0" + cover
    frame = b"APIC" + struct.pack(">IH", len(body), 0) + body
    size = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    sound.write_bytes(b"ID3\3\0\0" + size + frame + sound.read_bytes())
    import av

    with av.open(str(sound)) as container:
        assert len(container.streams.video) == 1
    assert read_frames(Clip(sound), 5) == read_frames(Clip(sound, 9.0), 5) == []
    assert read_sound(Clip(sound), 16_000) is not None


def test_a_file_with_one_of_the_two(tmp_path):
    assert read_sound(Clip(make_clip(tmp_path / "a.mp4", pictures=4)), 16_000) is None
    assert read_frames(Clip(make_clip(tmp_path / "a.wav", sound=sine(1, 16_000), sound_codec="pcm_s16le")), 4) == []


def test_sound_is_the_average_of_the_channels_sample_by_sample(tmp_path):
    values = np.random.default_rng(0).integers(-20_000, 20_000, (80_000, 2)).astype("<i2")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(values.tobytes())
    mean = (values / 32_768).mean(1)
    for start, end in ((0.0, None), (0.5, None), (1.25, 1.75), (3.1, 4.9), (4.0, 9.0)):
        sound = read_sound(Clip(tmp_path / "a.wav", start, end), 16_000)
        last = None if end is None else round(end * 16_000)
        assert sound is not None
        assert sound.dtype == np.float32
        np.testing.assert_allclose(sound, mean[round(start * 16_000) : last], atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("name", SOUNDS)
def test_a_sweep_is_where_it_should_be_however_it_is_stored(tmp_path, monkeypatch, name, channels):
    codec, rate = SOUNDS[name]
    if (codec, channels) == ("libmp3lame", 6):
        pytest.skip("MP3 has two channels at most")

    def sweep(rate: int) -> np.ndarray:
        t = np.arange(6 * rate) / rate
        return (0.5 * np.sin(2 * np.pi * (200 * t + 100 * t * t))).astype(np.float32)

    silent = np.zeros((channels - 1, 6 * rate), np.float32)
    path = make_clip(tmp_path / name, sound=np.vstack([sweep(rate), silent]), rate=rate, sound_codec=codec)
    reference = sweep(16_000)[64_000:80_000] / channels
    sought = read_sound(Clip(path, 4.0, 5.0), 16_000)
    monkeypatch.setattr(MediaFile, "seek", lambda *_: None)
    through = read_sound(Clip(path, 4.0, 5.0), 16_000)
    assert sought is not None
    assert through is not None
    for sound in (sought, through):
        assert abs(len(sound) - 16_000) <= 16
        shifts = {shift: sound[100:15_800] @ reference[100 + shift : 15_800 + shift] for shift in range(-80, 81)}
        assert abs(max(shifts, key=shifts.__getitem__)) <= 16  # 1 ms
        assert max(shifts.values()) == pytest.approx(reference[100:15_800] @ reference[100:15_800], rel=0.1)
    if rate % 16_000 == 0:  # else their samples lie between each other's
        np.testing.assert_allclose(sought[200:15_000], through[200:15_000], atol=0.01)


def test_resampling_keeps_a_sine(tmp_path):
    path = make_clip(tmp_path / "a.wav", sound=sine(2, 44_100, 1000.0), rate=44_100, sound_codec="pcm_s16le")
    sound = read_sound(Clip(path), 16_000)
    assert sound is not None
    np.testing.assert_allclose(sound[500:-500], sine(2, 16_000, 1000.0)[500:-500], atol=2e-3)


def test_real_clips_are_as_long_as_they_say(real_data):
    import av

    for path in sorted((real_data("meld_clips") / "dev").glob("*.mp4")):
        with av.open(str(path)) as container:
            seconds = container.duration / 1e6
        sound = read_sound(Clip(path), 16_000)
        assert sound is not None
        assert len(sound) / 16_000 == pytest.approx(seconds, abs=0.03)
        assert np.abs(sound).max() > 0.01


def test_real_pictures_are_the_same_read_through_or_sought(real_data, monkeypatch):
    clip = Clip(real_data("meld_clips") / "dev" / "dia29_utt2.mp4", 0.5)
    through = read_frames(clip, 4, 640)
    monkeypatch.setattr(clips, "SKIP", 0.0)
    assert [frame.shape for frame in through] == [(360, 640, 3)] * 4
    np.testing.assert_array_equal(read_frames(clip, 4, 640), through)


def told(clip: Clip) -> tuple[str, str]:
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
        assert told(Clip(tmp_path / "a.m3u8")) == ("is no sound or video file, or is cut off",) * 2
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_files_that_are_none(tmp_path, capfd):
    subtitle = "1\n00:00:01,000 --> 00:00:02,000\nHm.\n"
    wrong, neither = "is no sound or video file, or is cut off", "has neither sound nor pictures"
    cases = {
        "a.mp4": ("", "is empty"), "b.mp4": ("Hm. " * 999, wrong),
        "d.srt": (subtitle, neither), "e.txt": ("Hm. " * 999, neither),
    }  # fmt: skip
    for name, (content, message) in cases.items():
        (tmp_path / name).write_text(content)
        assert told(Clip(tmp_path / name)) == (message, message)
    for name, why in (("none.mp4", "No such file or directory"), (".", "Is a directory")):
        assert told(Clip(tmp_path / name)) == (f"cannot be opened: {why}",) * 2
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
    assert told(Clip(path, start, end)) == (message, message)


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
    assert all("cut off" in message for message in told(Clip(path)))
    assert len(read_frames(Clip(path, 0.0, 1.0), 40)) == 8
    assert len(read_sound(Clip(path, 0.0, 1.0), 16_000)) == 16_000
    assert told(Clip(path, 3.0, 4.0)) == ("ends before the utterance begins at 3.00 s",) * 2
    assert capfd.readouterr().err == ""


def test_a_file_whose_contents_stand_at_its_end_cannot_be_read_when_it_is_cut_off(tmp_path):
    path = make_clip(tmp_path / "a.mp4", pictures=32, sound=sine(4, 16_000))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert told(Clip(path, 0.0, 1.0)) == ("is no sound or video file, or is cut off",) * 2


def test_damage_inside_the_stretch_is_told_and_before_it_passed_over(tmp_path):
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
    assert told(Clip(path)) == tuple(f"its {x} is coded in a way that is not known here" for x in ("video", "audio"))


def test_sound_that_is_not_finite(tmp_path):
    sound = sine(1, 16_000)
    sound[5000] = np.nan
    path = make_clip(tmp_path / "a.wav", sound=sound, sound_codec="pcm_f32le")
    with pytest.raises(BrokenClipError, match="values that are not finite"):
        read_sound(Clip(path), 16_000)
    assert len(read_sound(Clip(path, 0.5), 16_000)) == 8000


def test_without_pyav_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(media_file, "find_spec", lambda _: None)
    for read, extra in ((read_frames, "faces"), (read_sound, "sound")):
        with pytest.raises(InputError, match=rf"av: .*pip install 'ercfw\[{extra}\]'"):
            read(Clip(tmp_path / "a.mp4"), 8)


def test_ten_minutes_are_sought_through_in_little_memory(tmp_path, monkeypatch):
    path = make_clip(
        tmp_path / "a.mkv", pictures=1200, fps=2, key_each=20, sound=sine(600, 8000), rate=8000, sound_codec="flac"
    )
    decoded = []
    frames = MediaFile.frames
    monkeypatch.setattr(MediaFile, "frames", lambda *of: (decoded.append(0) or frame for frame in frames(*of)))
    tracemalloc.start()
    try:
        seen = numbers(Clip(path), 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen == [(30 + 60 * part) % 32 for part in range(20)]
    assert len(decoded) < 600
    assert peak < 3e6  # all 1200 pictures are 11 MB
    assert numbers(Clip(path, 500.0, 502.0), 9) == [n % 32 for n in range(1000, 1004)]
    sound = read_sound(Clip(path, 590.0, 591.0), 8000)
    np.testing.assert_allclose(sound, sine(600, 8000)[590 * 8000 : 591 * 8000], atol=1e-3)


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


@pytest.mark.parametrize("fps", [1, 4])
def test_slow_pictures_that_lean_on_later_ones_are_whole(tmp_path, fps):
    # They are stored up to two pictures before they are shown, which is long where there are few a second.
    path = make_clip(tmp_path / "slow.mp4", pictures=12, fps=fps, options={"bf": "3", "b-pyramid": "normal"})
    assert len(read_frames(Clip(path), 20)) == 12
