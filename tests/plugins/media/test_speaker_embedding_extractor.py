"""The speaker encoder: its own formulas in float64, and voices that are told apart."""

import csv
import importlib.util
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch

import ercfw_media.speaker_embedding as extractor_module
from ercfw.contract.conversation import Clip
from ercfw.errors import BrokenClipError, InputError
from ercfw_media.clips import read_sound
from ercfw_media.speaker_embedding import SpeakerEmbedding, amplified, load_encoder, padded_length
from tests.plugins.media.made_clips import make_clip, sine

needs_weights = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("resemblyzer", "transformers", "av")),
    reason="resemblyzer or the sound extra is missing",
)
HALVES = (0, 2, 3, 7, 8, 9)
"""The real clips of more than 2 s."""


@pytest.fixture(scope="module")
def speaker() -> SpeakerEmbedding:
    return SpeakerEmbedding()


def wav(folder, sound, name="a.wav", rate=16_000) -> Clip:
    return Clip(make_clip(folder / name, sound=np.asarray(sound, np.float32), rate=rate, sound_codec="pcm_f32le"))


def buzz(seconds, pitch, rate=16_000):
    """Eleven harmonics."""
    time = np.arange(round(seconds * rate)) / rate
    return np.sum([np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 12)], 0)


def voice(seconds, pitch, seed=0):
    """A buzz with noise."""
    harmonics = buzz(seconds, pitch)
    noise = np.random.default_rng(seed).normal(0, 0.05, len(harmonics))
    return (0.1 * (harmonics + noise)).astype(np.float32)


def test_the_width_is_known_without_the_weights(monkeypatch, tmp_path):
    monkeypatch.setattr("ercfw_media.packaged.util.find_spec", lambda _: None)
    assert SpeakerEmbedding().dim == 256
    with pytest.raises(InputError, match=r"resemblyzer: .*pip install --no-deps Resemblyzer==0\.1\.4"):
        load_encoder()


@needs_weights
def test_other_weights_are_refused(monkeypatch, tmp_path):
    package = tmp_path / "resemblyzer"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "pretrained.pt").write_bytes(b"not the weights")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"pretrained\.pt: is not the file .*install resemblyzer==0\.1\.4 again"):
        load_encoder()


def mel(hertz):
    """Slaney's scale: linear below 1000 Hz, logarithmic above."""
    return 3 * hertz / 200 if hertz < 1000 else 15 + 27 * np.log(hertz / 1000) / np.log(6.4)


def hertz(mels):
    return 200 * mels / 3 if mels < 15 else 1000 * 6.4 ** ((mels - 15) / 27)


def filters():
    """Triangles of area 1 between 42 equally spaced points of the mel scale: ``[40, 201]``."""
    points = [hertz(mels) for mels in np.linspace(mel(0), mel(8000), 42)]
    bank = np.zeros((40, 201))
    for band in range(40):
        low, middle, high = points[band : band + 3]
        for bin in range(201):
            at = 40.0 * bin
            slope = min((at - low) / (middle - low), (high - at) / (high - middle))
            bank[band, bin] = max(0.0, slope) * 2 / (high - low)
    return bank


