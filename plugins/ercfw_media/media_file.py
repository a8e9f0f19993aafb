"""A sound or video file from which a stretch is read: its times, its packets, and its faults."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from math import inf
from typing import TYPE_CHECKING, Any

from ercfw import BrokenClipError, Clip, is_file, is_folder, missing_library

if TYPE_CHECKING:
    from av import Packet
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

RUN_UP = 1.0
"""Seconds to read before a stretch: sound needs some to settle, and pictures are not stored in the order of showing."""
SLACK = 0.25
"""Seconds by which a header may promise too much."""
PROMISING = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "flac"}
"""Formats whose header states the length; for others FFmpeg guesses it."""


@dataclass
class MediaFile:
    """An open file from which a clip is read.

    Attributes:
        container: the file as PyAV opened it.
        clip: the stretch to read.
        reached: the latest time of what was read so far, in seconds from the file's beginning.
    """

    container: "InputContainer"
    clip: Clip
    reached: float = 0.0

    @property
    def end(self) -> float:
        """Return the end of the stretch, in seconds."""
        return inf if self.clip.end is None else self.clip.end

    def time(self, ticks: int, stream: "Stream") -> float:
        """Convert ticks to seconds from the file's beginning; some formats do not count from 0."""
        return float(ticks * (stream.time_base or 0)) - (self.container.start_time or 0) / 1e6

    def seek(self, stream: "Stream") -> None:
        """Seek to a point some way before the stretch; stay at the beginning if the file cannot seek.

        FFmpeg seeks compressed WAV by its mean number of bytes per second, and states times that drift by 0.5%.
        """
        import av

        if self.container.format.name == "wav" and not (stream.name or "").startswith("pcm_"):
            return
        time = self.clip.start - RUN_UP + (self.container.start_time or 0) / 1e6
        if self.clip.start > RUN_UP and stream.time_base:
            with suppress(av.FFmpegError):
                self.container.seek(int(time / stream.time_base), stream=stream)

    def packets(self, stream: "Stream") -> "Iterator[tuple[Packet[Any], int, int]]":
        """Yield a stream's packets until the stretch ends, with the ticks at which each is shown and stored.

        Raises:
            BrokenClipError: if the file ends before the stretch begins, or before its header says.
        """
        for packet in self.container.demux():
            stored = packet.pts if packet.dts is None else packet.dts
            if stored is None or packet.stream.type not in ("audio", "video"):
                continue
            time = self.time(stored, packet.stream)
            shown = stored if packet.pts is None else packet.pts  # later than stored where pictures need later ones
            self.reached = max(self.reached, self.time(max(shown, stored), packet.stream) + lasts(packet))
            if packet.stream.index == stream.index:
                if time >= self.end:
                    return
                yield packet, shown, stored
        self._check_whole()

    def frames(self, stream: "AudioStream | VideoStream") -> Iterator[Any]:
        """Yield a stream's decoded frames; skip those before the stretch that cannot be decoded.

        A packet may hold several blocks of sound, of which only the first has a time: the others follow it.

        Raises:
            BrokenClipError: as for ``packets``, or if a frame has no time.
        """
        end: int | None = None
        for frame in self._decoded(stream):
            if frame.pts is None:
                frame.pts = end
            if frame.pts is None:
                raise BrokenClipError("is damaged: its frames have no times")
            if stream.type == "audio":
                end = frame.pts + round(frame.samples / frame.sample_rate / (stream.time_base or 1))
                self.reached = max(self.reached, self.time(end, stream))
            yield frame

    def _decoded(self, stream: "AudioStream | VideoStream") -> Iterator[Any]:
        import av

        codec = stream.codec_context
        for packet, shown, _ in self.packets(stream):
            try:
                yield from codec.decode(packet)
            except av.FFmpegError:
                if self.time(shown, stream) >= self.clip.start:
                    raise
        yield from codec.decode(None)

    def _check_whole(self) -> None:
        """Raise an error if the file is cut off; to be called when nothing more can be read."""
        start = self.clip.start
        if start and self.reached <= start:
            raise BrokenClipError(f"ends before the utterance begins at {start:.2f} s")
        promised = self._promised()
        if self.reached < min(promised, self.end) - SLACK:
            raise BrokenClipError(f"is cut off: it ends at {self.reached:.2f} s of {promised:.2f} s")

    def _promised(self) -> float:
        """Return the length in seconds that the header states; 0 if it states none."""
        if self.container.format.name not in PROMISING:
            return 0.0
        streams = (*self.container.streams.audio, *self.container.streams.video)
        lengths = [float(stream.duration * (stream.time_base or 0)) for stream in streams if stream.duration]
        return max(lengths, default=(self.container.duration or 0) / 1e6)


def lasts(packet: "Packet[Any]") -> float:
    """Return the seconds that a packet's picture or sound lasts; 0 if the file does not say."""
    return float((packet.duration or 0) * (packet.stream.time_base or 0))


@contextmanager
def opened(clip: Clip, extra: str) -> Iterator[MediaFile]:
    """Open the clip's file; turn any fault of it, until it is closed, into one message.

    Args:
        clip: the clip to read.
        extra: the extra whose libraries are needed.

    Raises:
        BrokenClipError: if the file cannot be read, or the clip's times are not valid.
        InputError: if PyAV is not installed.
    """
    if find_spec("av") is None:
        raise missing_library("av", extra)
    import av

    if not 0 <= clip.start < (inf if clip.end is None else clip.end):
        until = "its end" if clip.end is None else f"{clip.end:.2f} s"
        raise BrokenClipError(f"cannot be read from {clip.start:.2f} s to {until}")
    with _container(clip) as container:
        # FFmpeg opens a text file as a picture of the text.
        if container.format.name == "tty" or not (container.streams.audio or container.streams.video):
            raise BrokenClipError("has neither sound nor pictures")
        try:
            yield MediaFile(container, clip)
        except av.FFmpegError as error:
            raise BrokenClipError(f"is damaged or cut off: {error.strerror}") from error


def _container(clip: Clip) -> "InputContainer":
    import av

    if clip.path.exists() and not (is_file(clip.path) or is_folder(clip.path)):  # a pipe or a device may never end
        raise BrokenClipError("cannot be opened: it is not a file")
    try:
        # With "file:", FFmpeg lets a playlist in the file name other files only, never addresses on the network.
        return av.open(f"file:{clip.path}", "r", metadata_errors="replace")
    except OSError as error:
        raise BrokenClipError(f"cannot be opened: {error.strerror}") from error
    except av.FFmpegError as error:
        damaged = "is not a sound or video file, or is cut off"
        raise BrokenClipError(damaged if clip.path.stat().st_size else "is empty") from error
