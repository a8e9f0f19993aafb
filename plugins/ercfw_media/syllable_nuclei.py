"""Syllable nuclei, found in intensity and pitch without a transcript (de Jong and Wempe, 2009)."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUIET = 25.0
"""Decibels below the loudest sound (its 99th percentile) at which silence begins."""
DIP = 2.0
"""Decibels by which the intensity falls between a nucleus and the next peak."""
PAUSE, SOUNDING = 0.3, 0.1
"""Seconds of the shortest pause, and of the shortest stretch between two pauses."""
INTENSITY_FLOOR = 50.0
"""Hertz: Praat smooths the intensity over 3.2 periods of this pitch."""
SHORTEST = 6.4 / INTENSITY_FLOOR
"""Seconds of the shortest sound for which Praat computes this intensity."""
PITCH = {
    "time_step": 0.02,
    "pitch_floor": 30.0,
    "max_number_of_candidates": 4,
    "silence_threshold": 0.03,
    "voicing_threshold": 0.25,
    "octave_cost": 0.01,
    "octave_jump_cost": 0.35,
    "voiced_unvoiced_cost": 0.25,
    "pitch_ceiling": 450.0,
}
"""Settings of Praat's "To Pitch (ac)", which decides what is voiced."""


def articulation_rate(sound: Any) -> float:
    """Return the number of syllable nuclei per second of speech without pauses.

    A nucleus is a peak of the intensity that is less than 25 dB below the 99th percentile, is followed by a dip of more
    than 2 dB before the next such peak, and is voiced. The last peak has no dip behind it, so that it is never counted.
    Speech is what Praat's "To TextGrid (silences)" calls sounding.

    Args:
        sound: a ``parselmouth.Sound``.

    Returns:
        the rate; 0 if no nucleus is found, or the sound is shorter than 128 ms.

    Source: de Jong and Wempe (2009), Praat script to detect syllable nuclei and measure speech rate automatically,
    Behavior Research Methods 41, with the settings of their script.
    """
    if sound.duration < SHORTEST:
        return 0.0
    intensity = sound.to_intensity(INTENSITY_FLOOR)
    level, times = intensity.values[0], intensity.xs()  # [T], [T]
    loudest, lowest, loud = _levels(intensity)
    if not np.isfinite([loudest, lowest, loud]).all() or loudest - lowest < DIP:
        return 0.0
    speech = _sounding(intensity, -QUIET - (loudest - loud))
    seconds = sum(end - begin for begin, end in speech)
    candidates = times[_followed_by_a_dip(level, max(loud - QUIET, lowest))]  # [P]
    pitch = sound.to_pitch_ac(**PITCH)
    nuclei = [
        time
        for time in candidates
        if np.isfinite(pitch.get_value_at_time(time)) and any(begin <= time <= end for begin, end in speech)
    ]
    return len(nuclei) / seconds if seconds else 0.0


def _levels(intensity: Any) -> tuple[float, float, float]:
    """Return the maximum, the minimum and the 99th percentile of the intensity in dB."""
    from parselmouth.praat import call

    highest = call(intensity, "Get maximum", 0, 0, "Parabolic")
    return highest, call(intensity, "Get minimum", 0, 0, "Parabolic"), call(intensity, "Get quantile", 0, 0, 0.99)


def _sounding(intensity: Any, threshold: float) -> list[tuple[float, float]]:
    """Return the stretches that are not pauses, in seconds; ``threshold`` is in dB relative to the maximum."""
    from parselmouth.praat import call

    grid = call(intensity, "To TextGrid (silences)", threshold, PAUSE, SOUNDING, "silent", "sounding")
    places = range(1, call(grid, "Get number of intervals", 1) + 1)
    return [
        (call(grid, "Get start time of interval", 1, place), call(grid, "Get end time of interval", 1, place))
        for place in places
        if call(grid, "Get label of interval", 1, place) == "sounding"
    ]


def _followed_by_a_dip(level: NDArray[np.float64], threshold: float) -> list[int]:
    """Return the places of the peaks of ``level [T]`` above a threshold that end in a dip before the next such peak."""
    rising = level[1:-1] > level[:-2]  # [T - 2]
    peaks = np.flatnonzero(rising & (level[1:-1] >= level[2:]) & (level[1:-1] > threshold)) + 1  # [P]
    return [int(peak) for peak, following in pairwise(peaks) if level[peak] - level[peak:following].min() > DIP]
