"""Count the GPUs that this process may use, and give some of them to child processes."""

import os

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The variable that lists the GPUs of a process: by number, or by the UUID of a GPU or of a part of one (MIG)."""


def count_gpus() -> int:
    """Return how many child processes can have a GPU of their own.

    CUDA shows a process only the first part of a divided GPU, but each child process can be given another one.
    """
    import torch

    if not torch.cuda.is_available():
        return 0
    parts = [name for name in _listed() if name.startswith("MIG-")]
    return len(parts) or torch.cuda.device_count()


def gpu_names(count: int) -> list[str]:
    """Return a name for each of the first ``count`` GPUs; a child process with this name as its list sees that GPU.

    Numbers count all GPUs of the machine, so the names must be those by which the user restricted this process.
    """
    return _listed()[:count] or [str(number) for number in range(count)]


def _listed() -> list[str]:
    return [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
