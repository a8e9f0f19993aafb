"""Prosody: tones whose measurements follow from a formula, real clips against published ones, and no NaN ever."""

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest

import ercfw_media.prosody as extractor_module
from ercfw.contract.conversation import Clip
from ercfw.errors import BrokenClipError, InputError
from ercfw_media.prosody import NUMBERS, Prosody
from tests.plugins.media.made_clips import make_clip, sine

needs_library = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("parselmouth", "av")), reason="the sound extra is missing"
)
PUBLISHED = (
    "duration", "avg_intensity", "intensity_variation", "avg_pitch", "pitch_std", "pitch_range", "articulation_rate",
    "mean_hnr",
)  # fmt: skip
PRESSURE = 2e-5
"""Pascal: 0 dB."""


def wav(folder, sound, rate=44_100, name="a.wav") -> Clip:
    return Clip(make_clip(folder / name, sound=np.asarray(sound, np.float32), rate=rate, sound_codec="pcm_f32le"))


def measured(clip, **options) -> dict[str, float]:
    values = Prosody(**options).extract_clip(clip)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    return dict(zip(NUMBERS, values.tolist(), strict=True))


def test_the_width_is_known_without_the_library(monkeypatch):
    monkeypatch.setattr(extractor_module.util, "find_spec", lambda _: None)
    assert Prosody().dim == 8
    with pytest.raises(InputError, match=r"praat-parselmouth: .*pip install 'ercfw\[sound\]'"):
        Prosody().extract_clip(Clip(Path("a.wav")))


@needs_library
@pytest.mark.parametrize(("hertz", "height"), [(200.0, 0.5), (120.0, 0.02)])
def test_a_tone_has_its_own_pitch_and_level(tmp_path, hertz, height):
    found = measured(wav(tmp_path, sine(1.5, 44_100, hertz, height)))
    assert found["duration"] == pytest.approx(1.5)
    assert found["mean_intensity"] == pytest.approx(10 * np.log10(height**2 / 2 / PRESSURE**2), abs=0.05)
    assert found["intensity_deviation"] < 0.1
    assert found["mean_pitch"] == pytest.approx(hertz, rel=1e-3)
    assert found["pitch_range"] < 0.1 > found["pitch_deviation"]
    assert found["harmonics_to_noise"] > 40
    assert found["articulation_rate"] == 0


@needs_library
def test_two_tones_have_the_mean_deviation_and_range_of_their_pitches(tmp_path):
    found = measured(wav(tmp_path, np.concatenate([sine(1, 44_100, 150.0), sine(1, 44_100, 250.0)])))
    assert found["mean_pitch"] == pytest.approx(200, abs=2)
    assert found["pitch_deviation"] == pytest.approx(50, abs=1)
    assert found["pitch_range"] == pytest.approx(100, abs=1)


@needs_library
def test_two_levels_are_averaged_as_energy(tmp_path):
    heights = (0.5, 0.05)
    found = measured(wav(tmp_path, np.concatenate([sine(2, 44_100, 200.0, height) for height in heights])))
    power = np.mean([height**2 / 2 for height in heights])
    assert found["mean_intensity"] == pytest.approx(10 * np.log10(power / PRESSURE**2), abs=0.1)
    assert found["intensity_deviation"] == pytest.approx(10, abs=0.2)  # levels 20 dB apart


@needs_library
@pytest.mark.parametrize("decibels", [0, 10, 20])
def test_noise_lowers_the_ratio_of_harmonics_to_it(tmp_path, decibels):
    tone = sine(2, 44_100, 200.0, 0.1)
    noise = np.random.default_rng(0).normal(0, 0.1 / np.sqrt(2) / 10 ** (decibels / 20), tone.shape)
    assert measured(wav(tmp_path, tone + noise))["harmonics_to_noise"] == pytest.approx(decibels, abs=1.5)


