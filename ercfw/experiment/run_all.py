"""Variants times seeds: every run of a command, one after another."""

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

from ercfw.contract.interfaces import Dataset
from ercfw.contract.stamps import SIMULATED
from ercfw.data.extraction.workers import default_processes
from ercfw.data.load import Data, load_data, read_dataset
from ercfw.errors import InputError, PeerGoneError, RunError, in_recipe, with_warnings
from ercfw.experiment.plan import Job
from ercfw.experiment.run import Run
from ercfw.model.losses import asked_of_teachers
from ercfw.predict.teacher import with_teachers
from ercfw.recipe.schema import Recipe
from ercfw.report.plots.glyphs import hint_of_glyphs
from ercfw.results.finished_run import FinishedRun, open_run
from ercfw.results.run_folder import RunFolder, open_folder
from ercfw.system.accelerate_variables import only_the_recipe_decides
from ercfw.system.process_setup import deterministic
from ercfw.system.terminal import Terminal


@dataclass(frozen=True)
class RunOptions:
    """Where runs are written, and what happens to runs that are already there.

    Attributes:
        out: the folder of all runs.
        resume: whether stopped runs continue.
        force: whether finished and stopped runs start anew.
    """

    out: Path
    resume: bool = False
    force: bool = False


def run_jobs(jobs: Sequence[Job], options: RunOptions, terminal: Terminal) -> list[FinishedRun]:
    """Run every seed of every job, in this order; finished runs are read from their folders."""
    finished: list[FinishedRun] = []
    announced: set[str] = set()
    with only_the_recipe_decides(terminal.warning), hint_of_glyphs(terminal.warning):
        accelerator = make_accelerator([job.recipe for job in jobs])
        with deterministic(accelerator.device.type):
            for _, on_same_data in groupby(jobs, key=lambda job: job.shared_data):
                finished += _run_on_same_data(accelerator, list(on_same_data), options, terminal, announced)
    accelerator.end_training()
    return finished


def _run_on_same_data(
    accelerator: Accelerator, jobs: Sequence[Job], options: RunOptions, terminal: Terminal, announced: set[str]
) -> list[FinishedRun]:
    """Run jobs that read the same data; it is loaded once, before the first run that is not finished."""
    with in_recipe(jobs[0].where):
        dataset, warnings = read_dataset(jobs[0].parts.dataset)
    unseen = list(warnings)
    data: Data | None = None
    finished: list[FinishedRun] = []
    for job, seed in [(each, seed) for each in jobs for seed in each.recipe.seeds]:
        with in_recipe(job.where), with_warnings(unseen):
            folder = open_folder(options.out, job.name, job.variant, job.key, seed)
            if _is_done(folder, accelerator, dataset, options):
                terminal.info(f"{folder.path}: done before; --force runs it again")
                finished.append(open_run(folder.path))
                continue
            with folder.reserved() if accelerator.is_main_process else nullcontext():
                folder.check_unfinished(options.resume, options.force)
                accelerator.wait_for_everyone()
                if data is None:
                    with accelerator.main_process_first():
                        data = load(job, dataset, warnings, terminal)
                    announce_data(data, terminal, announced)
                    unseen.clear()
                if not options.force:
                    folder.check_same_data(data.provenance)
                finished.append(_run(accelerator, job, seed, data, folder, options.resume, terminal))
    return finished


def _is_done(folder: RunFolder, accelerator: Accelerator, dataset: Dataset, options: RunOptions) -> bool:
    """Return whether a run has finished, on the data that is there now.

    Raises:
        InputError: it was run on other data.
    """
    done = folder.is_done and not options.force
    accelerator.wait_for_everyone()
    if not options.force:
        folder.check_same_data(dataset.provenance)
    return done


def _run(
    accelerator: Accelerator, job: Job, seed: int, data: Data, folder: RunFolder, resume: bool, terminal: Terminal
) -> FinishedRun:
    """Run one seed; the message of a failure names its folder."""
    try:
        finished = Run(accelerator, job, seed, data, folder, terminal).execute(resume)
    except PeerGoneError:
        raise
    except RunError as error:
        named = str(error).startswith(f"{folder.path}")
        raise error if named else RunError(f"{folder.path}: {error}") from error
    accelerator.free_memory()  # the accelerator keeps every network that it has prepared
    return finished


def make_accelerator(recipes: Sequence[Recipe]) -> Accelerator:
    """Create Accelerate's accelerator for these recipes, on CUDA if available, in torchrun's processes.

    Raises:
        InputError: the recipes differ in device or precision, which one command has once; or fp16 lacks a GPU.
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
    return Accelerator(cpu=on_cpu, mixed_precision=precision, kwargs_handlers=[unused])


def load(job: Job, dataset: Dataset, warnings: Sequence[str], terminal: Terminal) -> Data:
    """Load the data of a job, and put the warnings of its dataset before those of loading."""
    with terminal.progress() as bars:
        data = load_data(job.recipe, job.parts.extractors, dataset, bars.or_lines, default_processes())
        if job.recipe.teacher is not None:
            asked = asked_of_teachers(job.parts.losses.values())
            data = with_teachers(data, job.recipe, dataset, bars.or_lines, asked)
    return replace(data, warnings=(*warnings, *data.warnings))


def announce_data(data: Data, terminal: Terminal, announced: set[str]) -> None:
    """Show that data is simulated, and its warnings, unless they are in ``announced`` already; add them there."""
    if SIMULATED in data.stamps and SIMULATED not in announced:
        terminal.banner(SIMULATED, f"No real data: {data.provenance.source}. The numbers say nothing about any corpus.")
    for warning in data.warnings:
        if warning not in announced:
            terminal.warning(warning)
    announced.update(data.stamps, data.warnings)
