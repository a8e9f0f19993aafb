"""Measure feature extraction from clips, relative to the length of the clips and to decoding them.

    python benchmarks/media.py ../shared/data/meld_clips/dev --identity vladmandic-face-api-1.7.15.tgz

Each core runs a process with one thread, as `ercfw extract` does. The processes load their networks before the timing
starts. The face extractors read 20 frames per clip at a width of 640. Without a folder, the benchmark uses a synthetic
clip. It shows no face, so that the networks that describe faces have nothing to do. Without the archive of the npm
package @vladmandic/face-api, the benchmark leaves out face-identity.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import bench
import numpy as np
import torch

from ercfw.contract.conversation import Clip
from ercfw.system.launch import cores

SOUND, PICTURE, IDENTITY = "decoding sound", "decoding picture", "face-identity, main"
FRAMES, WIDTH = 20, 640
AIMS = {"whisper": "30", "openSMILE eGeMAPS": "30", "openSMILE ComParE": "30", "finding faces": "1"}


@cache
def make_work(name: str, identity: Path | None) -> Callable[[Clip], object]:
    """Return a function that processes a clip; each process makes its networks once."""
    from ercfw_media.clips import read_frames, read_sound
    from ercfw_media.face_expression import FaceExpression
    from ercfw_media.face_identity import FaceIdentity
    from ercfw_media.faces import FaceDetector
    from ercfw_media.opensmile import OpenSmile
    from ercfw_media.prosody import Prosody
    from ercfw_media.speaker_embedding import SpeakerEmbedding
    from ercfw_media.whisper import Whisper
    from ercfw_multiemo.visextnet import VisExtNet

    detector = FaceDetector(thresholds=(0.6, 0.7, 0.9))
    makers: dict[str, Callable[[], Callable[[Clip], object]]] = {
        SOUND: lambda: lambda clip: read_sound(clip, 16_000),
        PICTURE: lambda: all_frames,
        "sampling frames": lambda: lambda clip: read_frames(clip, FRAMES, WIDTH),
        "whisper": lambda: Whisper().extract_clip,
        "openSMILE eGeMAPS": lambda: OpenSmile(features="eGeMAPSv02").extract_clip,
        "openSMILE ComParE": lambda: OpenSmile().extract_clip,
        "prosody": lambda: Prosody().extract_clip,
        "speaker-embedding": lambda: SpeakerEmbedding().extract_clip,
        "finding faces": lambda: lambda clip: detector.detect(read_frames(clip, FRAMES, WIDTH)),
        "face-expression": lambda: FaceExpression(frames=FRAMES, width=WIDTH).extract_clip,
        IDENTITY: lambda: FaceIdentity(faces="main", frames=FRAMES, width=WIDTH, identity=identity).extract_clip,
        "visextnet, random": lambda: VisExtNet(weights="random", frames=FRAMES, width=WIDTH).extract_clip,
    }
    return makers[name]()


ALL = (
    *(SOUND, "whisper", "openSMILE eGeMAPS", "openSMILE ComParE", "prosody", "speaker-embedding"),
    *(PICTURE, "sampling frames", "finding faces", "face-expression", IDENTITY, "visextnet, random"),
)


def all_frames(clip: Clip) -> int:
    import av

    with av.open(str(clip.path)) as file:
        return sum(1 for _ in file.decode(video=0))


def seconds_of(clip: Clip) -> float:
    import av

    with av.open(str(clip.path)) as file:
        return (file.duration or 0) / av.time_base


def set_up_process(device: str) -> None:
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # extractors use any GPU that is visible
    torch.set_num_threads(1)


def work(name: str, identity: Path | None, clip: Clip) -> None:
    make_work(name, identity)(clip)


def write_clip(folder: Path) -> Clip:
    """Write a clip of two seconds with moving stripes and a tone."""
    import av

    path = folder / "synthetic.mp4"
    with av.open(str(path), "w") as file:
        picture, sound = file.add_stream("libx264", rate=25), file.add_stream("aac", rate=44_100)
        picture.width, picture.height, picture.pix_fmt = 640, 360, "yuv420p"
        for number in range(50):
            stripes = ((np.arange(640) + 4 * number) % 64 * 4).astype(np.uint8)
            pixels = np.broadcast_to(stripes[None, :, None], (360, 640, 3))
            file.mux(picture.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")))
        tone = np.sin(np.arange(2 * 44_100) / 16).astype(np.float32)[None]
        block = av.AudioFrame.from_ndarray(tone, "fltp", "mono")
        block.sample_rate = 44_100
        file.mux(sound.encode(block))
        for stream in (picture, sound):
            file.mux(stream.encode(None))
    return Clip(path)


def main() -> None:
    parser = bench.make_parser(__doc__, rounds=5)
    parser.add_argument("folder", nargs="?", type=Path, help="a folder of clips; by default, a synthetic clip")
    parser.add_argument("--identity", type=Path, help="the archive of @vladmandic/face-api; by default, no identity")
    arguments = bench.parse(parser)
    with tempfile.TemporaryDirectory() as temporary:
        paths = sorted(arguments.folder.iterdir()) if arguments.folder else []
        clips = [Clip(path) for path in paths] or [write_clip(Path(temporary))]
        clips = clips[:1] if arguments.quick else clips
        names = ALL if not arguments.quick else ALL[:-1]
        measure(clips, tuple(name for name in names if name != IDENTITY or arguments.identity), arguments)


def measure(clips: list[Clip], names: tuple[str, ...], arguments: argparse.Namespace) -> None:
    length = sum(map(seconds_of, clips))
    processes = min(cores(), len(clips)) if arguments.device == "cpu" else 1
    print(f"{len(clips)} clips, {length:.1f} s in all; {processes} single-threaded processes")

    def run(pool: ProcessPoolExecutor, name: str) -> None:
        list(pool.map(partial(work, name, arguments.identity), clips))

    with ProcessPoolExecutor(processes, get_context("spawn"), set_up_process, (arguments.device,)) as pool:
        clocks = {name: bench.timed(lambda name=name: run(pool, name)) for name in names}
        seconds = bench.medians(clocks, arguments.rounds)
    timings = {**seconds, "real time": length}
    bench.print_seconds(timings, "real time", *names)
    for name in names:
        bench.print_ratio(timings, "real time", name, AIMS.get(name, ""))
    for name in names:
        decoding = SOUND if names.index(name) < names.index(PICTURE) else PICTURE
        if name != decoding:
            bench.print_ratio(timings, name, decoding)


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # for the processes, which import this file again
    sys.exit(main())