def spectra(sound):
    """Power in mel bands every 160 samples, of windows of 400 around them: ``[T, 40]``."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    padded = np.concatenate([np.zeros(200), sound, np.zeros(200)])
    wave = np.exp(-2j * np.pi * np.outer(np.arange(201), np.arange(400)) / 400)
    rows = [np.abs(wave @ (padded[at : at + 400] * window)) ** 2 for at in range(0, len(sound) + 1, 160)]
    return np.array(rows) @ filters().T


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def embedded(piece, weights):
    """An LSTM of three layers, a linear layer, a ReLU, and length 1: ``[T, 40]`` -> ``[256]``."""
    inputs = piece
    for layer in range(3):
        into, over = weights[f"lstm.weight_ih_l{layer}"], weights[f"lstm.weight_hh_l{layer}"]
        bias = weights[f"lstm.bias_ih_l{layer}"] + weights[f"lstm.bias_hh_l{layer}"]
        hidden, cell, outputs = np.zeros(256), np.zeros(256), []
        for row in inputs:
            gates = np.split(into @ row + over @ hidden + bias, 4)
            cell = sigmoid(gates[1]) * cell + sigmoid(gates[0]) * np.tanh(gates[2])
            hidden = sigmoid(gates[3]) * np.tanh(cell)
            outputs.append(hidden)
        inputs = np.array(outputs)
    out = np.maximum(weights["linear.weight"] @ inputs[-1] + weights["linear.bias"], 0)
    return out / np.sqrt(out @ out)


@needs_weights
@pytest.mark.parametrize("seconds", [0.4, 2.6])
def test_against_loops_in_float64(tmp_path, speaker, seconds):
    weights = {name: value.double().numpy() for name, value in load_encoder().state_dict().items()}
    sound = voice(seconds, 140)
    begins = {0.4: [0], 2.6: [0, 77]}[seconds]  # of pieces of 160 spectra
    padded = np.pad(sound.astype(np.float64), (0, max(0, (begins[-1] + 160) * 160 - len(sound))))
    rows = spectra(padded)
    mean = np.mean([embedded(rows[at : at + 160], weights) for at in begins], 0)
    vector = speaker.extract_clip(wav(tmp_path, sound))
    np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=2e-5)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("samples", [400, 25_600, 25_601, 31_000, 31_520, 31_521, 38_000, 50_000, 160_000, 481_234])
def test_pieces_cover_the_sound_except_for_a_remainder_of_less_than_three_quarters_of_one(samples):
    covered = padded_length(samples)
    assert (covered - 25_600) % 12_320 == 0
    assert covered >= 25_600
    if samples > covered:
        assert samples - covered < 0.75 * 25_600 - (25_600 - 12_320)
    elif covered > 25_600:
        begin = covered - 25_600
        assert samples - begin >= 0.75 * 25_600


def test_only_quiet_sound_is_amplified():
    tone = torch.from_numpy(sine(1, 16_000, 200.0, 0.5))
    assert torch.equal(amplified(tone), tone)
    quiet = amplified(tone / 1000)
    assert 20 * torch.log10(quiet.square().mean().sqrt()) == pytest.approx(-30, abs=1e-3)
    assert not amplified(torch.zeros(100)).any()


@needs_weights
def test_silence_short_sound_and_no_sound(tmp_path, speaker):
    silent = speaker.extract_clip(wav(tmp_path, np.zeros(16_000)))
    assert np.isfinite(silent).all()
    assert speaker.extract_clip(wav(tmp_path, voice(0.025, 140))) is not None
    with pytest.raises(BrokenClipError, match=r"lasts 0\.020 s, less than a window of 0\.025 s"):
        speaker.extract_clip(wav(tmp_path, voice(0.02, 140)))
    assert speaker.extract_clip(Clip(make_clip(tmp_path / "a.mp4", pictures=4))) is None


@needs_weights
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_sound_of_any_rate(tmp_path, speaker, rate):
    """Nothing of this sound is above 4 kHz."""
    made = [
        speaker.extract_clip(wav(tmp_path, 0.1 * buzz(2, 140, each), f"{each}.wav", each)) for each in (16_000, rate)
    ]
    assert np.linalg.norm(made[1]) == pytest.approx(1, abs=1e-6)
    assert made[0] @ made[1] > 0.99


@needs_weights
def test_five_channels_are_averaged(tmp_path, speaker):
    voices = np.stack([voice(2, pitch) for pitch in (100, 140, 180, 220, 260)])
    made = speaker.extract_clip(wav(tmp_path, voices, "five.wav"))
    np.testing.assert_allclose(made, speaker.extract_clip(wav(tmp_path, voices.mean(0))), atol=1e-5)


@needs_weights
def test_an_embedding_without_direction_is_broken(tmp_path, monkeypatch):
    nothing = SpeakerEmbedding()
    for values in (torch.zeros(256), torch.full((256,), torch.nan)):
        monkeypatch.setattr(nothing, "_embed", lambda sound, values=values: values)
        with pytest.raises(BrokenClipError, match="no finite vector of length 1"):
            nothing.extract_clip(wav(tmp_path, voice(0.5, 140)))


@needs_weights
def test_sound_that_is_too_loud_for_float32_is_broken(tmp_path, speaker):
    with pytest.raises(BrokenClipError, match="no finite vector of length 1"):
        speaker.extract_clip(wav(tmp_path, 1e30 * voice(0.5, 140)))


@needs_weights
def test_batches_of_pieces_change_nothing(tmp_path, speaker, monkeypatch):
    clip = wav(tmp_path, voice(6, 140))
    whole = speaker.extract_clip(clip)
    monkeypatch.setattr(extractor_module, "AT_ONCE", 2)
    np.testing.assert_allclose(speaker.extract_clip(clip), whole, atol=1e-6)


def test_the_fingerprint_depends_on_weights_and_versions(monkeypatch):
    before = SpeakerEmbedding().fingerprint
    assert before == SpeakerEmbedding().fingerprint
    monkeypatch.setattr(extractor_module, "installed", lambda _: "0")
    assert SpeakerEmbedding().fingerprint != before


@needs_weights
@pytest.mark.slow
def test_halves_of_a_real_utterance_are_closer_than_utterances_of_two_speakers(real_data, speaker):
    with (real_data("meld") / "dev_sent_emo.csv").open(encoding="utf-8") as file:
        speakers = {int(r["Utterance_ID"]): r["Speaker"] for r in csv.DictReader(file) if r["Dialogue_ID"] == "29"}
    folder: Path = real_data("meld_clips") / "dev"
    halves = {}
    for number in HALVES:
        path = folder / f"dia29_utt{number}.mp4"
        middle = len(read_sound(Clip(path), 16_000)) / 32_000
        halves[number] = [speaker.extract_clip(Clip(path, *times)) for times in ((0.0, middle), (middle, None))]
    for number, (first, second) in halves.items():
        others = [half for other in HALVES if speakers[other] != speakers[number] for half in halves[other]]
        assert first @ second > np.mean([mine @ theirs for mine in (first, second) for theirs in others])
    cosines: dict[bool, list[float]] = {True: [], False: []}
    for one, other in permutations(HALVES, 2):
        cosines[speakers[one] == speakers[other]].append(halves[one][0] @ halves[other][1])
    assert np.mean(cosines[True]) > np.mean(cosines[False]), "also across utterances"
