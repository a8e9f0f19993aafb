"""A sound or video file while a stretch of it is read: its times, its packets, and what is wrong with it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from math import inf
from typing import TYPE_CHECKING, Any

from ercfw import BrokenClipError, Clip, missing_library

if TYPE_CHECKING:
    from av import Packet
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

RUN_UP = 1.0
"""Seconds read before a stretch: sound needs some to settle, pictures are not stored in the order they are shown."""
SLACK = 0.25
"""Seconds by which a header may promise too much."""
PROMISING = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "flac"}
"""Formats whose header tells how long they are; of others FFmpeg guesses it."""


@dataclass
class MediaFile:
    """An open file, of which a clip is to be read.

    Attributes:
        container: PyAV's.
        clip: the stretch.
        reached: seconds from the file's beginning that the packets read so far came to.
    """

    container: "InputContainer"
    clip: Clip
    reached: float = 0.0

    @property
    def end(self) -> float:
        """Where the stretch ends, in seconds."""
        return inf if self.clip.end is None else self.clip.end

    def time(self, ticks: int, stream: "Stream") -> float:
        """Seconds from the file's beginning; some formats do not count from 0."""
        return float(ticks * (stream.time_base or 0)) - (self.container.start_time or 0) / 1e6

    def seek(self, stream: "Stream") -> None:
        """Go to some way before the stretch, or stay at the beginning where there is no seeking."""
        import av

        time = self.clip.start - RUN_UP + (self.container.start_time or 0) / 1e6
        if self.clip.start > RUN_UP and stream.time_base:
            with suppress(av.FFmpegError):
                self.container.seek(int(time / stream.time_base), stream=stream)

    def packets(self, stream: "Stream") -> "Iterator[tuple[Packet[Any], int, int]]":
        """A stream's packets until the stretch ends, and in ticks when each is shown and where it is stored.

        Raises:
            BrokenClipError: the file ends before the stretch begins, or before its header says.
        """
        for packet in self.container.demux():
            stored = packet.pts if packet.dts is None else packet.dts
            if stored is None or packet.stream.type not in ("audio", "video"):
                continue
            time = self.time(stored, packet.stream)
            shown = stored if packet.pts is None else packet.pts  # later than stored, where pictures lean on later ones
            self.reached = max(self.reached, self.time(max(shown, stored), packet.stream) + lasts(packet))
            if packet.stream.index == stream.index:
                if time >= self.end:
                    return
                yield packet, shown, stored
        self._check_whole()

    def frames(self, stream: "AudioStream | VideoStream") -> Iterator[Any]:
        """A stream's frames, decoded; what does not decode before the stretch is passed over.

        Raises:
            BrokenClipError: see ``packets``; or a frame has no time.
        """
        import av

        codec = stream.codec_context
        for packet, shown, _ in self.packets(stream):
            try:
                yield from map(_timed, codec.decode(packet))
            except av.FFmpegError:
                if self.time(shown, stream) >= self.clip.start:
                    raise
        yield from map(_timed, codec.decode(None))

    def _check_whole(self) -> None:
        """Called where nothing more can be read."""
        start = self.clip.start
        if start and self.reached <= start:
            raise BrokenClipError(f"ends before the utterance begins at {start:.2f} s")
        promised = self._promised()
        if self.reached < min(promised, self.end) - SLACK:
            raise BrokenClipError(f"is cut off: it ends at {self.reached:.2f} s of {promised:.2f} s")

    def _promised(self) -> float:
        """The length in seconds that the header tells; 0 where it tells none."""
        if self.container.format.name not in PROMISING:
            return 0.0
        streams = (*self.container.streams.audio, *self.container.streams.video)
        lengths = [float(stream.duration * (stream.time_base or 0)) for stream in streams if stream.duration]
        return max(lengths, default=(self.container.duration or 0) / 1e6)


def lasts(packet: "Packet[Any]") -> float:
    """Seconds that a packet's picture or sound lasts; 0 where the file does not tell."""
    return float((packet.duration or 0) * (packet.stream.time_base or 0))


def _timed(frame: Any) -> Any:
    if frame.pts is None:
        raise BrokenClipError("is damaged: it does not tell when its frames are due")
    return frame


@contextmanager
def opened(clip: Clip, extra: str) -> Iterator[MediaFile]:
    """The clip's file, open; whatever goes wrong with it until it is closed ends in one message.

    Args:
        clip: what is to be read of it.
        extra: whose libraries are needed.

    Raises:
        BrokenClipError: it cannot be read, or the clip's times cannot be.
        InputError: PyAV is missing.
    """
    if find_spec("av") is None:
        raise missing_library("av", extra)
    import av

    if not 0 <= clip.start < (inf if clip.end is None else clip.end):
        until = "its end" if clip.end is None else f"{clip.end:.2f} s"
        raise BrokenClipError(f"cannot be read from {clip.start:.2f} s to {until}")
    with _container(clip) as container:
        # FFmpeg takes a text for a picture of it.
        if container.format.name == "tty" or not (container.streams.audio or container.streams.video):
            raise BrokenClipError("has neither sound nor pictures")
        try:
            yield MediaFile(container, clip)
        except av.FFmpegError as error:
            raise BrokenClipError(f"is damaged or cut off: {error.strerror}") from error


def _container(clip: Clip) -> "InputContainer":
    import av

    try:
        # As a file whatever its name, so that FFmpeg lets a playlist in it name files only, never the network.
        return av.open(f"file:{clip.path}", "r", metadata_errors="replace")
    except OSError as error:
        raise BrokenClipError(f"cannot be opened: {error.strerror}") from error
    except av.FFmpegError as error:
        damaged = "is no sound or video file, or is cut off"
        raise BrokenClipError(damaged if clip.path.stat().st_size else "is empty") from error
