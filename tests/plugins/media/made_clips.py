"""Tiny clips made with PyAV, whose every picture and sound is known.

The n-th picture is a gray whose brightness is n; sound is a sine.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

STEP = 7
"""How much brighter each picture is than the one before; after 32 it is dark again."""


def gray(number: int) -> int:
    """The brightness of the picture of this number: 16 to 233, which no codec bends."""
    return 16 + number % 32 * STEP


def number_of(picture: NDArray[np.uint8]) -> int:
    """Of a picture, its number below 32."""
    return round((float(picture.mean()) - 16) / STEP)


def sine(seconds: float, rate: int, hertz: float = 440.0, height: float = 0.5) -> NDArray[np.float32]:
    """``[S]``."""
    return (height * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def make_clip(
    path: Path,
    *,
    pictures: int | Sequence[NDArray[np.uint8]] = 0,
    fps: int = 8,
    codec: str = "libx264",
    size: tuple[int, int] = (64, 48),
    key_each: int = 12,
    options: dict[str, str] | None = None,
    sound: NDArray[np.float32] | None = None,
    rate: int = 16_000,
    sound_codec: str = "aac",
    muxing: dict[str, str] | None = None,
) -> Path:
    """A file of these pictures (or as many grays) and this sound, ``[S]`` or ``[C, S]``, in its name's format."""
    import av

    frames = _grays(pictures, size) if isinstance(pictures, int) else iter(pictures)
    with av.open(str(path), "w", options=muxing or {}) as container:
        video = audio = None
        if pictures:
            video = container.add_stream(codec, rate=fps, options=options or {})
            video.width, video.height = size
            formats = [f.name for f in video.codec_context.codec.video_formats or []]
            video.pix_fmt = next((f for f in ("yuv420p", "rgb8", "yuvj420p", "rgb24") if f in formats), formats[0])
            video.codec_context.gop_size = key_each
        if sound is not None:
            layout = "mono" if sound.ndim == 1 else {1: "mono", 2: "stereo", 5: "5.0", 6: "5.1"}[len(sound)]
            audio = container.add_stream(sound_codec, rate=rate, layout=layout)
        if video is not None:
            for picture in frames:
                container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(video.encode(None))
        if audio is not None and sound is not None:
            for frame in _blocks(np.atleast_2d(sound), rate, layout):
                container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


def _grays(count: int, size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    return (np.full((size[1], size[0], 3), gray(number), np.uint8) for number in range(count))


def _blocks(sound: NDArray[np.float32], rate: int, layout: str) -> Iterator["object"]:
    import av

    for start in range(0, sound.shape[1], 1024):
        block = np.ascontiguousarray(sound[:, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, start
        yield frame
