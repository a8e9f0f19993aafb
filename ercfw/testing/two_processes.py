"""A part in two real processes that share a batch: the gradients of one that has it all."""

import inspect
import json
import os
import socket
import subprocess
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from ercfw.contract.batch import Inputs
from ercfw.testing.material import pack
from ercfw.testing.outcome import NotAsked, NotMet
from ercfw.testing.subject import Subject

CLOSE = 1e-3
PATIENCE = 120  # seconds
PROCESSES = 2


class Whole(nn.Module):
    """The part as a module that gives one tensor."""

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.subject = subject
        self.part = subject.make()

    def forward(self, inputs: Inputs) -> Tensor:
        """``[N, ...]``."""
        return self.subject.run_inputs(self.part, inputs)


def two_processes(subject: Subject) -> None:
    """Two processes, each with half of the conversations, find the gradients that one finds with all of them."""
    if "<locals>" in subject.made_by.__qualname__:
        raise NotAsked("its class is made inside a function, so no other process can make it: move it to its module")
    if not any(parameter.requires_grad for parameter in subject.make().parameters()):
        raise NotAsked("it has no parameters")
    told = json.dumps({
        "kind": subject.kind,
        "module": subject.made_by.__module__,
        "file": inspect.getfile(subject.made_by),
        "name": subject.made_by.__qualname__,
        "options": dict(subject.options),
        "reads": subject.reads,
        "dims": dict(subject.dims),
    }, default=str)  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "ercfw.testing.two_processes", told]
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(PROCESSES), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(command, env={**os.environ, **where, "RANK": str(rank)}, stderr=subprocess.PIPE, text=True)
        for rank in range(PROCESSES)
    ]
    try:
        said = [process.communicate(timeout=PATIENCE)[1] for process in started]
    except subprocess.TimeoutExpired:
        raise NotMet(
            f"two processes do not end in {PATIENCE} s: does one wait for what the other never sends?"
        ) from None
    finally:
        for process in started:
            process.kill()
            process.wait()
    for process, lines in zip(started, said, strict=True):
        if process.returncode:
            raise NotMet((lines.strip().splitlines() or ["a process ended without a word"])[-1])


def _class(told: dict[str, Any]) -> Any:
    """The part's class, of an installed module or of a file."""
    try:
        module = import_module(told["module"])
    except ImportError:
        spec = spec_from_file_location(Path(told["file"]).stem, told["file"])
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    found: Any = module
    for name in told["name"].split("."):
        found = getattr(found, name)
    return found


def _gradients(model: nn.Module, whole: Whole, inputs: Inputs) -> dict[str, Tensor]:
    """Of a sum over all rows, in which each column counts otherwise."""
    given = model(inputs)  # [N, D]
    weights = torch.randn(given.shape[1], generator=torch.Generator().manual_seed(0))  # [D]
    torch.autograd.backward((given * weights).sum())
    return {name: p.grad.clone() for name, p in whole.part.named_parameters() if p.grad is not None}


def main() -> None:
    """One of the processes; ends with an error where its gradients differ."""
    told = json.loads(sys.argv[1])
    subject = Subject(told["kind"], _class(told), told["options"], told["reads"], told["dims"])
    alone = Whole(subject)
    expected = _gradients(alone, alone, pack(subject.conversations).inputs)
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    shared = Whole(subject)
    model = nn.parallel.DistributedDataParallel(shared, find_unused_parameters=True)
    found = _gradients(model, shared, pack(subject.conversations[rank::PROCESSES]).inputs)
    for name, gradient in expected.items():
        # DistributedDataParallel gives the mean over the processes.
        apart = float((PROCESSES * found[name] - gradient).abs().max())
        if not apart <= CLOSE * max(1.0, float(gradient.abs().max())):
            _end(f"in two processes the gradient of {name} differs from that of one (by {apart:.2g})")
    torch.distributed.barrier()
    _end("")


def _end(error: str) -> NoReturn:
    """End at once: gloo's threads, torn down with Python, end a process with an error of their own now and then."""
    print(error, file=sys.stderr, flush=True)
    os._exit(1 if error else 0)


if __name__ == "__main__":
    main()
