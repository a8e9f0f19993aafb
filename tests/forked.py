"""The command line in real processes that start at once: each is forked from one that has imported everything.

Starting Python and importing torch takes longer than a small run. The process that is forked has done nothing else.
"""

import multiprocessing
import os
import socket
import sys
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

PRELOADED = [
    "torch._dynamo", "sklearn.metrics", "ercfw.cli", "ercfw.experiment.run_all", "ercfw.report.sections",
    "ercfw_basics", "ercfw_datasets", "ercfw_multiemo", "ercfw_baselines", "ercfw_formats", "ercfw_media",
    "tests.forked",
]  # fmt: skip

NO_PICTURES = """
from ercfw.experiment import outputs

outputs.draw_run = lambda *_: []
"""
"""For a plugin's file, where processes start from nothing: pictures take longer than a small run."""


def _command(words: tuple[str, ...], environment: Mapping[str, str], said: str) -> None:
    """What the process does: the command line, once; what it says goes to a file."""
    os.environ.update(environment)
    sys.argv = ["ercfw", *words]
    with Path(said).open("w", encoding="utf-8") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    from ercfw.cli import main
    from ercfw.experiment import outputs

    outputs.draw_run = lambda *_: []  # most of a small run's time, and no part of its numbers
    main()


def start(*words: str | Path, said: str | Path = os.devnull, **environment: str) -> BaseProcess:
    """Start ``ercfw WORDS`` in the working directory of now; its output goes to the file ``said``."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_command, args=(tuple(map(str, words)), environment, str(said)))
    process.start()
    return process


def start_world(processes: int, *words: str | Path, said: str | Path = os.devnull) -> list[BaseProcess]:
    """Start the processes of one command as torchrun does; what the first says goes to the file ``said``."""
    if processes == 1:
        return [start(*words, said=said)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    world = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    files = [said, *[os.devnull] * (processes - 1)]
    places = [{**world, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
    return [start(*words, said=file, **place) for file, place in zip(files, places, strict=True)]


def run(*words: str | Path, **environment: str) -> tuple[int | None, str]:
    """The exit code of ``ercfw WORDS``, negative for a signal, and what it said; None if it does not end."""
    with TemporaryDirectory() as folder:
        said = Path(folder, "said")
        process = start(*words, said=said, **environment)
        process.join(timeout=120)
        process.kill()
        return process.exitcode, said.read_text(encoding="utf-8")
