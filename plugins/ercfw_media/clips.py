"""Pictures and sound from clips: any file that FFmpeg reads, or a stretch of one.

A clip is either read completely or reported as broken. It is broken if it cannot be opened, if it does not decode
inside the stretch, or if it was cut off: it ends before the stretch does, although its header promises more. A stretch
that ends beyond the end of a complete file is shortened. So is a stretch of a format whose header promises no length
(MP3, Ogg, WAV), because a cut cannot be detected there.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ercfw import BrokenClipError, Clip
from ercfw_media.media_file import MediaFile, lasts, opened

if TYPE_CHECKING:
    from av import AudioFrame, AudioResampler, VideoFrame
    from av.audio.stream import AudioStream
    from av.video.stream import VideoStream

Coded = TypeVar("Coded", "AudioStream", "VideoStream")

SKIP = 2.0
"""Seconds up to which it is faster to read on than to seek."""
HALF_STEP = 2**-16
"""Half of the smallest difference between samples of 16 bits."""
MOST_CHANNELS = 64
"""Number of channels that FFmpeg can resample."""
MIXED = range(3, 9)
"""Numbers of channels that FFmpeg mixes to stereo: it knows a usual order for each, but for few larger numbers."""
SAME = 5e-4
"""Seconds within which two times count as equal: some formats round to thousandths."""


def read_frames(clip: Clip, most: int, width: int | None = None) -> list[NDArray[np.uint8]]:
    """Return at most ``most`` pictures, RGB ``[H, W, 3]``, spread evenly over those that begin in the clip.

    The clip's pictures are divided into ``most`` equal parts, and the middle one of each part is returned. If there are
    fewer pictures, each is returned once. If none begins in the stretch, the picture shown during it is returned.
    Pictures are turned upright, cut to the clip's half, and scaled down if they are then wider than ``width``. A file
    without pictures gives an empty list; the cover of a sound file does not count as a picture.

    Raises:
        BrokenClipError: if the clip cannot be read.
        InputError: if PyAV is not installed.
    """
    with opened(clip, "faces") as file:
        stream = _pictures(file)
        if stream is None:
            return []
        shown, keys = _contents(file, stream)
    count = len(shown)
    wanted = shown if count <= most else [shown[(2 * part + 1) * count // (2 * most)] for part in range(most)]
    with opened(clip, "faces") as file:
        frames = [_picture(frame, clip, width) for frame in _at(file, wanted, keys)]
    if wanted and not frames:
        raise BrokenClipError("none of its pictures can be decoded")
    return frames


def read_sound(clip: Clip, rate: int) -> NDArray[np.float32] | None:
    """Return the clip's sound ``[S]`` at ``rate`` Hz, the mean of the first track's channels; None if there is none.

    Raises:
        BrokenClipError: if the clip cannot be read.
        InputError: if PyAV is not installed.
    """
    return _read(clip, rate, _resampled)


def read_stereo(clip: Clip, rate: int) -> NDArray[np.float32] | None:
    """Return the clip's sound ``[2, S]`` at ``rate`` Hz, the first track mixed to stereo; None if there is none.

    One channel is repeated, and two are left alone. FFmpeg mixes three to eight, in the usual order of their number:
    the centre and the surrounding channels are added at -3 dB, and the sum is scaled so that it cannot clip. Of more
    than eight channels, both sides get the mean.

    Raises:
        BrokenClipError: if the clip cannot be read.
        InputError: if PyAV is not installed.
    """
    sound = _read(clip, rate, _stereo)  # [S, 2]
    return None if sound is None else np.ascontiguousarray(sound.T)  # [2, S]


def _read(
    clip: Clip, rate: int, mixed: "Callable[[Iterable[AudioFrame], int], Iterator[NDArray[np.float32]]]"
) -> NDArray[np.float32] | None:
    """Return the clip's sound, samples first, as ``mixed`` turns frames into blocks; None if there is none."""
    with opened(clip, "sound") as file:
        stream = next(iter(file.container.streams.audio), None)
        if stream is None:
            return None
        _forget_order(_known(stream))
        file.seek(stream)
        frames = _within(file, stream)
        first = next(frames, None)
        if first is None:
            return None
        blocks = list(mixed(chain([first], frames), rate))
        begin = file.time(first.pts, stream)
    last = None if clip.end is None else round((clip.end - begin) * rate)
    sound: NDArray[np.float32] = np.concatenate(blocks)[max(0, round((clip.start - begin) * rate)) : last]  # [S, ...]
    if not np.isfinite(sound).all():
        raise BrokenClipError("its sound has values that are not finite")
    return sound if len(sound) else None


def is_silent(clip: Clip, rate: int) -> bool | None:
    """Return whether the clip's sound is digital silence: no sample reaches half a step of 16 bits; None = no sound.

    Raises:
        BrokenClipError: if the clip cannot be read.
        InputError: if PyAV is not installed.
    """
    sound = read_sound(clip, rate)
    return None if sound is None else bool(np.abs(sound).max() < HALF_STEP)


def _known(stream: Coded) -> Coded:
    if stream.codec_context is None:
        raise BrokenClipError(f"its {stream.type} has an unknown codec")
    return stream


