"""Variants times seeds; the only place that decides which split is watched and which is scored."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

from ercfw.build import build_losses, build_model, selected_metric
from ercfw.checkpoint import save_model, seed_everything, start_from
from ercfw.conversations import UNLABELLED, Conversation
from ercfw.data import SIMULATED, Data, load_data, make_dataset
from ercfw.errors import InputError, RunError, in_recipe
from ercfw.evaluate import Predictions, predict, score
from ercfw.files import write_text
from ercfw.interfaces import Dataset, Metric
from ercfw.jobs import Job
from ercfw.recipe import Recipe
from ercfw.rehearse import rehearse
from ercfw.report.environment import describe_environment
from ercfw.report.folder import RunFolder, open_folder
from ercfw.report.page import page
from ercfw.report.pictures import draw_run
from ercfw.report.predictions import write_predictions
from ercfw.talk import Talk
from ercfw.train import Epoch, Plan, Training, Watched, fit, resume, start

CHOSEN_ON_TEST = "CHOSEN ON TEST"
CHOSEN_ON = {"dev": "dev", "release": "test"}
RELEASE_HELD_OUT = 0.05
RELEASE_NOTES = (
    "protocol release: dev is merged into train, a random 5 % of the conversations feeds the plateau schedule, and "
    "the best test epoch is reported (ties: the later)",
    "unlike the release, padded places are neither attended to nor computed",
)


@dataclass(frozen=True)
class Manner:
    """How the command line wants runs done: where they are left, and what happens to what is there."""

    out: Path
    resume: bool = False
    force: bool = False


def run_jobs(jobs: Sequence[Job], manner: Manner, talk: Talk) -> list[dict[str, Any]]:
    """Run every seed of every job; the metrics of each, as its ``metrics.json`` has them."""
    accelerator = make_accelerator([job.recipe for job in jobs])
    results: list[dict[str, Any]] = []
    datasets: dict[str, Dataset] = {}
    loaded: dict[str, Data] = {}
    for job, seed in [(each, seed) for each in jobs for seed in each.recipe.seeds]:
        with in_recipe(job.where):
            if job.shared_data not in datasets:
                datasets = {job.shared_data: make_dataset(job.recipe, job.catalog)}
            dataset = datasets[job.shared_data]
            folder = open_folder(manner.out, job, seed)
            done = folder.is_done and not manner.force
            accelerator.wait_for_everyone()
            if not manner.force:
                folder.check_same_data(dataset.provenance)
            if done:
                talk.say(f"{folder.path}: done before; --force runs it again")
                results.append(folder.metrics())
                continue
            folder.check_unfinished(manner.resume, manner.force)
            if job.shared_data not in loaded:
                loaded = {job.shared_data: _load(accelerator, job, dataset, talk)}
            run = _Run(accelerator, job, seed, loaded[job.shared_data], folder, talk)
            try:
                results.append(run.run(manner.resume))
            except torch.OutOfMemoryError as error:
                raise RunError(f"{folder.path}: the device is out of memory; try a smaller data.batch_size") from error
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
    # DDP must look for unused parameters: a part may leave some of its own out of a step.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    accelerator = Accelerator(cpu=on_cpu, mixed_precision=precision, kwargs_handlers=[unused])
    if accelerator.device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    return accelerator


def watched_splits(protocol: str, splits: Mapping[str, Sequence[Conversation]], target: str, seed: int) -> Watched:
    """What training may see: train and dev; under the release's protocol train with dev, and test.

    Raises:
        InputError: the split that chooses the epoch has no label of the target.
    """
    chosen_on = CHOSEN_ON[protocol]
    if not any((c.labels[target] != UNLABELLED).any() for c in splits[chosen_on] if target in c.labels):
        what = f"'{protocol}' chooses the epoch on {chosen_on}, which has no label of '{target}'"
        raise InputError.at("[train] protocol", what)
    if protocol == "dev":
        return Watched(splits["train"], splits["dev"], splits["dev"])
    merged = [*splits["train"], *splits["dev"]]
    order = np.random.default_rng(seed).permutation(len(merged))
    held_out = max(1, round(RELEASE_HELD_OUT * len(merged)))
    conversations = [merged[number] for number in order]
    return Watched(conversations[held_out:], conversations[:held_out], splits["test"], later_wins=True)


def _load(accelerator: Accelerator, job: Job, dataset: Dataset, talk: Talk) -> Data:
    with accelerator.main_process_first(), talk.progress() as bars:
        data = load_data(job.recipe, job.catalog, dataset, bars)
    if SIMULATED in data.stamps:
        talk.banner(SIMULATED, f"No real data: {data.provenance.source}. The numbers say nothing about any corpus.")
    for warning in data.warnings:
        talk.warn(warning)
    return data


@dataclass
class _Run:
    """One seed of one variant."""

    accelerator: Accelerator
    job: Job
    seed: int
    data: Data
    folder: RunFolder
    talk: Talk
    notes: list[str] = field(default_factory=list)

    def run(self, resuming: bool) -> dict[str, Any]:
        """Train, score and report."""
        began = time.perf_counter()
        training, plan = self._prepare(resuming)
        with self.talk.progress() as bars:
            training = self._train(training, plan, bars)
        model = self.accelerator.unwrap_model(training.model)
        model.load_state_dict(training.best)
        splits = ["dev", "test"] if self.recipe.train.protocol == "dev" else ["test"]
        predictions = {
            split: predict(self.accelerator, training.model, training.losses, self.data.splits[split], plan.batch_size)
            for split in splits
            if self.data.splits[split]
        }
        metrics = self._metrics(training, predictions, plan.metrics, time.perf_counter() - began)
        if self.accelerator.is_main_process:
            self._report(training, predictions, metrics)
            failures = self.job.catalog.call("run_finished", folder=self.folder.path, metrics=metrics)
            for failure in failures:
                self.talk.warn(failure)
        self.accelerator.wait_for_everyone()
        return metrics

    @property
    def recipe(self) -> Recipe:
        return self.job.recipe

    @property
    def stamps(self) -> list[str]:
        release = [CHOSEN_ON_TEST] if self.recipe.train.protocol == "release" else []
        return [*self.data.stamps, *release]

    @property
    def environment(self) -> dict[str, Any]:
        """What the run runs on, and the data that it reads."""
        device, processes = self.accelerator.device, self.accelerator.num_processes
        data = {"data": asdict(self.data.provenance), "streams": dict(self.data.streams), "stamps": self.stamps}
        return {**describe_environment(self.job.catalog.plugins, device, processes), **data}

    def _prepare(self, resuming: bool) -> tuple[Training, Plan]:
        recipe = self.recipe
        seed_everything(self.seed)
        model = build_model(recipe, self.job.catalog, self.data.info)
        losses = build_losses(recipe, self.job.catalog, self.data.info)
        for note in rehearse(model, losses, self.data.info):
            self.talk.warn(note)
            self.notes.append(note)
        if recipe.train.init_from is not None:
            self.talk.say(start_from(model, Path(recipe.train.init_from)))
        metrics = {component.name: component.made_by for component in self.job.catalog.components("metric")}
        select = selected_metric(recipe)
        plan = Plan(
            settings=recipe.train,
            watched=watched_splits(recipe.train.protocol, self.data.splits, select.split(".")[0], self.seed),
            batch_size=recipe.data.batch_size,
            select=select,
            metrics=metrics,
            info=self.data.info,
            seed=self.seed,
            state=self.folder.state,
        )
        training = start(self.accelerator, model, losses, plan)
        if resuming and self.folder.state.is_file():
            resume(training, self.folder.state)
            self.talk.say(f"{self.folder.path}: going on after epoch {len(training.history)}")
        elif self.accelerator.is_main_process:
            self.folder.begin(self.job, self.seed, self.stamps)
        if self.accelerator.is_main_process:
            self.folder.write_json("environment.json", self.environment)
        self.accelerator.wait_for_everyone()
        return training, plan

    def _train(self, training: Training, plan: Plan, bars: Any) -> Training:
        per_epoch = -(-len(plan.watched.train) // plan.batch_size)
        name = f"{self.job.variant}, seed {self.seed}"
        steps = len(training.history) * per_epoch

        def advanced() -> None:
            nonlocal steps
            steps += 1
            bars(name, steps, plan.settings.epochs * per_epoch)

        def told(line: Epoch) -> None:
            if self.accelerator.is_main_process:
                self.folder.write_history(training.history, self.stamps)
                for failure in self.job.catalog.call("epoch_finished", folder=self.folder.path, epoch=line):
                    self.talk.warn(failure)
            loss = sum(line["train_loss"].values())
            self.talk.say(
                f"{name}: epoch {line['epoch']}/{plan.settings.epochs}  loss {loss:.4f}  "
                f"{plan.select} on {CHOSEN_ON[plan.settings.protocol]} {100 * line['selected']:.2f}  "
                f"{line['seconds']:.1f} s"
            )

        return fit(training, plan, told, advanced)

    def _metrics(
        self,
        training: Training,
        predictions: Mapping[str, Predictions],
        metrics: Mapping[str, Metric],
        seconds: float,
    ) -> dict[str, Any]:
        release = self.recipe.train.protocol == "release"
        scores = {split: score(predicted, metrics, self.data.info) for split, predicted in predictions.items()}
        unscored = [split for split, found in scores.items() if not found]
        notes = [f"{split} has no labels: predicted, not scored" for split in unscored]
        return {
            "recipe": self.job.name,
            "title": self.recipe.title,
            "variant": self.job.variant,
            "seed": self.seed,
            "protocol": self.recipe.train.protocol,
            "select": selected_metric(self.recipe),
            "chosen_on": CHOSEN_ON[self.recipe.train.protocol],
            "best_epoch": training.best_epoch,
            "epochs": len(training.history),
            "scores": {split: found for split, found in scores.items() if found},
            "losses": {split: dict(predicted.losses) for split, predicted in predictions.items()},
            "stamps": self.stamps,
            "notes": self.notes + notes + (list(RELEASE_NOTES) if release else []),
            "warnings": list(self.data.warnings),
            "data": asdict(self.data.provenance),
            "sizes": {split: _size(conversations) for split, conversations in self.data.splits.items()},
            "streams": dict(self.data.streams),
            "parameters": sum(p.numel() for p in training.model.parameters() if p.requires_grad),
            "seconds": round(seconds, 2),
            "folder": str(self.folder.path),
            "pictures": [],
        }

    def _report(self, training: Training, predictions: Mapping[str, Predictions], metrics: dict[str, Any]) -> None:
        path, info = self.folder.path, self.data.info
        about = {"recipe": self.job.tables, "stamps": self.stamps, "streams": metrics["streams"]}
        save_model(path / "model.safetensors", training.best, info, about)
        write_predictions(path / "predictions.csv", self.data.splits, predictions, info, self.stamps)
        metrics["pictures"] = draw_run(path, training.history, predictions, info, metrics)
        write_text(path / "report.md", page(metrics, self.job.tables, self.environment, info))
        self.folder.finish(metrics)


def _size(conversations: Sequence[Conversation]) -> dict[str, int]:
    labelled = sum(int((y != UNLABELLED).sum()) for c in conversations for y in c.labels.values())
    return {"conversations": len(conversations), "utterances": sum(map(len, conversations)), "labels": labelled}
