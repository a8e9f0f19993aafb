"""Eight measurements of how an utterance is spoken, made by Praat."""

import json
from collections.abc import Mapping
from hashlib import sha256
from importlib import util
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ercfw import BrokenClipError, Clip, InputError, missing_library
from ercfw_media.clips import read_stereo
from ercfw_media.packaged import installed
from ercfw_media.sound_extractor import SoundExtractor
from ercfw_media.syllable_nuclei import articulation_rate

RATE = 44_100
NUMBERS = (
    "duration", "mean_intensity", "intensity_deviation", "mean_pitch", "pitch_deviation", "pitch_range",
    "articulation_rate", "harmonics_to_noise",
)  # fmt: skip
"""The measurements, in the order of the vector."""
INTENSITY_FLOOR = 100.0
"""Hertz: Praat smooths the intensity over 3.2 periods of this pitch; its default."""
SHORTEST = 6.4 / INTENSITY_FLOOR
"""Seconds of the shortest sound for which Praat computes this intensity."""
HARMONICITY = {"time_step": 0.01, "minimum_pitch": 75.0, "silence_threshold": 0.1, "periods_per_window": 1.0}
"""Settings of Praat's "To Harmonicity (cc)": its defaults."""
SILENT = -200.0
"""Praat's harmonics-to-noise ratio of a frame that it considers silent."""


class Prosody(SoundExtractor):
    """Eight measurements by Praat (Boersma and Weenink): time, intensity, pitch, articulation and voice quality.

    The sound is read at 44.1 kHz and mixed to stereo. Praat measures both channels together. The numbers are:

    1. duration in seconds;
    2. mean intensity in dB, averaged as energy ("To Intensity" with a pitch floor of 100 Hz);
    3. standard deviation of the intensity over its frames in dB; frames below 0 dB count as 0 dB;
    4. mean pitch of the voiced frames in Hz ("To Pitch", automatic time step, 75 to 600 Hz);
    5. standard deviation of the pitch in Hz;
    6. range of the pitch in Hz: the highest voiced frame minus the lowest one;
    7. articulation rate: syllable nuclei per second of speech without pauses (de Jong and Wempe, 2009);
    8. mean harmonics-to-noise ratio in dB ("To Harmonicity (cc)": 0.01 s, 75 Hz, 0.1, 1.0).

    What does not exist is 0: the pitch of sound without a voiced frame, the rate of sound without a nucleus, and the
    harmonics-to-noise ratio of silence. An utterance without sound is absent; one shorter than 64 ms is broken. The
    values differ widely in scale, so a model should standardise them.

    Options:
        pitch_floor: the lowest pitch to look for, in Hz.
        pitch_ceiling: the highest pitch to look for, in Hz.

    Raises:
        InputError: if the floor is not below the ceiling.
    """

    rate = RATE
    dim = len(NUMBERS)

    def __init__(
        self,
        *,
        pitch_floor: Annotated[float, Field(ge=50, le=2000)] = 75.0,
        pitch_ceiling: Annotated[float, Field(ge=50, le=10_000)] = 600.0,
    ) -> None:
        if pitch_floor >= pitch_ceiling:
            raise InputError.at("pitch_floor", f"is not below pitch_ceiling = {pitch_ceiling:g}")
        self.pitch_floor = pitch_floor
        self.pitch_ceiling = pitch_ceiling

    @property
    def fingerprint(self) -> str:
        """Return a hash of the settings, and the versions of the code that reads and measures."""
        about = {
            "name": "prosody by Praat",
            "numbers": NUMBERS,
            "pitch": (self.pitch_floor, self.pitch_ceiling),
            "rate": RATE,
            "praat-parselmouth": installed("praat-parselmouth"),
            "av": installed("av"),
        }
        return sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    def extract_clip(self, clip: Clip) -> NDArray[np.float32] | None:
        """Return ``[8]`` float32; None for a clip without sound.

        Raises:
            BrokenClipError: if the clip cannot be read, is too short, or Praat cannot measure it.
            InputError: if a library is missing.
        """
        if util.find_spec("parselmouth") is None:
            raise missing_library("praat-parselmouth", "sound")
        from parselmouth import PraatError, Sound

        samples = read_stereo(clip, RATE)  # [2, S]
        if samples is None:
            return None
        sound = Sound(samples.astype(np.float64), RATE)
        if sound.duration < SHORTEST:
            raise BrokenClipError(f"its sound lasts {sound.duration:.3f} s, less than a window of {SHORTEST:.3f} s")
        try:
            measured = self._measure(sound)
        except PraatError as error:
            raise BrokenClipError(f"Praat cannot measure it: {' '.join(str(error).split())}") from error
        values = np.array([measured[name] for name in NUMBERS], np.float32)  # [8]
        if not np.isfinite(values).all():
            raise BrokenClipError("Praat measures values that are not finite")
        return values

    def _measure(self, sound: Any) -> Mapping[str, float]:
        intensity = np.maximum(sound.to_intensity(INTENSITY_FLOOR).values[0], 0.0)  # [T]
        pitch = sound.to_pitch(None, self.pitch_floor, self.pitch_ceiling).selected_array["frequency"]  # [T]
        voiced = pitch[pitch > 0]  # [V]
        harmonicity = sound.to_harmonicity_cc(**HARMONICITY).values  # [1, T]
        heard = harmonicity[harmonicity > SILENT]  # [H]
        return {
            "duration": sound.duration,
            "mean_intensity": 10 * np.log10(np.mean(10 ** (intensity / 10))),
            "intensity_deviation": intensity.std(),
            "mean_pitch": voiced.mean() if voiced.size else 0.0,
            "pitch_deviation": voiced.std() if voiced.size else 0.0,
            "pitch_range": np.ptp(voiced) if voiced.size else 0.0,
            "articulation_rate": articulation_rate(sound),
            "harmonics_to_noise": heard.mean() if heard.size else 0.0,
        }
