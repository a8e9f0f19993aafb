"""Run a part in two processes that share a batch, and compare their gradients with those of one process."""

import inspect
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from ercfw.contract.batch import Inputs
from ercfw.contract.targets import Target, TargetKind
from ercfw.testing.checked_part import Subject
from ercfw.testing.fixtures import pack
from ercfw.testing.outcome import CheckFailed, CheckSkipped

CLOSE = 1e-3
PATIENCE = 120  # seconds
PROCESSES = 2


class Whole(nn.Module):
    """The part as a module that returns one tensor."""

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.subject = subject
        self.part = subject.make()

    def forward(self, inputs: Inputs) -> Tensor:
        """Return all tensors of the part side by side: ``[N, D]``."""
        return self.subject.run_inputs(self.part, inputs)


def two_processes(subject: Subject) -> None:
    """Check that two processes, each with half of the conversations, get the gradients of one with all of them.

    Raises:
        CheckFailed: the gradients differ, a process fails, or they do not end within ``PATIENCE`` seconds.
        CheckSkipped: another process cannot import the class, or the part has no parameters to train.
    """
    if "<locals>" in subject.factory.__qualname__:
        what = "its class is defined inside a function, so another process cannot import it"
        raise CheckSkipped(f"{what}: move it to its module")
    if not any(parameter.requires_grad for parameter in subject.make().parameters()):
        raise CheckSkipped("it has no parameters")
    request = json.dumps({
        "kind": subject.kind,
        "module": subject.factory.__module__,
        "file": inspect.getfile(subject.factory),
        "name": subject.factory.__qualname__,
        "options": dict(subject.options),
        "reads": subject.reads,
        "dims": dict(subject.dims),
        "target": asdict(subject.target),
    }, default=str)  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "ercfw.testing.two_processes", request]
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(PROCESSES), "OMP_NUM_THREADS": "1"}
    where["PYTHONIOENCODING"] = "utf-8"
    where["TORCH_CPP_LOG_LEVEL"] = "ERROR"  # otherwise a warning may take the place of the error message
    started = [
        subprocess.Popen(
            command, env={**os.environ, **where, "RANK": str(rank)}, stderr=subprocess.PIPE, encoding="utf-8"
        )
        for rank in range(PROCESSES)
    ]
    try:
        errors = [process.communicate(timeout=PATIENCE)[1] for process in started]
    except subprocess.TimeoutExpired:
        raise CheckFailed(
            f"two processes do not end within {PATIENCE} s: one may wait for data that the other never sends"
        ) from None
    finally:
        for process in started:
            process.kill()
            process.wait()
    for process, lines in zip(started, errors, strict=True):
        if process.returncode:
            raise CheckFailed((lines.strip().splitlines() or ["a process ended without an error message"])[-1])


def _class(request: dict[str, Any]) -> Any:
    """Import the class of the part, from its module or from its file."""
    try:
        module = import_module(request["module"])
    except ImportError:
        spec = spec_from_file_location(Path(request["file"]).stem, request["file"])
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    found: Any = module
    for name in request["name"].split("."):
        found = getattr(found, name)
    return found


def _target(names: Sequence[str], kind: TargetKind, ranges: Sequence[Sequence[float]], soft: bool) -> Target:
    """Return a target that was written as JSON, which has no tuples."""
    return Target(tuple(names), kind, tuple((low, high) for low, high in ranges), soft)


def _gradients(model: nn.Module, whole: Whole, inputs: Inputs) -> dict[str, Tensor]:
    """Return the gradient of each parameter for a sum over all rows, weighted by column."""
    given = model(inputs)  # [N, D]
    weights = torch.randn(given.shape[1], generator=torch.Generator().manual_seed(0))  # [D]
    torch.autograd.backward((given * weights).sum())
    return {name: p.grad.clone() for name, p in whole.part.named_parameters() if p.grad is not None}


def main() -> None:
    """Run one of the two processes; end with an error if its gradients differ from those of a single process."""
    request = json.loads(sys.argv[1])
    given = (request["kind"], _class(request), request["options"], request["reads"], request["dims"])
    subject = Subject(*given, _target(**request["target"]))
    alone = Whole(subject)
    expected = _gradients(alone, alone, pack(subject.conversations).inputs)
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    shared = Whole(subject)
    model = nn.parallel.DistributedDataParallel(shared, find_unused_parameters=True)
    found = _gradients(model, shared, pack(subject.conversations[rank::PROCESSES]).inputs)
    for name, gradient in expected.items():
        # DistributedDataParallel averages over the processes.
        apart = float((PROCESSES * found[name] - gradient).abs().max())
        if not apart <= CLOSE * max(1.0, float(gradient.abs().max())):
            _end(f"in two processes the gradient of {name} differs from that of one (by {apart:.2g})")
    torch.distributed.barrier()
    _end("")


def _end(error: str) -> NoReturn:
    """End the process at once: during a normal exit of Python, threads of gloo now and then raise an error."""
    print(error, file=sys.stderr, flush=True)
    os._exit(1 if error else 0)


if __name__ == "__main__":
    main()
