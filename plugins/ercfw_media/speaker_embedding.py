"""Who speaks, as a vector: the speaker encoder whose weights come with Resemblyzer, without network access."""

import json
from functools import cached_property
from hashlib import sha256
from importlib import util

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ercfw import BrokenClipError, Clip, InputError, missing_library
from ercfw_media.clips import read_sound
from ercfw_media.packaged import installed, packaged
from ercfw_media.sound_extractor import SoundExtractor

PACKAGE, VERSION = "resemblyzer", "0.1.4"
WEIGHTS = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
RATE = 16_000
WINDOW, HOP = 400, 160
"""Samples of a spectrum and between two of them: 25 and 10 ms."""
BANDS, WIDTH, LAYERS = 40, 256, 3
PIECE, STEP = 160, 77
"""Spectra that the network reads at once (1.6 s) and between two beginnings: 1.3 pieces begin per second."""
COVERED = 0.75
"""The share of the last piece that must be sound; otherwise the piece is left out."""
LOUDNESS = -30.0
"""Decibels of full scale to which quieter sound is amplified."""
AT_ONCE = 64
"""Pieces per batch, which bounds the memory that long sound takes."""


class SpeakerEmbedding(SoundExtractor):
    """A speaker encoder trained with the generalised end-to-end loss (Wan et al., 2018, arXiv:1710.10467): 256 numbers.

    The sound is read at 16 kHz, with all channels averaged, and amplified to -30 dB if it is quieter. The network, an
    LSTM of three layers, reads mel spectra (40 bands, windows of 25 ms, one every 10 ms) in pieces of 1.6 s, one every
    0.77 s. Shorter sound is padded with zeros. The embeddings of the pieces are averaged, and the result has length 1.
    Two clips of one speaker have a higher cosine similarity than clips of two speakers. Unlike Resemblyzer, this
    extractor does not cut out pauses. An utterance without sound is absent; one shorter than 25 ms is broken. The
    weights come with the Python package ``resemblyzer`` and are checked against a pinned hash.
    """

    rate = RATE
    dim = WIDTH

    @property
    def fingerprint(self) -> str:
        """Return a hash of the weights, the settings, and the versions of the code that reads and runs them."""
        about = {
            "name": "speaker encoder of Resemblyzer",
            "weights": WEIGHTS,
            "rate": RATE,
            "pieces": (PIECE, STEP, COVERED),
            "loudness": LOUDNESS,
            "transformers": installed("transformers"),
            "av": installed("av"),
        }
        return sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    def extract_clip(self, clip: Clip) -> NDArray[np.float32] | None:
        """Return ``[256]`` float32 of length 1; None for a clip without sound.

        Raises:
            BrokenClipError: if the clip cannot be read, is too short, or gives no vector of length 1.
            InputError: if a library is missing, or the weights are not the pinned ones.
        """
        sound = read_sound(clip, RATE)  # [S]
        if sound is None:
            return None
        if len(sound) < WINDOW:
            raise BrokenClipError(f"its sound lasts {len(sound) / RATE:.3f} s, less than a window of 0.025 s")
        vector: NDArray[np.float32] = self._embed(torch.from_numpy(sound)).cpu().numpy()  # [D]
        if not np.isfinite(vector).all() or not vector.any():
            raise BrokenClipError("the speaker encoder computes no finite vector of length 1 from its sound")
        return vector

    @torch.inference_mode()
    def _embed(self, sound: Tensor) -> Tensor:
        """Embed sound ``[S]`` -> ``[D]``."""
        network, filters = self._loaded
        spectra = mel_spectra(amplified(sound).to(filters.device), filters)  # [T, M]
        pieces = spectra.unfold(0, PIECE, STEP).mT  # [P, T, M]
        embedded = torch.cat([network(batch) for batch in torch.split(pieces, AT_ONCE)])  # [P, D]
        return functional.normalize(embedded.mean(0), dim=0)  # [D]

    @cached_property
    def _loaded(self) -> tuple["SpeakerEncoder", Tensor]:
        """Return the network, and the mel filters ``[F, M]``, on the device that runs them."""
        network = load_encoder()
        if util.find_spec("transformers") is None:
            raise missing_library("transformers", "sound")
        from transformers.audio_utils import mel_filter_bank

        filters = mel_filter_bank(
            WINDOW // 2 + 1, BANDS, 0, RATE / 2, RATE, norm="slaney", mel_scale="slaney"
        )  # [F, M]
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return network.to(device), torch.from_numpy(filters).float().to(device)


class SpeakerEncoder(nn.Module):
    """The network: an LSTM whose last hidden state passes a linear layer, a ReLU and a normalisation to length 1."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(BANDS, WIDTH, LAYERS, batch_first=True)
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, spectra: Tensor) -> Tensor:
        """Embed pieces ``[P, T, M]`` -> ``[P, D]``."""
        _, (hidden, _) = self.lstm(spectra)  # hidden [layers, P, D]
        return functional.normalize(functional.relu(self.linear(hidden[-1])), dim=1)  # [P, D]


def load_encoder() -> SpeakerEncoder:
    """Load the network with the weights of the package ``resemblyzer``, which is not imported: it needs librosa.

    Raises:
        InputError: if the package is missing, or its weights are not the pinned ones.
    """
    missing = InputError.at(PACKAGE, "is needed but not installed", f"pip install --no-deps Resemblyzer=={VERSION}")
    path = packaged(PACKAGE, "pretrained.pt", WEIGHTS, VERSION, missing)
    network = SpeakerEncoder()
    # The file also holds the state of the optimiser and the two parameters of the training loss.
    weights = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    return network.eval()


def amplified(sound: Tensor) -> Tensor:
    """Return sound ``[S]`` with a root mean square of at least -30 dB of full scale; digital silence stays silent."""
    level = sound.square().mean().sqrt()  # []
    target = 10 ** (LOUDNESS / 20)
    return sound if level >= target or not level else sound * (target / level)


def padded_length(samples: int) -> int:
    """Return the number of samples that the pieces of a sound cover."""
    spectra = samples // HOP + 1
    pieces = 1 + max(0, -(-(spectra - PIECE + 1) // STEP))
    last = (pieces - 1) * STEP * HOP
    if pieces > 1 and samples - last < COVERED * PIECE * HOP:
        pieces -= 1
    return ((pieces - 1) * STEP + PIECE) * HOP


def mel_spectra(sound: Tensor, filters: Tensor) -> Tensor:
    """Return the power in mel bands, not its logarithm, of padded sound: ``[S]`` and ``[F, M]`` -> ``[T, M]``."""
    missing = padded_length(len(sound)) - len(sound)
    padded = functional.pad(sound, (0, max(0, missing)))  # [S']
    window = torch.hann_window(WINDOW, device=sound.device)  # [window]
    spectra = torch.stft(padded, WINDOW, HOP, window=window, pad_mode="constant", return_complex=True)  # [F, T]
    return spectra.abs().square().mT @ filters  # [T, M]
