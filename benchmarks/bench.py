"""What all benchmarks share: threads, medians of interleaved measurements, the machine and its rate.

Import it before torch: an OpenMP that is already loaded does not read its settings again.
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
"""Does some work and gives the seconds that it took."""

LEAST = 0.05
"""Seconds: shorter work is repeated until that much has passed."""

SHAPES = ((960, 768, 768), (960, 256, 1024), (960, 1024, 256), (1024, 1024, 1024), (2048, 2048, 2048))
"""Products ``[n, k] x [k, m]`` as (n, k, m): those of a batch at MELD's size, and square ones."""

TORCH = "torch's @"
LIBRARIES = {TORCH: torch.matmul, "ercfw": lambda a, b: multiply(a, b.t())}
"""What multiplies ``[n, k]`` by ``[k, m]``: torch as it comes, and the library that ercfw chose for this processor."""

AT_ONCE = 4_000_000_000
"""Multiply-adds that a device is given at once, so that handing them over does not count."""


def parser(about: str, rounds: int | None) -> argparse.ArgumentParser:
    """A command line with what every benchmark takes; ``rounds`` of them by default, None where nothing is timed."""
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="small sizes, only to see that it runs")
    if rounds is not None:
        made.add_argument("--rounds", type=int, default=rounds, help=f"measurements, the first not counted ({rounds})")
    made.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    return made


def begin(made: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line as it was given; prints the machine."""
    said = made.parse_intermixed_args()
    if said.quick:
        said.rounds = 1
    print(f"machine: {machine(said.device)}")
    return said


def machine(device: str) -> str:
    """Processor, cores, threads, the GPU if it is used, versions."""
    about = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*: (.+)$", about.read_text() if about.exists() else "", re.MULTILINE)
    processor = named[1] if named else platform.processor() or platform.machine()
    gpu = [torch.cuda.get_device_name()] if device == "cuda" else []
    threads = f"{torch.get_num_threads()} threads"
    return ", ".join([processor, f"{os.cpu_count()} cores", threads, *gpu, f"torch {torch.__version__}"])


def timed(work: Callable[[], object], device: str = "cpu") -> Clock:
    """A clock of ``work``."""

    def clock() -> float:
        times, passed = 0, 0.0
        synchronise(device)
        began = time.perf_counter()
        while passed < LEAST:
            work()
            synchronise(device)
            times, passed = times + 1, time.perf_counter() - began
        return passed / times

    return clock


@contextmanager
def in_its_own_process(make: Callable[..., Clock], *arguments: Any) -> Iterator[Clock]:
    """The clock that ``make`` gives, in a process of its own, as a training has: no other one's memory slows it."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_answer, args=(there, make, arguments), daemon=True)
    process.start()
    there.close()  # so that a process that fails is noticed here

    def clock() -> float:
        here.send("read")
        return float(here.recv())

    yield clock
    here.close()
    process.join()


def _answer(questions: Connection, make: Callable[..., Clock], arguments: tuple[Any, ...]) -> None:
    clock = make(*arguments)
    try:
        while questions.recv():
            questions.send(clock())
    except EOFError:
        return  # all is read


def synchronise(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def medians(clocks: Mapping[str, Clock], rounds: int) -> dict[str, float]:
    """The median of each clock over rounds.

    A round reads all of them, so that what disturbs one disturbs all. The first one only warms up, unless it is
    the only one.
    """
    seconds = [{name: clock() for name, clock in clocks.items()} for _ in range(rounds)]
    return {name: statistics.median(each[name] for each in seconds[1:] or seconds) for name in clocks}


def product_clocks(device: str) -> dict[str, Clock]:
    """A clock of one multiply-add in float32 for each of several matrix products, by torch's ``@`` and by ercfw."""
    return {_name(shape, by): _product_clock(device, torch.float32, shape, by) for by in LIBRARIES for shape in SHAPES}


def _name(shape: tuple[int, int, int], by: str) -> str:
    n, k, m = shape
    return f"[{n}, {k}] x [{k}, {m}] by {by}"


def _product_clock(device: str, dtype: torch.dtype, shape: tuple[int, int, int], by: str = TORCH) -> Clock:
    n, k, m = shape
    a, b = torch.randn(n, k, device=device).to(dtype), torch.randn(k, m, device=device).to(dtype)
    times = max(1, AT_ONCE // (n * k * m))
    clock = timed(lambda: [LIBRARIES[by](a, b) for _ in range(times)], device)
    return lambda: clock() / (times * n * k * m)


def multiply_add(seconds: Mapping[str, float], *libraries: str) -> float:
    """Seconds of a multiply-add in the fastest of the products, by any of these (of all), of which it tells."""
    names = [_name(shape, by) for by in libraries or LIBRARIES for shape in SHAPES]
    best = min(names, key=lambda name: seconds[name])
    print(f"matrix products: {1e-9 / seconds[best]:.0f} G multiply-adds a second at best, {best}")
    return seconds[best]


def has_fast_bf16(device: str) -> bool:
    """Whether matrix products in bfloat16 are faster than in float32 here."""
    products = {dtype: _product_clock(device, dtype, SHAPES[0]) for dtype in (torch.float32, torch.bfloat16)}
    seconds = medians({str(dtype): clock for dtype, clock in products.items()}, 3)
    return seconds[str(torch.bfloat16)] < 0.8 * seconds[str(torch.float32)]


def print_seconds(seconds: Mapping[str, float], *names: str) -> None:
    """A line for each of these."""
    for name in names:
        value = seconds[name]
        scale, unit = (1, "s") if value >= 1 else (1e3, "ms") if value >= 1e-3 else (1e6, "us")
        print(f"  {name:<32}{value * scale:9.2f} {unit}")


def print_ratio(seconds: Mapping[str, float], one: str, other: str, aim: str = "") -> None:
    """How many times as long ``one`` takes as ``other``, and what was hoped for."""
    hoped = f"   (aim: {aim})" if aim else ""
    print(f"  ratio {one + ' / ' + other:<26}{seconds[one] / seconds[other]:9.2f}{hoped}")