@needs_library
@pytest.mark.parametrize(("bursts", "pause"), [(5, 0.0), (8, 0.0), (6, 0.7)])
def test_bursts_of_a_tone_are_syllables(tmp_path, bursts, pause):
    """Each burst of 150 ms rises and falls; the last has no dip behind it. A pause counts to neither side."""
    seconds = 0.2
    time = np.arange(round(seconds * 44_100)) / 44_100
    burst = np.sin(2 * np.pi * 200 * time) * (0.02 + 0.4 * np.sin(np.pi * time / seconds) ** 2)
    half = [burst] * (bursts // 2)
    sound = np.concatenate([*half, np.zeros(round(pause * 44_100)), *half, *([burst] if bursts % 2 else [])])
    found = measured(wav(tmp_path, sound))
    assert found["articulation_rate"] == pytest.approx((bursts - 1) / (bursts * seconds), rel=0.12)


@needs_library
def test_channels_are_measured_together_and_more_than_two_are_mixed(tmp_path):
    tone = sine(1, 44_100, 200.0, 0.3)
    one = measured(wav(tmp_path, tone))
    both = measured(wav(tmp_path, np.stack([tone, tone]), name="b.wav"))
    assert both == pytest.approx(one, abs=1e-3)
    left = measured(wav(tmp_path, np.stack([tone, 0 * tone]), name="c.wav"))
    assert left["mean_intensity"] == pytest.approx(one["mean_intensity"] - 10 * np.log10(2), abs=0.01)
    assert left["mean_pitch"] == pytest.approx(200, rel=1e-3)
    share = 0.5**0.5 / (1 + 2 * 0.5**0.5)  # -3 dB, of a sum that cannot clip
    for channels in (5, 6):
        centre = np.zeros((channels, len(tone)), np.float32)
        centre[2] = tone
        mixed = measured(wav(tmp_path, centre, name=f"{channels}.wav"))
        assert mixed["mean_intensity"] == pytest.approx(one["mean_intensity"] + 20 * np.log10(share), abs=0.01)
        assert mixed["mean_pitch"] == pytest.approx(200, rel=1e-3)


@needs_library
def test_silence_and_noise_give_zeros_where_nothing_can_be_measured(tmp_path):
    silent = measured(wav(tmp_path, np.zeros(44_100)))
    assert silent == {**dict.fromkeys(NUMBERS, 0.0), "duration": 1.0}
    assert Prosody().is_silent(wav(tmp_path, np.zeros(44_100))) is True
    hiss = measured(wav(tmp_path, np.random.default_rng(0).normal(0, 0.1, 44_100)))
    assert hiss["mean_pitch"] == hiss["pitch_deviation"] == hiss["pitch_range"] == hiss["articulation_rate"] == 0
    half = measured(wav(tmp_path, np.concatenate([np.zeros(44_100), sine(1, 44_100, 200.0)])))
    assert half["intensity_deviation"] < 60, "digital silence is 0 dB, not -300"


@needs_library
def test_too_short_is_broken_and_no_sound_is_absent(tmp_path):
    for seconds in (0.02, 0.0639):
        with pytest.raises(BrokenClipError, match=r"lasts 0\.0\d\d s, less than a window of 0\.064 s"):
            Prosody().extract_clip(wav(tmp_path, sine(1, 44_100)[: round(seconds * 44_100)]))
    for seconds in (0.0641, 0.08, 0.1, 0.127, 0.129):
        found = measured(wav(tmp_path, sine(1, 44_100, 200.0)[: round(seconds * 44_100)]))
        assert found["mean_pitch"] == pytest.approx(200, rel=0.02)
    assert Prosody().extract_clip(Clip(make_clip(tmp_path / "a.mp4", pictures=4))) is None


@needs_library
@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_sound_of_any_rate(tmp_path, rate):
    found = measured(wav(tmp_path, sine(1, rate, 200.0), rate))
    assert found["mean_pitch"] == pytest.approx(200, rel=1e-3)
    assert found["duration"] == pytest.approx(1, abs=0.001)


@needs_library
def test_a_truncated_file_is_broken(tmp_path):
    path = make_clip(tmp_path / "a.mp4", sound=sine(3, 44_100, 200.0), rate=44_100, pictures=24)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BrokenClipError):
        Prosody().extract_clip(Clip(path))


@needs_library
def test_what_praat_refuses_and_values_that_are_not_finite_are_broken_clips(tmp_path, monkeypatch):
    import parselmouth

    def refuse(self, sound):
        raise parselmouth.PraatError("Sound too short.\nNot analysed.\n")

    clip = wav(tmp_path, sine(0.5, 44_100))
    monkeypatch.setattr(Prosody, "_measure", refuse)
    with pytest.raises(BrokenClipError, match=r"Praat cannot measure it: Sound too short\. Not analysed\."):
        Prosody().extract_clip(clip)
    monkeypatch.setattr(Prosody, "_measure", lambda self, sound: dict.fromkeys(NUMBERS, np.nan))
    with pytest.raises(BrokenClipError, match="not finite"):
        Prosody().extract_clip(clip)


@needs_library
def test_the_options_bound_the_pitch(tmp_path):
    clip = wav(tmp_path, sine(1, 44_100, 700.0))
    assert measured(clip, pitch_floor=300.0, pitch_ceiling=900.0)["mean_pitch"] == pytest.approx(700, rel=1e-3)
    assert measured(clip)["mean_pitch"] != pytest.approx(700, rel=0.1)
    with pytest.raises(InputError, match="pitch_floor: is not below pitch_ceiling = 75"):
        Prosody(pitch_ceiling=75.0)


def test_the_fingerprint_depends_on_settings_and_versions(monkeypatch):
    before = Prosody().fingerprint
    assert before == Prosody().fingerprint != Prosody(pitch_floor=60.0).fingerprint
    monkeypatch.setattr(extractor_module, "installed", lambda _: "0")
    assert Prosody().fingerprint != before


@needs_library
@pytest.mark.slow
def test_real_clips_against_the_published_measurements(real_data):
    """They were made of copies of these clips, longer by up to 21 ms, which moves frames at the edge of a voice."""
    with (real_data("meld_sound") / "dev.csv").open(encoding="utf-8") as file:
        published = {row["filename"].removesuffix(".wav"): row for row in csv.DictReader(file)}
    clips = sorted((real_data("meld_clips") / "dev").glob("*.mp4"))
    ours = np.array([Prosody().extract_clip(Clip(clip)) for clip in clips])  # [N, 8]
    theirs = np.array([[float(published[clip.stem][name]) for name in PUBLISHED] for clip in clips])  # [N, 8]
    together = [np.corrcoef(ours[:, n], theirs[:, n])[0, 1] for n in range(8)]
    assert len(clips) == 11
    assert np.all(np.array(together) > (0.9999, 0.999, 0.999, 0.99, 0.99, 0.98, 0.99, 0.999))
    differ = np.median(np.abs(ours - theirs), 0)
    assert np.all(differ < (0.022, 0.03, 0.03, 1.0, 1.0, 6.0, 0.05, 0.2))
