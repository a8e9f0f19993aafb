"""Sound of every layout, sample format, rate and container is read, and never ends the process."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import pytest

pytest.importorskip("av", reason="the sound extra is not installed")

import av

from tests.plugins.media.tones import NOT_WRITTEN, Form, read_labelled, round_trip, stereo_round_trip

LAYOUTS = (
    "mono", "stereo", "2.1", "3.0", "3.0(back)", "4.0", "quad", "quad(side)", "3.1", "5.0", "5.0(side)", "4.1", "5.1",
    "5.1(side)", "6.0", "6.0(front)", "3.1.2", "hexagonal", "6.1", "6.1(back)", "6.1(front)", "7.0", "7.0(front)",
    "7.1", "7.1(wide)", "7.1(wide-side)", "5.1.2", "5.1.2(back)", "octagonal", "cube", "5.1.4", "7.1.2", "7.1.4",
    "7.2.3", "9.1.4", "9.1.6", "hexadecagonal", "binaural", "downmix", "22.2", "ambisonic 1", "ambisonic 2",
    "ambisonic 3", "3 channels", "8 channels", "9 channels", "10 channels", "12 channels", "16 channels",
    "24 channels", "32 channels", "63 channels", "64 channels",
)  # fmt: skip
SOME_LAYOUTS = ("mono", "stereo", "5.1", "7.1", "10 channels", "22.2")
RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 96_000, 192_000)

EXACT, NEARLY, LOSSY = 0.02, 0.05, 0.15
CODECS = {
    "pcm_s16le": (("wav", "w64", "avi", "mov", "caf", "mkv", "nut"), EXACT, 75),
    "pcm_s16be": (("aiff", "au"), EXACT, 60),
    "pcm_u8": (("wav",), NEARLY, 60),
    "pcm_s24le": (("wav", "mkv"), EXACT, 65),
    "pcm_s32le": (("wav",), EXACT, 60),
    "pcm_s64le": (("wav",), EXACT, 60),
    "pcm_f32le": (("wav", "mkv", "caf"), EXACT, 70),
    "pcm_f64le": (("wav",), EXACT, 60),
    "pcm_mulaw": (("wav",), NEARLY, 60),
    "pcm_alaw": (("wav",), NEARLY, 60),
    "pcm_s16le_planar": (("nut",), EXACT, 60),
    "pcm_s8_planar": (("nut",), NEARLY, 60),
    "pcm_bluray": (("m2ts",), EXACT, 10),
    "flac": (("flac", "mkv", "ogg", "mp4"), EXACT, 60),
    "alac": (("m4a", "mov", "caf"), EXACT, 20),
    "tta": (("tta", "mkv"), EXACT, 60),
    "wavpack": (("wv", "mkv"), EXACT, 60),
    "aac": (("m4a", "mkv", "aac", "ts"), LOSSY, 35),
    "libopus": (("opus", "mkv", "webm", "mp4"), LOSSY, 20),
    "ac3": (("ac3", "mkv", "ts"), LOSSY, 15),
    "eac3": (("eac3", "mp4"), LOSSY, 15),
    "libmp3lame": (("mp3", "mkv", "avi"), LOSSY, 12),
    "mp2": (("mp2", "ts"), LOSSY, 8),
    "adpcm_ms": (("wav", "avi"), NEARLY, 12),
    "adpcm_ima_wav": (("wav",), NEARLY, 10),
    "adpcm_ima_qt": (("mov",), NEARLY, 10),
    "g722": (("wav",), LOSSY, 6),
}  # fmt: skip
"""For each encoder: the files that it is tried in, the tolerance, and the least number of forms that must be written.

Encoders that an installation of FFmpeg lacks are skipped."""

GARBLED = {("pcm_bluray", "s32")}
"""FFmpeg 8.1 itself decodes the 7.1 sound that it writes so as noise."""


class Worker:
    """A process that reads sounds; a new one takes its place if it ends."""

    def __init__(self) -> None:
        self._pool = self._start()

    def __call__(self, function: Callable[..., str], *arguments: object) -> str:
        try:
            return self._pool.submit(function, *arguments).result()
        except BrokenProcessPool:
            self._pool = self._start()
            return "the process ended"

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, get_context("spawn"))

    def end(self) -> None:
        self._pool.shutdown()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    process = Worker()
    yield process
    process.end()


def forms_of(codec: str, endings: tuple[str, ...]) -> list[Form]:
    """All layouts in the first kind of file, a few in the others; two layouts in all rates and sample formats."""
    formats = [known.name for known in av.Codec(codec, "w").audio_formats or [] if (codec, known.name) not in GARBLED]
    first = endings[0]
    found = [Form(codec, first, layout) for layout in LAYOUTS]
    found += [Form(codec, ending, layout) for ending in endings[1:] for layout in SOME_LAYOUTS]
    found += [Form(codec, first, layout, rate) for layout in ("mono", "7.1") for rate in RATES]
    return found + [Form(codec, first, layout, format=one) for layout in ("stereo", "7.1") for one in formats[1:]]


@pytest.mark.slow
@pytest.mark.parametrize("codec", CODECS)
def test_every_form_of_sound_that_ffmpeg_writes_is_read_as_the_mean_of_its_channels(tmp_path, worker, codec):
    endings, tolerance, least = CODECS[codec]
    if codec not in av.codecs_available:
        pytest.skip(f"FFmpeg lacks {codec}")
    outcomes = {form: worker(round_trip, form, tmp_path, tolerance) for form in forms_of(codec, endings)}
    written = Counter(form.ending for form, outcome in outcomes.items() if outcome != NOT_WRITTEN)
    print(codec, dict(written))
    assert {form: outcome for form, outcome in outcomes.items() if outcome not in ("", NOT_WRITTEN)} == {}
    assert written.total() >= least


@pytest.mark.slow
def test_every_layout_is_read_as_stereo(tmp_path, worker):
    outcomes = {layout: worker(stereo_round_trip, layout, tmp_path) for layout in LAYOUTS}
    assert {layout: outcome for layout, outcome in outcomes.items() if outcome not in ("", NOT_WRITTEN)} == {}
    assert sum(outcome == "" for outcome in outcomes.values()) >= 40


LEFT, RIGHT, DISCRETE = 1, 2, 1 << 16


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "fault"),
    [
        ([RIGHT, LEFT], ""),
        ([LEFT, LEFT, LEFT], ""),
        ([8, 7, 6, 5, 4, 3, 2, 1], ""),
        ([RIGHT, *range(DISCRETE, DISCRETE + 11)], ""),
        ([RIGHT, *range(DISCRETE, DISCRETE + 64)], "its sound has 65 channels, and at most 64 can be read"),
    ],
)
def test_channels_in_an_order_of_their_own(tmp_path, worker, labels, fault):
    assert worker(read_labelled, tmp_path, labels, EXACT) == fault
