"""Each worker process sees one of the GPUs that its parent may use."""

import subprocess
from threading import Thread

import pytest

from ercfw.experiment import executors
from ercfw.experiment.executors import share_machine
from ercfw.experiment.worker_process import Command
from ercfw.recipe.schema import RunSettings


@pytest.mark.parametrize(
    ("listed", "workers", "expected"),
    [
        ("2,3", 2, {"2", "3"}),
        ("GPU-8a0f,GPU-93be", 2, {"GPU-8a0f", "GPU-93be"}),
        ("3,1,2", 2, {"3", "1"}),
        ("7", 2, {"7"}),  # two runs share the GPU
    ],
)
def test_a_run_gets_a_gpu_of_the_user(monkeypatch, listed, workers, expected):
    seen = []

    class Ends:
        """A process that ends at once."""

        returncode = 0

        def __init__(self, arguments, env, **options):
            seen.append(env["CUDA_VISIBLE_DEVICES"])

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def communicate(self):
            return "", ""

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    monkeypatch.setattr(subprocess, "Popen", Ends)
    engine = executors.Local(workers, gpus=len(listed.split(",")))
    threads = [Thread(target=engine.run, args=(Command("{}", ".", 1),)) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == workers
    assert set(seen) == expected


def test_as_many_runs_at_once_as_there_are_gpus(monkeypatch):
    monkeypatch.setattr("ercfw.experiment.executors.count_gpus", lambda: 3)
    assert share_machine(RunSettings())[0] == 3
