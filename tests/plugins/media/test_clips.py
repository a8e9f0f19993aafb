"""Pictures and sound of clips: the right ones, however they are stored."""

import struct
import tracemalloc
import wave
from math import inf
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="the sound extra is not installed")

import ercfw_media.clips as clips
from ercfw.contract.conversation import Clip
from ercfw_media.clips import read_frames, read_sound
from ercfw_media.media_file import MediaFile
from tests.plugins.media.made_clips import make_clip, number_of, sine

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


@pytest.mark.parametrize("channels", [2, 8, 10])
def test_sound_is_the_average_of_the_channels_sample_by_sample(tmp_path, channels):
    values = np.random.default_rng(0).integers(-20_000, 20_000, (80_000, channels)).astype("<i2")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(channels)
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


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "adpcm_ms"), ("b.mkv", "wavpack")])
def test_sound_whose_file_does_not_time_every_block(tmp_path, name, codec):
    # A packet of ADPCM holds several blocks and one time; one of WavPack states no length.
    whole = sine(4, 48_000)
    path = make_clip(tmp_path / name, sound=whole, rate=48_000, sound_codec=codec)
    for start, end in ((0.0, 4.0), (1.2, 1.7), (3.1, 3.3)):
        sound = read_sound(Clip(path, start, end), 48_000)
        assert sound is not None
        expected = whole[round(start * 48_000) : round(end * 48_000)]
        assert len(sound) == len(expected)
        np.testing.assert_allclose(sound[100:-100], expected[100:-100], atol=0.03)


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


@pytest.mark.slow
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


@pytest.mark.parametrize("fps", [1, 4])
def test_slow_pictures_that_lean_on_later_ones_are_whole(tmp_path, fps):
    # They are stored up to two pictures before they are shown, which is long where there are few a second.
    path = make_clip(tmp_path / "slow.mp4", pictures=12, fps=fps, options={"bf": "3", "b-pyramid": "normal"})
    assert len(read_frames(Clip(path), 20)) == 12
