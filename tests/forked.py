"""The command line in real processes that start at once: each is forked from one that has imported everything.

Starting Python and importing torch takes longer than a small run. The process that is forked has done nothing else.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

PRELOADED = [
    "torch._dynamo", "sklearn.metrics", "ercfw.cli", "ercfw.experiment.run_all", "ercfw.report.sections",
    "ercfw_basics", "ercfw_datasets", "ercfw_multiemo", "ercfw_baselines", "ercfw_formats", "ercfw_media",
    "tests.forked",
]  # fmt: skip


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
