"""Train a recipe with ercfw in this process, through ercfw's own modules."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import bench
import plain
import torch
from accelerate.state import AcceleratorState
from torch import nn

from ercfw import Conversation
from ercfw.data.collate import collate
from ercfw.data.load import Data, load_data, make_dataset
from ercfw.data.train_statistics import make_data_info
from ercfw.experiment.plan import Job, Selection, plan_jobs
from ercfw.experiment.run_all import make_accelerator
from ercfw.model.build import build_model
from ercfw.model.losses import build_losses
from ercfw.recipe.overrides import parse_overrides
from ercfw.recipe.queries import selected_metric
from ercfw.recipe.recipe_file import read_toml
from ercfw.recipe.shipped import find_recipe
from ercfw.registry.metrics import metrics_of
from ercfw.training.loop import fit
from ercfw.training.seeds import seed_everything
from ercfw.training.start import start
from ercfw.training.state import Listeners, Plan, Training, Watched

QUICK = 12
"""The number of conversations with ``--quick``."""


def job_of(
    recipe: str, settings: Sequence[str], *, dropped: Sequence[str] = (), seeds: Sequence[int] | None = None
) -> Job:
    """Return the job of a recipe with settings such as ``train.precision=bf16``, without the dropped tables."""
    choice = Selection(seeds=seeds, overrides=parse_overrides(list(settings)), dropped=dropped)
    (job,) = plan_jobs(read_toml(find_recipe(recipe)), choice)
    return job


def multiemo(device: str, quick: bool, *settings: str) -> Job:
    """Return the job of MultiEMO on simulated conversations, as many and as long as those of MELD."""
    size = [f"data.conversations={QUICK}"] if quick else []
    where = ["train.device=cpu"] if device == "cpu" else []
    return job_of("multiemo_meld", ["data.use=simulated", *size, *where, *settings])


def data_of(job: Job) -> Data:
    """Return the conversations of a job."""
    return load_data(job.recipe, job.parts.extractors, make_dataset(job.parts.dataset), lambda *_: None)


def begin_training(job: Job, data: Data, folder: Path) -> tuple[Training, Plan]:
    """Return a training before its first epoch; it scores one conversation of dev, so that epochs measure training."""
    AcceleratorState._reset_state(reset_partial_state=True)  # otherwise Accelerate rejects a second precision
    train, one = data.splits["train"], data.splits["dev"][:1]
    info = make_data_info(train, data.targets)
    seed_everything(job.recipe.seeds[0])
    model, losses = build_model(job.parts.network, info), build_losses(job.recipe, job.parts.losses, info)
    plan = Plan(
        settings=job.recipe.train,
        watched=Watched(train, one, one),
        batch_size=job.recipe.data.batch_size,
        select=selected_metric(job.recipe),
        metrics=metrics_of(job.catalog, job.recipe.metric),
        info=info,
        seed=job.recipe.seeds[0],
        state=folder / f"{job.recipe.train.precision}.safetensors",
        parts=job.parts.training,
    )
    return start(make_accelerator([job.recipe]), model, losses, plan), plan


def print_sizes(training: Training, plan: Plan, transcription: plain.MultiEMO) -> None:
    """Print the sizes of data and models, and the largest difference of their logits."""
    train, model = plan.watched.train, training.model
    sizes = [sum(p.numel() for p in each.parameters()) / 1e6 for each in (model, transcription)]
    print(f"{len(train)} conversations, {sum(map(len, train))} utterances, {plan.batch_size} conversations per batch")
    print(f"parameters: ercfw {sizes[0]:.2f} M, plain {sizes[1]:.2f} M")
    print(
        f"largest difference of their logits: {largest_difference(model, transcription, train[: plan.batch_size]):.1e}"
    )


def largest_difference(model: nn.Module, transcription: plain.MultiEMO, conversations: Sequence[Conversation]) -> float:
    """Return the largest difference of the two models' logits on a batch."""
    device = next(model.parameters()).device
    inputs = collate(conversations).inputs
    (padded,) = plain.load(conversations, inputs.layout.speakers, len(conversations), shuffle=False)
    with torch.no_grad():
        logits = model(inputs.to(device)).heads["emotion"].logits
        return float((logits - transcription(padded.to(device))[0]).abs().max())


def epoch_clock(training: Training, plan: Plan) -> bench.Clock:
    """Return a clock that trains one more epoch and returns its seconds from ercfw's history."""

    def clock() -> float:
        epochs = len(training.history) + 1
        fit(training, replace(plan, settings=plan.settings.model_copy(update={"epochs": epochs})), Listeners())
        return float(training.history[-1]["seconds"])

    return clock
