"""Several processes make features side by side: the same as one makes, whoever ends when."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from ercfw.contract.conversation import Clip, Conversation
from ercfw.contract.interfaces import ClipExtractor
from ercfw.data.extraction import workers
from ercfw.data.extraction.extract import extract
from ercfw.data.extraction.workers import WorkerPool
from ercfw.errors import BrokenClipError, InputError, RunError
from ercfw.system.files import replacing
from ercfw.system.user_folders import cache_folder


class Bytes(ClipExtractor):
    """The first bytes of a clip, and what they tell it to do."""

    reads = "audio"
    dim = 2
    fingerprint = "b" * 64

    def extract_clip(self, clip):
        data = clip.path.read_bytes()
        if data.startswith(b"broken"):
            raise BrokenClipError("is broken")
        if data.startswith(b"wrong"):
            raise InputError.at("weights", "are wrong", "others")
        if data.startswith(b"kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if data.startswith(b"crash") and not (data == b"crash once" and self.seen_before(clip)):
            os.kill(os.getpid(), signal.SIGABRT if b"abort" in data else signal.SIGSEGV)
        Path(f"{clip.path}.made-by").write_text(str(os.getpid()))
        time.sleep(0.2 if data.startswith(b"slow") else 0)
        return np.array([len(data), data[0]], np.float32)

    def seen_before(self, clip):
        mark = Path(f"{clip.path}.seen")
        before = mark.exists()
        mark.touch()
        return before


@dataclass(frozen=True)
class ExtractorFactory:
    def __call__(self):
        return Bytes()


WORKERS = WorkerPool(2, ExtractorFactory())


class Length(Bytes):
    """The first of the numbers of ``Bytes``."""

    dim = 1
    fingerprint = "l" * 64

    def source(self):
        return Bytes()

    def select(self, features):
        return features[:1]


class LengthFactory(ExtractorFactory):
    def __call__(self):
        return Length()


def quiet(*_):
    pass


def said(*contents):
    clips = []
    for number, data in enumerate(contents):
        path = Path(f"{number}.wav").absolute()
        path.write_bytes(data)
        clips.append(Clip(path))
    size = len(clips)
    numbers = tuple(map(str, range(size)))
    return Conversation("c", "train", numbers, ("A",) * size, ("",) * size, {}, clips=tuple(clips))


def kept():
    return {path.name: path.read_bytes() for path in (cache_folder() / "features").rglob("*.safetensors")}


@pytest.mark.slow
def test_workers_make_what_one_process_makes(monkeypatch, tmp_path):
    conversation = said(*(b"slow%d" % number for number in range(6)), b"broken", b"slow0")
    steps = []
    alone = extract(Bytes(), "bytes", [conversation], quiet)
    by_one = kept()
    monkeypatch.setenv("ERCFW_CACHE", str(tmp_path / "other"))
    together = extract(Bytes(), "bytes", [conversation], lambda *step: steps.append(step), WORKERS)
    assert kept() == by_one
    assert together.table.values.tolist() == alone.table.values.tolist()
    assert together.broken == alone.broken == {("c", "6"): "is broken"}
    assert steps == [("extracting bytes", n, 7) for n in range(1, 8)]
    makers = {path.read_text() for path in tmp_path.glob("*.made-by")}
    assert len(makers) == 2
    assert str(os.getpid()) not in makers


@pytest.mark.slow
def test_workers_make_the_pieces_of_a_source(tmp_path):
    conversation = said(*(b"slow%d" % number for number in range(6)))
    values = extract(Length(), "length", [conversation], quiet, WorkerPool(2, LengthFactory())).table.values
    assert values.tolist() == [[5.0]] * 6
    assert str(os.getpid()) not in {path.read_text() for path in tmp_path.glob("*.made-by")}
    assert [path.parent.name for path in cache_folder().rglob("*.safetensors")] == ["length-bbbbbbbbbbbbbbbb"] * 6


def test_nothing_to_make_needs_no_workers():
    conversation = said(b"one", b"two", b"three", b"four")
    extract(Bytes(), "bytes", [conversation], quiet)
    nobody = WorkerPool(2, ExtractorFactory)  # would give no extractor
    assert extract(Bytes(), "bytes", [conversation], quiet, nobody).table.present.all()


@pytest.mark.slow
def test_a_mistake_in_one_process_is_raised_as_in_this_one():
    with pytest.raises(InputError, match=r"weights: are wrong \(others\)") as caught:
        extract(Bytes(), "bytes", [said(b"one", b"wrong", b"two", b"three")], quiet, WORKERS)
    assert [m.hint for m in caught.value.mistakes] == ["others"]


@pytest.mark.slow
def test_a_process_that_is_killed_is_reported_and_finished_work_stays():
    conversation = said(b"one", b"two", b"three", b"kill")
    with pytest.raises(
        RunError, match="a worker that extracted features was killed; the features made so far are kept"
    ):
        extract(Bytes(), "bytes", [conversation], quiet, WORKERS)
    repaired = replace(conversation, clips=(*conversation.clips[:3], None))
    assert extract(Bytes(), "bytes", [repaired], quiet).table.present.tolist() == [True, True, True, False]


@pytest.mark.slow
def test_a_clip_that_crashes_its_process_costs_one_utterance():
    conversation = said(b"one", b"crash", b"two", b"crash: abort", b"crash once", b"three")
    steps = []
    made = extract(Bytes(), "bytes", [conversation], lambda *step: steps.append(step), WORKERS)
    assert made.table.present.tolist() == [True, False, True, False, True, True]
    assert made.broken == {
        ("c", "1"): "reading it crashes the process (SIGSEGV)",
        ("c", "3"): "reading it crashes the process (SIGABRT)",
    }
    assert steps == [("extracting bytes", n, 6) for n in range(1, 7)]
    assert extract(Bytes(), "bytes", [conversation], quiet).broken == made.broken  # from the cache, without a crash


@pytest.mark.slow
def test_the_crash_is_told_although_another_thread_waits_for_the_process_too(monkeypatch):
    waits = os.waitpid

    def come_second(*arguments):
        other = threading.current_thread() is not threading.main_thread()
        time.sleep(0 if other else 0.1)
        ended = waits(*arguments)
        time.sleep(0.5 if other else 0)
        return ended

    monkeypatch.setattr("os.waitpid", come_second)
    made = extract(Bytes(), "bytes", [said(b"one", b"crash", b"two", b"three")], quiet, WORKERS)
    assert made.broken == {("c", "1"): "reading it crashes the process (SIGSEGV)"}


def write_forever(_extractor, _name, path):
    with replacing(path) as temporary:
        Path(f"{path}.begun").write_text(temporary.name)
        time.sleep(60)


def hang(_extractor, _name, path):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # as code that never returns to Python
    Path(f"{path}.begun").touch()
    time.sleep(60)


@pytest.mark.slow
@pytest.mark.parametrize(("make", "code"), [(write_forever, 1), (hang, -signal.SIGKILL)])
def test_a_worker_that_is_stopped_removes_its_unfinished_file_and_is_killed_if_it_hangs(
    tmp_path, monkeypatch, make, code
):
    monkeypatch.setattr(workers, "PATIENCE", 5.0 if make is write_forever else 0.2)
    worker = workers._Worker(1)
    worker.submit((workers._work, ExtractorFactory(), "bytes", tmp_path / "piece", make))
    _wait_for((tmp_path / "piece.begun").exists)
    worker.terminate()
    assert [process.exitcode for process in worker._processes] == [code]
    assert [path.name for path in tmp_path.iterdir()] == ["piece.begun"]


PROGRAM = """
    import sys
    sys.path.insert(0, {tests!r})
    from test_workers import WORKERS, Bytes, quiet, said
    from ercfw.data.extraction.extract import extract
    from ercfw.system.signals import Stopped, at_once

    if __name__ == "__main__":
        conversation = said(*(b"slow%d" % n for n in range(40)))
        try:
            with at_once():
                extract(Bytes(), "bytes", [conversation], quiet, WORKERS)
        except Stopped:
            sys.exit(7)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 7), (signal.SIGTERM, 7), (signal.SIGKILL, -9)])
def test_the_workers_end_with_their_parent_and_the_next_run_resumes(tmp_path, number, code):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM).format(tests=str(Path(__file__).parent)))
    process = subprocess.Popen([sys.executable, program], start_new_session=True)
    _wait_for(lambda: len(kept()) >= 3)
    os.kill(process.pid, number)
    assert process.wait(30) == code
    makers = {int(path.read_text()) for path in tmp_path.glob("*.made-by")}
    _wait_for(lambda: not any(_lives(maker) for maker in makers))
    before = kept()
    assert 3 <= len(before) < 40
    conversation = said(*(b"slow%d" % n for n in range(40)))
    assert extract(Bytes(), "bytes", [conversation], quiet, WORKERS).table.present.all()
    assert before.items() <= kept().items()
    assert len(kept()) == 40
    assert not list((cache_folder() / "features").rglob("*.tmp")) or number == signal.SIGKILL


def _wait_for(happens):
    until = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < until
        time.sleep(0.05)


def _lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False
