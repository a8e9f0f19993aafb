"""Sound files in every form that FFmpeg writes: each channel holds a tone of its own loudness, read back and measured.

A worker process runs these functions, because a fault in a decoder may end the process.
"""

import struct
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import Clip
from ercfw.errors import BrokenClipError
from ercfw_media.clips import read_sound, read_stereo

HERTZ = 100
"""Low enough for channels that carry only low frequencies."""
SECONDS = 0.4
RATE = 16_000
"""The rate at which the sound is read."""
NOT_WRITTEN = "FFmpeg does not write it"


@dataclass(frozen=True)
class Form:
    """How a sound is stored.

    Attributes:
        codec: FFmpeg's name of the encoder.
        ending: the ending of the file's name.
        layout: FFmpeg's name of the channel layout.
        rate: samples per second.
        format: the sample format; None = the encoder's first one.
    """

    codec: str
    ending: str
    layout: str
    rate: int = 48_000
    format: str | None = None


def round_trip(form: Form, folder: Path, tolerance: float) -> str:
    """Write a sound and read it back; return what is wrong with it, ``NOT_WRITTEN``, or nothing."""
    path = folder / f"sound.{form.ending}"
    try:
        channels = write_tones(path, form)
    except (ValueError, OSError, NotImplementedError, av.FFmpegError):
        return NOT_WRITTEN
    try:
        sound = read_sound(Clip(path), RATE)
    except BrokenClipError as error:
        return str(error) if samples_in(path) else NOT_WRITTEN
    if sound is None:
        return "no sound"
    return fault_of(sound, loudness(channels).mean(), tolerance, 0.05 + 2400 / form.rate)


def stereo_round_trip(layout: str, folder: Path) -> str:
    """Write a sound of this layout and read it as stereo; return what is wrong with it, ``NOT_WRITTEN``, or nothing.

    Every channel holds the same tone, only louder or quieter, so that the sides are known where nothing is mixed, and
    lie between the quietest and the loudest channel otherwise.
    """
    path = folder / "stereo.wav"
    try:
        count = write_tones(path, Form("pcm_s16le", "wav", layout))
    except (ValueError, OSError, NotImplementedError, av.FFmpegError):
        return NOT_WRITTEN
    sound = read_stereo(Clip(path), RATE)
    if sound is None or sound.shape[0] != 2:
        return "not stereo"
    heights = loudness(count)
    if 2 < count <= 8:
        found = np.abs(sound[:, 1600:4800]).max(1)
        return "" if (found > 0.15).all() and (found < heights.max() + 0.02).all() else f"sides of height {found}"
    sides = heights if count == 2 else [heights.mean()] * 2
    return ", ".join(filter(None, (fault_of(sound[side], sides[side], 0.02, 0.01) for side in (0, 1))))


def loudness(channels: int) -> NDArray[np.float64]:
    """The heights of the tones, ``[C]``."""
    return 0.2 + 0.4 * np.arange(channels) / channels


def write_tones(path: Path, form: Form) -> int:
    """Write a file and return its number of channels."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(form.codec, rate=form.rate, layout=form.layout)
        if form.format is not None:
            stream.codec_context.format = form.format
        channels = stream.layout.nb_channels
        time = np.arange(round(SECONDS * form.rate)) / form.rate
        sound = np.outer(np.sin(2 * np.pi * HERTZ * time), loudness(channels)).astype(np.float32)  # [S, C]
        for start in range(0, len(sound), 1024):
            block = np.ascontiguousarray(sound[start : start + 1024]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="flt", layout=form.layout)
            frame.sample_rate, frame.pts = form.rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return channels


def samples_in(path: Path) -> int:
    """How many samples FFmpeg decodes by itself; 0 if it does not read the file."""
    try:
        with closing(av.open(str(path))) as container:
            return sum(frame.samples for frame in container.decode(audio=0))
    except (OSError, av.FFmpegError):
        return 0


def fault_of(sound: NDArray[np.float32], height: float, tolerance: float, late: float) -> str:
    """What is wrong with a sound that should be one tone of this height; ``late`` = seconds that a codec may add."""
    if abs(len(sound) / RATE - SECONDS) > late:
        return f"{len(sound) / RATE:.3f} s long"
    middle = sound[1600:4800].astype(np.float64)  # 20 periods
    wave = np.exp(2j * np.pi * HERTZ * np.arange(len(middle)) / RATE)
    tone, everything = 2 * abs(wave @ middle) / len(middle), np.sqrt(2 * np.mean(middle**2))
    wrong = [
        f"{found / height:.3f} of the height" for found in (tone, everything) if abs(found / height - 1) > tolerance
    ]
    return ", ".join(wrong)


def read_labelled(folder: Path, labels: list[int], tolerance: float) -> str:
    """Read a CAF file whose channels have these labels, in an order of their own; return what is wrong."""
    count, rate = len(labels), RATE
    time = np.arange(round(SECONDS * rate)) / rate
    samples = (32767 * np.outer(np.sin(2 * np.pi * HERTZ * time), loudness(count))).astype(">i2").tobytes()
    about = struct.pack(">d4sIIIII", rate, b"lpcm", 0, 2 * count, 1, count, 16)
    order = struct.pack(">III", 0, 0, count) + b"".join(struct.pack(">II12x", label, 0) for label in labels)
    chunks = {b"desc": about, b"chan": order, b"data": bytes(4) + samples}
    path = folder / "labelled.caf"
    path.write_bytes(
        b"caff\0\1\0\0" + b"".join(name + struct.pack(">q", len(body)) + body for name, body in chunks.items())
    )
    try:
        sound = read_sound(Clip(path), rate)
    except BrokenClipError as error:
        return str(error)
    return "no sound" if sound is None else fault_of(sound, loudness(count).mean(), tolerance, 0.01)
