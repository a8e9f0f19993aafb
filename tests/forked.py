"""The command line in real processes that start at once: each is forked from one that has imported everything.

Starting Python and importing torch takes longer than a small run. The process that is forked has done nothing else.
"""

import importlib
import multiprocessing
import os
import socket
import sys
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

from ercfw.experiment.request import WorkerResult
from ercfw.experiment.worker_process import Command, Ended

PRELOADED = [
    "torch._dynamo", "torch.distributed.run", "sklearn.metrics",
    "ercfw.cli", "ercfw.experiment.run_all", "ercfw.report.sections",
    "ercfw_basics", "ercfw_datasets", "ercfw_multiemo", "ercfw_baselines", "ercfw_formats", "ercfw_media",
    "tests.forked",
]  # fmt: skip

NO_PICTURES = """
from ercfw.experiment import outputs

outputs.draw_run = lambda *_: []
"""
"""For a plugin's file, where processes start from nothing: pictures take longer than a small run."""


def _prepare(environment: Mapping[str, str], said: str) -> None:
    """What the process says goes to a file."""
    os.environ.update(environment)
    with Path(said).open("w", encoding="utf-8") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    from ercfw.experiment import outputs

    outputs.draw_run = lambda *_: []  # most of a small run's time, and no part of its numbers


def _command(program: str, words: tuple[str, ...], group: bool, environment: Mapping[str, str], said: str) -> None:
    """What a process does: the command line, once."""
    if group:
        os.setsid()
    _prepare(environment, said)
    sys.argv = [program, *words]
    importlib.import_module(program).main()


def _fulfill(request: str, result: str, said: str) -> None:
    """What a worker does."""
    _prepare({}, said)
    from ercfw.experiment.worker import main

    sys.exit(main(Path(request), Path(result)))


def _process(target: Callable[..., None], *args: object) -> BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=target, args=args)
    process.start()
    return process


def start(
    *words: str | Path,
    program: str = "ercfw.cli",
    group: bool = False,
    said: str | Path = os.devnull,
    **environment: str,
) -> BaseProcess:
    """Start ``ercfw WORDS`` in the working directory of now; its output goes to the file ``said``.

    With ``group``, it and the processes that it starts can be killed together, as ``os.killpg`` of its number does.
    """
    return _process(_command, program, tuple(map(str, words)), group, environment, str(said))


def start_world(
    processes: int,
    *words: str | Path,
    program: str = "ercfw.cli",
    said: str | Path = os.devnull,
    **environment: str,
) -> list[BaseProcess]:
    """Start the processes of one command as torchrun does; what the first says goes to the file ``said``."""
    if processes == 1:
        return [start(*words, program=program, said=said, **environment)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    world = {**environment, "WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    files = [said, *[os.devnull] * (processes - 1)]
    places = [{**world, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
    return [start(*words, program=program, said=file, **place) for file, place in zip(files, places, strict=True)]


def run(*words: str | Path, program: str = "ercfw.cli", **environment: str) -> tuple[int | None, str]:
    """The exit code of ``ercfw WORDS``, negative for a signal, and what it said; None if it does not end."""
    with TemporaryDirectory() as folder:
        said = Path(folder, "said")
        process = start(*words, program=program, said=said, **environment)
        process.join(timeout=300)
        process.kill()
        return process.exitcode, said.read_text(encoding="utf-8")


def work(command: Command, gpu: str | None = None, started: Callable[[object], None] = lambda process: None) -> Ended:
    """Stands for ``executors.run_command``, where a test is not about how a worker is started or stopped."""
    with TemporaryDirectory() as folder:
        request, result, said = (Path(folder, name) for name in ("request", "result", "said"))
        request.write_text(command.request, encoding="utf-8")
        process = _process(_fulfill, str(request), str(result), str(said))
        process.join()
        assert process.exitcode is not None
        written = WorkerResult.model_validate_json(result.read_bytes()) if result.exists() else None
        return Ended(process.exitcode, written, said.read_text(encoding="utf-8"))
