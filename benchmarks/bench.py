"""Shared code of the benchmarks: medians of interleaved measurements, the machine and its rate.

Import this module before torch, because OpenMP reads its settings only when it is loaded.
"""

import argparse
import multiprocessing
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ercfw.system.allocator import tune_threads_and_memory

tune_threads_and_memory()  # as the command line does; before torch

import torch  # noqa: E402

from ercfw_basics import multiply  # noqa: E402

Clock = Callable[[], float]
"""Does some work and returns the seconds that it took."""

MIN_SECONDS = 0.05
"""Work is repeated until so many seconds have passed."""

SHAPES = ((960, 768, 768), (960, 256, 1024), (960, 1024, 256), (1024, 1024, 1024), (2048, 2048, 2048))
"""Matrix products ``[n, k] x [k, m]`` as (n, k, m): those of a batch of MELD, and square ones."""

TORCH = "torch's @"
LIBRARIES = {TORCH: torch.matmul, "ercfw": lambda a, b: multiply(a, b.t())}
"""Functions that multiply ``[n, k]`` by ``[k, m]``: plain torch, and the library that ercfw chose for this machine."""

MULTIPLY_ADDS_PER_CLOCK = 4_000_000_000
"""Multiply-adds that one measurement starts together, so that the time to start them is negligible."""


def make_parser(description: str, rounds: int | None) -> argparse.ArgumentParser:
    """Return a parser with the common options; ``rounds`` is the default of ``--rounds``, None = no such option."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, only to check that it runs")
    if rounds is not None:
        parser.add_argument(
            "--rounds", type=int, default=rounds, help=f"measurements, the first not counted ({rounds})"
        )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line and print the machine; return the arguments."""
    arguments = parser.parse_intermixed_args()
    if arguments.quick:
        arguments.rounds = 1
    print(f"machine: {machine(arguments.device)}")
    return arguments


def machine(device: str) -> str:
    """Return the processor, cores, threads, the GPU if it is used, and the version of torch."""
    cpuinfo = Path("/proc/cpuinfo")
    model_name = re.search(r"^model name\s*: (.+)$", cpuinfo.read_text() if cpuinfo.exists() else "", re.MULTILINE)
    processor = model_name[1] if model_name else platform.processor() or platform.machine()
    gpu = [torch.cuda.get_device_name()] if device == "cuda" else []
    threads = f"{torch.get_num_threads()} threads"
    return ", ".join([processor, f"{os.cpu_count()} cores", threads, *gpu, f"torch {torch.__version__}"])


def timed(work: Callable[[], object], device: str = "cpu") -> Clock:
    """Return a clock that repeats ``work`` and returns the mean seconds."""

    def clock() -> float:
        times, passed = 0, 0.0
        synchronise(device)
        began = time.perf_counter()
        while passed < MIN_SECONDS:
            work()
            synchronise(device)
            times, passed = times + 1, time.perf_counter() - began
        return passed / times

    return clock


@contextmanager
def in_own_process(make: Callable[..., Clock], *arguments: Any) -> Iterator[Clock]:
    """Yield the clock that ``make`` returns in a new process, so that the memory of other clocks does not slow it."""
    context = multiprocessing.get_context("spawn")
    parent, child = context.Pipe()
    process = context.Process(target=_serve, args=(child, make, arguments), daemon=True)
    process.start()
    child.close()  # otherwise a failed process would not be noticed here

    def clock() -> float:
        parent.send("read")
        return float(parent.recv())

    yield clock
    parent.close()
    process.join()


def _serve(connection: Connection, make: Callable[..., Clock], arguments: tuple[Any, ...]) -> None:
    clock = make(*arguments)
    try:
        while connection.recv():
            connection.send(clock())
    except EOFError:
        return  # the caller needs no more measurements


def synchronise(device: str) -> None:
    """Wait until the device has finished its work."""
    if device == "cuda":
        torch.cuda.synchronize()


def medians(clocks: Mapping[str, Clock], rounds: int) -> dict[str, float]:
    """Return the median of each clock over the rounds.

    Each round reads all clocks, so that a disturbance affects all of them. The first round only warms up, unless it
    is the only one.
    """
    seconds = [{name: clock() for name, clock in clocks.items()} for _ in range(rounds)]
    return {name: statistics.median(each[name] for each in seconds[1:] or seconds) for name in clocks}


def product_clocks(device: str) -> dict[str, Clock]:
    """Return clocks of one float32 multiply-add, for several matrix products by torch's ``@`` and by ercfw."""
    return {_name(shape, by): _product_clock(device, torch.float32, shape, by) for by in LIBRARIES for shape in SHAPES}


def _name(shape: tuple[int, int, int], by: str) -> str:
    n, k, m = shape
    return f"[{n}, {k}] x [{k}, {m}] by {by}"


def _product_clock(device: str, dtype: torch.dtype, shape: tuple[int, int, int], by: str = TORCH) -> Clock:
    n, k, m = shape
    a, b = torch.randn(n, k, device=device).to(dtype), torch.randn(k, m, device=device).to(dtype)
    times = max(1, MULTIPLY_ADDS_PER_CLOCK // (n * k * m))
    clock = timed(lambda: [LIBRARIES[by](a, b) for _ in range(times)], device)
    return lambda: clock() / (times * n * k * m)


def multiply_add(seconds: Mapping[str, float], *libraries: str) -> float:
    """Print and return the seconds per multiply-add of the fastest product of these libraries, by default of all."""
    names = [_name(shape, by) for by in libraries or LIBRARIES for shape in SHAPES]
    best = min(names, key=lambda name: seconds[name])
    print(f"matrix products: {1e-9 / seconds[best]:.0f} G multiply-adds per second at best, {best}")
    return seconds[best]


def has_fast_bf16(device: str) -> bool:
    """Return whether matrix products are faster in bfloat16 than in float32 on this machine."""
    products = {dtype: _product_clock(device, dtype, SHAPES[0]) for dtype in (torch.float32, torch.bfloat16)}
    seconds = medians({str(dtype): clock for dtype, clock in products.items()}, 3)
    return seconds[str(torch.bfloat16)] < 0.8 * seconds[str(torch.float32)]


def print_seconds(seconds: Mapping[str, float], *names: str) -> None:
    """Print one line for each name."""
    for name in names:
        value = seconds[name]
        scale, unit = (1, "s") if value >= 1 else (1e3, "ms") if value >= 1e-3 else (1e6, "us")
        print(f"  {name:<32}{value * scale:9.2f} {unit}")


def print_ratio(seconds: Mapping[str, float], one: str, other: str, aim: str = "") -> None:
    """Print the ratio of two measurements, and the aim for it if there is one."""
    shown_aim = f"   (aim: {aim})" if aim else ""
    print(f"  ratio {one + ' / ' + other:<26}{seconds[one] / seconds[other]:9.2f}{shown_aim}")
