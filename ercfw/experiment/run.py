"""One run: a variant and a seed, trained, scored and reported."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from ercfw.contract.conversation import fingerprint
from ercfw.contract.hooks import Epoch
from ercfw.contract.interfaces import Model
from ercfw.contract.widths import Widths
from ercfw.data.load import Data
from ercfw.data.train_statistics import make_data_info
from ercfw.errors import InputError
from ercfw.experiment.outputs import collect_metrics, write_outputs
from ercfw.experiment.plan import Job
from ercfw.experiment.served_targets import check_served
from ercfw.model.build import build_model
from ercfw.model.losses import WeightedLosses, build_losses
from ercfw.recipe.queries import selected_metric
from ercfw.recipe.schema import Recipe
from ercfw.registry.metrics import metrics_of
from ercfw.results.embeddings_file import write_embeddings
from ercfw.results.environment import RunEnvironment, describe_environment
from ercfw.results.finished_run import FinishedRun
from ercfw.results.json_file import write_json
from ercfw.results.model_file import start_from
from ercfw.results.points import points
from ercfw.results.run_folder import RunFolder, can_resume
from ercfw.results.run_metrics import RunMetrics
from ercfw.system.names import slug
from ercfw.system.peak_memory import peak_memory, reset_peak_memory
from ercfw.system.terminal import ProgressBars, Terminal
from ercfw.training.dry_run import dry_run
from ercfw.training.find_widths import find_widths
from ercfw.training.gradient_shares import gradient_shares
from ercfw.training.loop import fit, locate_failure
from ercfw.training.made_up_teachers import teacher_widths
from ercfw.training.protocol import CHOSEN_ON, SCORED, STAMPS, watched_splits
from ercfw.training.resume import resume
from ercfw.training.seeds import seed_everything
from ercfw.training.split_predictions import initial_weights, predict_splits
from ercfw.training.start import start
from ercfw.training.state import Listeners, Plan, Training
from ercfw.training.trackers import Log, check_trackers, tracking


@dataclass
class Run:
    """One seed of one variant: trained, scored and reported.

    Attributes:
        accelerator: device and processes.
        job: the variant.
        seed: the seed of the weights, of the order of conversations and of dropout.
        data: the data of the experiment.
        folder: the folder that its files are written to.
        terminal: shows messages and progress.
        watch: called after each epoch; it may end the run by raising an exception.
        notes: remarks for the report.
        inherited: the stamps of the run that provided the initial weights.
        widths: the widths that losses read, by target; empty if no loss takes them.
    """

    accelerator: Accelerator
    job: Job
    seed: int
    data: Data
    folder: RunFolder
    terminal: Terminal
    watch: Callable[[Epoch], None] = lambda _: None
    notes: list[str] = field(default_factory=list)
    inherited: list[str] = field(default_factory=list)
    widths: Mapping[str, Widths] = field(default_factory=dict)

    def execute(self, resuming: bool) -> FinishedRun:
        """Train, score and report."""
        began = time.perf_counter()
        reset_peak_memory(self.accelerator.device)
        check_trackers(self.recipe.run.trackers)
        training, plan = self._prepare(resuming)
        with self._tracking() as log:
            metrics = self._train_and_report(training, plan, began, log)
        return FinishedRun(self.folder.path, metrics)

    def _train_and_report(self, training: Training, plan: Plan, began: float, log: Log) -> RunMetrics:
        with self.terminal.progress() as bars:
            training = self._train(training, plan, bars, log)
        training.losses.load_state_dict(training.best_losses)
        with locate_failure("scoring the best epoch"):
            untrained = initial_weights(self.recipe.train, self.job.parts.network, self.seed, plan.info)
            untrained_losses = build_losses(self.recipe, self.job.parts.losses, plan.info, self.widths)
            answers = predict_splits(training, plan, self.data.splits, SCORED[self.protocol], untrained, self._note)
        seconds, peak = time.perf_counter() - began, peak_memory(self.accelerator.device)
        shares = self._gradient_shares(training, plan, untrained, untrained_losses)
        predictions = answers["best"]
        metrics = collect_metrics(
            self.job, self.seed, self.data, training, plan, predictions,
            gradient_shares=shares, stamps=self.stamps, notes=self.notes,
            seconds=seconds, peak_memory=peak, folder=self.folder,
        )  # fmt: skip
        if self.accelerator.is_main_process:
            write_embeddings(self.folder.path, answers, self.stamps)
            metrics = write_outputs(self.folder, self.job, self.data, training, plan, predictions, metrics)
            log(metrics.scores, training.best_epoch)
            failures = self.job.catalog.call("run_finished", folder=self.folder.path, metrics=metrics.as_json())
            for failure in failures:
                self.terminal.warning(failure)
        self.accelerator.wait_for_everyone()
        return metrics

    def _gradient_shares(
        self, training: Training, plan: Plan, untrained: Mapping[str, Tensor], untrained_losses: WeightedLosses
    ) -> dict[str, dict[str, float]]:
        """Measure the losses' shares of the gradient; a single loss has all of it, and is not measured."""
        if len(training.losses.weights) == 1 or not self.accelerator.is_main_process:
            return {}
        try:
            shares = {
                "untrained": gradient_shares(training, plan, untrained_losses, untrained),
                "best": gradient_shares(training, plan, training.losses, training.best),
            }
        except torch.OutOfMemoryError:  # the training is finished, and nothing else depends on the shares
            self._note("not enough memory to measure the losses' shares of the gradient")
            return {}
        # In half precision, a small gradient may be 0 only because it is not scaled here.
        whole = self.recipe.train.precision != "fp16"
        for name, weight in training.losses.weights.items():
            if whole and weight and not any(of_moment[name] for of_moment in shares.values()):
                self._note(f"loss '{name}' has no gradient: the model trains as without it")
        training.history[0]["gradient_shares"] = shares["untrained"]
        training.history[training.best_epoch - 1]["gradient_shares"] = shares["best"]
        self.folder.write_history(training.history, self.stamps)
        return shares

    @property
    def recipe(self) -> Recipe:
        """Return the variant's recipe."""
        return self.job.recipe

    @property
    def protocol(self) -> str:
        """Return the name of its protocol."""
        return self.recipe.train.protocol

    @property
    def stamps(self) -> list[str]:
        """Return the stamps such as SIMULATED, which every file of the run carries."""
        return list(dict.fromkeys([*self.data.stamps, *STAMPS[self.protocol], *self.inherited]))

    @property
    def environment(self) -> RunEnvironment:
        """Return the machine, the libraries, and the data."""
        device, processes = self.accelerator.device, self.accelerator.num_processes
        plugins, data = self.job.catalog.plugins, self.data
        stamps, folder = self.stamps, self.folder.path
        return describe_environment(plugins, device, processes, data.provenance, data.streams, stamps, folder)

    def _prepare(self, resuming: bool) -> tuple[Training, Plan]:
        recipe, select = self.recipe, selected_metric(self.recipe)
        metrics = metrics_of(self.job.catalog, recipe.metric)
        check_served(self.job, self.data.targets, metrics)
        watched = watched_splits(self.protocol, self.data.splits, select.split(".")[0], self.seed)
        info = make_data_info(watched.train, self.data.targets)
        seed_everything(self.seed)
        model = build_model(self.job.parts.network, info)
        teachers = teacher_widths(watched.train[0]) if watched.train else {}
        self.widths = find_widths(model, self.job.parts.losses, info, teachers)
        losses = build_losses(recipe, self.job.parts.losses, info, self.widths)
        for note in dry_run(model, losses, info, teachers):
            self._note(note)
        if recipe.train.init_from is not None:
            self._start_from(model, Path(recipe.train.init_from))
        plan = Plan(
            settings=recipe.train,
            watched=watched,
            batch_size=recipe.data.batch_size,
            select=select,
            metrics=metrics,
            info=info,
            seed=self.seed,
            state=self.folder.files.state,
            parts=self.job.parts.training,
        )
        training = start(self.accelerator, model, losses, plan)
        if resuming and can_resume(self.folder.files.state):
            resume(training, self.folder.files.state, Listeners(warning=self.terminal.warning))
            self._show_position(training)
        elif self.accelerator.is_main_process:
            if resuming:
                self.terminal.info(f"{self.folder.path}: no checkpoint found; starting from scratch")
            self.folder.begin(self.job.tables, self.seed, self.job.plugin_files, self.stamps)
        if self.accelerator.is_main_process:
            write_json(self.folder.files.environment, self.environment.as_json())
        self.accelerator.wait_for_everyone()
        return training, plan

    def _note(self, note: str) -> None:
        self.terminal.warning(note)
        self.notes.append(note)

    def _show_position(self, training: Training) -> None:
        if training.memory.parts > self.recipe.train.accumulate:
            self._note(f"a batch is run in {training.memory.parts} parts, as before")
        step = f", step {training.underway['steps']} of the next" if training.underway else ""
        self.terminal.info(f"{self.folder.path}: resuming after epoch {len(training.history)}{step}")
        if self.accelerator.is_main_process:
            self.folder.write_history(training.history, self.stamps)

    def _start_from(self, model: Model, source: Path) -> None:
        """Load the weights and stamps of another run.

        Raises:
            InputError: that run was trained on conversations of this run's dev or test split.
        """
        message, about = start_from(model, source)
        learnt = set(about.get("trained_on", ()))
        for split in ("dev", "test"):
            seen = sum(fingerprint(c) in learnt for c in self.data.splits[split])
            if seen:
                what = f"{source} was trained on {seen} conversations of this run's {split}"
                raise InputError.at("[train] init_from", what, "use weights that were not trained on them")
        self.inherited += about.get("stamps", [])
        self.notes.append(message)
        self.terminal.info(message)

    def _tracking(self) -> AbstractContextManager[Log]:
        title = f"{self.job.name}-{slug(self.job.variant)}-{self.seed}"
        return tracking(self.accelerator, self.recipe.run.trackers, self.folder.files.trackers, title, self.job.tables)

    def _train(self, training: Training, plan: Plan, bars: ProgressBars, log: Log) -> Training:
        name = f"{self.job.variant}, seed {self.seed}"

        def step() -> None:
            done = sum(training.steps[: len(training.history)]) + training.underway["steps"]
            bars(name, done, sum(training.steps))

        def epoch(line: Epoch) -> None:
            if self.accelerator.is_main_process:
                self.folder.write_history(training.history, self.stamps)
                log(line, line["epoch"])
                for failure in self.job.catalog.call("epoch_finished", folder=self.folder.path, epoch=line):
                    self.terminal.warning(failure)
            loss = sum(line["train_loss"].values())
            self.terminal.info(
                f"{name}: epoch {line['epoch']}/{plan.settings.epochs}  loss {loss:.4f}  "
                f"{plan.select} on {CHOSEN_ON[self.protocol]} {points(line['selected'], scale=plan.scale)}  "
                f"{line['seconds']:.1f} s"
            )
            self.watch(line)

        return fit(training, plan, Listeners(epoch, step, self._note))