def _forget_order(stream: "AudioStream") -> None:
    """Keep only the number of channels of a stream, not which speaker each belongs to; their mean is the same.

    PyAV shares the list of a custom order between the stream and each of its frames, and each of them frees it, which
    ends the process. Reading the number frees the list once, and the assignment drops the last reference to it.

    Raises:
        BrokenClipError: if there are more channels than FFmpeg can resample.
    """
    count = stream.codec_context.channels
    if count:
        stream.codec_context.layout = f"{count} channels"
    if count > MOST_CHANNELS:
        raise BrokenClipError(f"its sound has {count} channels, and at most {MOST_CHANNELS} can be read")


def _pictures(file: MediaFile) -> "VideoStream | None":
    from av.stream import Disposition

    moving = [s for s in file.container.streams.video if not s.disposition & Disposition.attached_pic]
    return _known(moving[0]) if moving else None


def _contents(file: MediaFile, stream: "VideoStream") -> tuple[list[int], list[tuple[int, int]]]:
    """Return when the clip's pictures are shown, in order, and (shown, stored) of the key frames; all in ticks.

    Packets state these times, so nothing is decoded.
    """
    file.seek(stream)
    ticks: list[int] = []
    before: list[int] = []
    keys: list[tuple[int, int]] = []
    for packet, shown, stored in file.packets(stream):
        time = file.time(shown, stream)
        if packet.is_keyframe:
            keys.append((shown, stored))
        if packet.is_discard or time >= file.end - SAME:
            continue
        if time >= file.clip.start - SAME:
            ticks.append(shown)
        elif time + lasts(packet) > file.clip.start:
            before.append(shown)
    return sorted(ticks) or before[-1:], sorted(keys)


def _at(file: MediaFile, wanted: Sequence[int], keys: Sequence[tuple[int, int]]) -> "Iterator[VideoFrame]":
    """Yield the pictures shown at these ticks, by reading on, or by seeking if the next one is far ahead."""
    stream = _pictures(file)
    if stream is None:
        return
    frames, here = file.frames(stream), 0.0
    for ticks in wanted:
        key = bisect_right(keys, (ticks, ticks)) - 1
        if key >= 0 and file.time(keys[key][0], stream) > here + SKIP:
            file.container.seek(keys[key][1], stream=stream)
            frames = file.frames(stream)
        frame = next((frame for frame in frames if frame.pts >= ticks), None)
        if frame is None:
            return
        yield frame
        here = file.time(ticks, stream)


def _picture(frame: "VideoFrame", clip: Clip, width: int | None) -> NDArray[np.uint8]:
    """Return a frame turned upright, cut and scaled: ``[H, W, 3]``."""
    turns = round(frame.rotation / 90)
    across = frame.height if turns % 2 else frame.width
    if clip.half:
        across = (across + 1) // 2
    scale = 1.0 if width is None else min(1.0, width / across)
    size = {side: max(1, round(getattr(frame, side) * scale)) for side in ("width", "height")}
    rgb = np.rot90(frame.reformat(**size, format="rgb24", interpolation="AREA").to_ndarray(), turns)
    middle = (rgb.shape[1] + 1) // 2
    parts = {None: slice(None), "left": slice(middle), "right": slice(-middle, None)}
    return np.ascontiguousarray(rgb[:, parts[clip.half]], dtype=np.uint8)


def _within(file: MediaFile, stream: "AudioStream") -> Iterator[Any]:
    """Yield the blocks of sound that overlap with the clip."""
    for frame in file.frames(stream):
        begin = file.time(frame.pts, stream)
        if begin >= file.end:
            return
        if begin + frame.samples / frame.sample_rate > file.clip.start:
            yield frame


def _resampled(frames: "Iterable[AudioFrame]", rate: int) -> Iterator[NDArray[np.float32]]:
    """Yield mono blocks ``[S]``; a new resampler starts where the format changes."""
    from av import AudioResampler

    for _, alike in groupby(frames, _format):
        for block in _through(AudioResampler("flt", rate=rate), alike):
            yield block.mean(1)  # [S]


def _stereo(frames: "Iterable[AudioFrame]", rate: int) -> Iterator[NDArray[np.float32]]:
    """Yield stereo blocks ``[S, 2]``; a new resampler starts where the format changes."""
    from av import AudioResampler

    for _, alike in groupby(frames, _format):
        first = next(alike)
        if first.layout.nb_channels in MIXED:
            # FFmpeg scales a mix so that it cannot clip only if the samples are whole numbers.
            for block in _through(AudioResampler("s32", layout="stereo", rate=rate), chain([first], alike)):
                yield (block / 2.0**31).astype(np.float32)  # [S, 2]
            continue
        for block in _through(AudioResampler("flt", rate=rate), chain([first], alike)):
            yield block if block.shape[1] == 2 else block.mean(1, keepdims=True).repeat(2, 1)  # [S, 2]


def _format(frame: "AudioFrame") -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _through(resampler: "AudioResampler", frames: "Iterable[AudioFrame]") -> Iterator[NDArray[Any]]:
    """Yield the frames resampled, as blocks ``[S, C]``."""
    for frame in chain(frames, [None]):
        for block in resampler.resample(frame):
            # Interleaved: PyAV reads past the end of frames that keep 8 or more channels apart.
            yield block.to_ndarray().reshape(-1, block.layout.nb_channels)  # [S, C]
