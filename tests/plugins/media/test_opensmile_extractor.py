"""openSMILE: its own values, whatever holds the sound, and nothing made up for sound that is too short."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import ercfw_media.opensmile as extractor_module
from ercfw.contract.conversation import Clip
from ercfw.errors import BrokenClipError, InputError
from ercfw_media.opensmile import WIDTHS, OpenSmile
from tests.plugins.media.made_clips import make_clip, sine

needs_library = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("opensmile", "av")), reason="the opensmile extra is missing"
)


@pytest.fixture(scope="module")
def small() -> OpenSmile:
    return OpenSmile(features="eGeMAPSv02")


def wav(tmp_path, sound, rate=16_000) -> Clip:
    return Clip(make_clip(tmp_path / "a.wav", sound=sound, rate=rate, sound_codec="pcm_f32le"))


def test_widths_are_known_without_the_library(monkeypatch):
    monkeypatch.setattr(extractor_module.util, "find_spec", lambda _: None)
    assert (OpenSmile().dim, OpenSmile(features="eGeMAPSv02").dim) == (6373, 88)
    with pytest.raises(InputError, match=r"opensmile: .*pip install 'ercfw\[opensmile\]'"):
        OpenSmile().extract_clip(Clip(Path("a.wav")))


@needs_library
@pytest.mark.parametrize("features", WIDTHS)
def test_every_set_gives_its_numbers_for_speech_and_for_silence(tmp_path, features):
    rng = np.random.default_rng(0)
    loud = (sine(1, 16_000, 200.0) + rng.normal(0, 0.02, 16_000)).astype(np.float32)
    for sound in (loud, np.zeros(16_000, np.float32)):
        values = OpenSmile(features=features).extract_clip(wav(tmp_path, sound))
        assert values is not None
        assert (values.shape, values.dtype) == ((WIDTHS[features],), np.float32)
        assert np.isfinite(values).all()


@needs_library
def test_against_the_library_on_the_same_samples(tmp_path, small):
    import opensmile

    sound = sine(1.5, 16_000, 220.0, 0.3)
    reference = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    expected = reference.process_signal(sound, 16_000)
    values = small.extract_clip(wav(tmp_path, sound))
    np.testing.assert_array_equal(values, expected.to_numpy(np.float32)[0])
    np.testing.assert_array_equal(values, small.extract_clip(wav(tmp_path, sound)))
    semitones = values[list(expected.columns).index("F0semitoneFrom27.5Hz_sma3nz_amean")]
    assert semitones == pytest.approx(36, abs=0.1)  # 220 Hz: three octaves above 27.5 Hz


@needs_library
def test_the_stretch_alone_is_read(tmp_path, small):
    sound = np.concatenate([sine(1, 16_000, 220.0), sine(1, 16_000, 440.0)])
    low, high = (small.extract_clip(Clip(wav(tmp_path, sound).path, at, at + 1.0)) for at in (0.0, 1.0))
    assert high[0] - low[0] == pytest.approx(12, abs=0.1)  # an octave


@needs_library
def test_too_short_is_broken_and_no_sound_is_absent(tmp_path, small):
    assert small.extract_clip(wav(tmp_path, sine(0.06, 16_000))) is not None
    for samples in (1, 300, 959):
        with pytest.raises(BrokenClipError, match=r"lasts 0\.0\d\d s, less than a window of 0\.06 s"):
            small.extract_clip(wav(tmp_path, sine(1, 16_000)[:samples]))
    assert small.extract_clip(Clip(make_clip(tmp_path / "a.mp4", pictures=4))) is None


@needs_library
def test_values_that_are_not_finite_are_never_passed_on(tmp_path, small, monkeypatch):
    class Smile:
        def process_signal(self, sound, rate):
            import pandas

            return pandas.DataFrame([[np.nan] * 88])

    monkeypatch.setitem(small.__dict__, "_smile", Smile())
    with pytest.raises(BrokenClipError, match="not finite"):
        small.extract_clip(wav(tmp_path, sine(1, 16_000)))


def test_the_fingerprint_depends_on_settings_and_versions(monkeypatch):
    before = OpenSmile().fingerprint
    assert before == OpenSmile().fingerprint != OpenSmile(features="eGeMAPSv02").fingerprint
    monkeypatch.setattr(extractor_module, "installed", lambda _: "0")
    assert OpenSmile().fingerprint != before
