"""Variants times seeds: every run of a command, one after another."""

import os
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

from ercfw.contract.interfaces import Dataset
from ercfw.contract.stamps import SIMULATED
from ercfw.data.extraction.workers import default_processes
from ercfw.data.load import Data, load_data, read_dataset
from ercfw.errors import InputError, PeerGoneError, RunError, in_recipe
from ercfw.experiment.plan import Job
from ercfw.experiment.run import Run
from ercfw.predict.teacher import with_teacher
from ercfw.recipe.schema import Recipe
from ercfw.results.run_folder import open_folder
from ercfw.system.terminal import Terminal


@dataclass(frozen=True)
class RunOptions:
    """How the command line wants runs done: where they are left, and what happens to what is there."""

    out: Path
    resume: bool = False
    force: bool = False


def run_jobs(jobs: Sequence[Job], manner: RunOptions, terminal: Terminal) -> list[dict[str, Any]]:
    """Run every seed of every job; the metrics of each, as its ``metrics.json`` has them."""
    accelerator = make_accelerator([job.recipe for job in jobs])
    results: list[dict[str, Any]] = []
    datasets: dict[str, tuple[Dataset, tuple[str, ...]]] = {}
    loaded: dict[str, Data] = {}
    told: set[str] = set()
    for job, seed in [(each, seed) for each in jobs for seed in each.recipe.seeds]:
        with in_recipe(job.where):
            if job.shared_data not in datasets:
                datasets = {job.shared_data: read_dataset(job.recipe.data, job.catalog)}
            dataset, doubts = datasets[job.shared_data]
            folder = open_folder(manner.out, job, seed)
            done = folder.is_done and not manner.force
            accelerator.wait_for_everyone()
            if not manner.force:
                folder.check_same_data(dataset.provenance)
            if done:
                terminal.info(f"{folder.path}: done before; --force runs it again")
                results.append(folder.metrics())
                continue
            with folder.reserved() if accelerator.is_main_process else nullcontext():
                folder.check_unfinished(manner.resume, manner.force)
                accelerator.wait_for_everyone()
                if job.shared_data not in loaded:
                    with accelerator.main_process_first():
                        data = load(job, dataset, doubts, terminal)
                    announce_data(data, terminal, told)
                    loaded = {job.shared_data: data}
                if not manner.force:
                    folder.check_same_data(loaded[job.shared_data].provenance)
                run = Run(accelerator, job, seed, loaded[job.shared_data], folder, terminal)
                try:
                    results.append(run.finish(manner.resume))
                except PeerGoneError:
                    raise
                except RunError as error:
                    named = str(error).startswith(f"{folder.path}")
                    raise error if named else RunError(f"{folder.path}: {error}") from error
                accelerator.free_memory()  # it holds on to every network that it has prepared
    accelerator.end_training()
    return results


def make_accelerator(recipes: Sequence[Recipe]) -> Accelerator:
    """Accelerate for these recipes: CUDA where there is some, and as many processes as torchrun started.

    Raises:
        InputError: they differ in device or precision, which are set once a command; or fp16 without a GPU.
    """
    wanted = {(recipe.train.device, recipe.train.precision) for recipe in recipes}
    if len(wanted) > 1:
        raise InputError.at("[train]", "device and precision must be the same for all variants of one command")
    ((device, precision),) = wanted
    on_cpu = device == "cpu" or not torch.accelerator.is_available()
    if precision == "fp16" and on_cpu:
        raise InputError.at("[train] precision", "'fp16' needs a GPU", "bf16, which a CPU can do, or no")
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if not on_cpu and processes > torch.accelerator.device_count():
        what = f"{processes} are asked for, but there are {torch.accelerator.device_count()} GPUs"
        raise InputError.at("--processes", what, "fewer, or train.device=cpu")
    # DDP must look for unused parameters: a part may leave some of its own out of a step.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    # A vector's gradient may lie otherwise in memory than DDP's bucket; the copy costs nothing here.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    accelerator = Accelerator(cpu=on_cpu, mixed_precision=precision, kwargs_handlers=[unused])
    if accelerator.device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    return accelerator


def load(job: Job, dataset: Dataset, doubts: tuple[str, ...], terminal: Terminal) -> Data:
    """A job's data; ``doubts`` is what the dataset warned of while it was read."""
    with terminal.progress() as bars:
        data = load_data(job.recipe, job.catalog, dataset, bars.or_lines, default_processes())
        if job.recipe.teacher is not None:
            data = with_teacher(data, job.recipe, dataset, bars.or_lines)
    return replace(data, warnings=(*doubts, *data.warnings))


def announce_data(data: Data, terminal: Terminal, told: set[str]) -> None:
    """Say that data is simulated, and what is doubtful in it; what is in ``told`` was said before."""
    if SIMULATED in data.stamps and SIMULATED not in told:
        terminal.banner(SIMULATED, f"No real data: {data.provenance.source}. The numbers say nothing about any corpus.")
    for warning in data.warnings:
        if warning not in told:
            terminal.warning(warning)
    told.update(data.stamps, data.warnings)
