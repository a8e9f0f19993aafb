"""Hand-crafted features of a voice, computed by openSMILE."""

import json
from functools import cached_property
from hashlib import sha256
from importlib import util
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ercfw import BrokenClipError, Clip, missing_library
from ercfw_media.clips import read_sound
from ercfw_media.packaged import installed
from ercfw_media.sound_extractor import SoundExtractor

RATE = 16_000
WINDOW = 0.06
"""Seconds of the longest window, in which pitch is estimated."""
WIDTHS = {
    "ComParE_2016": 6373,
    "eGeMAPSv02": 88,
    "GeMAPSv01b": 62,
    "emobase": 988,
    "IS09": 384,
    "IS10": 1582,
    "IS13": 6373,
}
"""The number of features of each set."""
LICENCE = (
    "openSMILE is free for research and teaching only, not for commercial products: "
    "see the licence of the Python package opensmile (audEERING GmbH)"
)


class OpenSmile(SoundExtractor):
    """Statistics of loudness, pitch, spectrum and voice quality over an utterance (openSMILE: Eyben et al., 2010).

    The sound is read at 16 kHz, with all channels averaged. An utterance without sound is absent; one shorter than 60
    ms, the longest window, is broken. The values are openSMILE's own and differ widely in scale, so a model should
    standardise them. openSMILE's licence allows non-commercial research only; a notice says so on every use.

    Options:
        features: the set of features. ``ComParE_2016`` (Schuller et al., 2016; 6373 numbers) is the one that most
            papers on MELD and IEMOCAP use, and ``eGeMAPSv02`` (Eyben et al., 2016; 88) is a small one. The others are
            ``GeMAPSv01b`` (62), ``emobase`` (988), and those of the Interspeech challenges of 2009 (384), 2010 (1582)
            and 2013 (6373).
    """

    rate = RATE
    notice = LICENCE

    def __init__(
        self,
        *,
        features: Literal[
            "ComParE_2016", "eGeMAPSv02", "GeMAPSv01b", "emobase", "IS09", "IS10", "IS13"
        ] = "ComParE_2016",
    ) -> None:
        self.features = features
        self.dim = WIDTHS[features]

    @property
    def fingerprint(self) -> str:
        """Return a hash of the set, the sampling rate, and the versions of the code that reads and computes."""
        about = {
            "name": "openSMILE functionals",
            "features": self.features,
            "rate": RATE,
            "opensmile": installed("opensmile"),
            "av": installed("av"),
        }
        return sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    def extract_clip(self, clip: Clip) -> NDArray[np.float32] | None:
        """Return ``[D]`` float32; None for a clip without sound.

        Raises:
            BrokenClipError: if the clip cannot be read, is too short, or has values that are not finite.
            InputError: if a library is missing.
        """
        smile = self._smile
        sound = read_sound(clip, RATE)  # [S]
        if sound is None:
            return None
        if len(sound) < WINDOW * RATE:
            raise BrokenClipError(f"its sound lasts {len(sound) / RATE:.3f} s, less than a window of {WINDOW} s")
        values: NDArray[np.float32] = smile.process_signal(sound, RATE).to_numpy(np.float32)[0]  # [D]
        if not np.isfinite(values).all():
            raise BrokenClipError("openSMILE computes values from it that are not finite")
        return values

    @cached_property
    def _smile(self) -> Any:
        if util.find_spec("opensmile") is None:
            raise missing_library("opensmile", "opensmile")
        import opensmile

        return opensmile.Smile(opensmile.FeatureSet[self.features], opensmile.FeatureLevel.Functionals)
