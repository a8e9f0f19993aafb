"""Check that the parts of a recipe serve the targets that they are joined with."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ercfw.contract.data_info import TargetSpec
from ercfw.contract.metric import Metric, ScoredRows, traits_of
from ercfw.contract.targets import FORMS, Target
from ercfw.errors import InputError, Mistake, did_you_mean
from ercfw.experiment.plan import Job
from ercfw.recipe.queries import selected_metric
from ercfw.results.scoring import measure, serves

NEEDS = {
    "classes": "classes",
    "regression": "numbers",
    "multilabel": "several labels at once",
    "soft-classes": "shares of annotators per class",
    "soft-multilabel": "shares of annotators per label",
}


def check_served(job: Job, targets: Mapping[str, Target], metrics: Mapping[str, Metric]) -> None:
    """Check the heads, the model, the losses, and the metrics that choose the epoch or have options.

    Args:
        job: the recipe with its parts.
        targets: the targets of the data.
        metrics: the metrics of the recipe.

    Raises:
        InputError: a part does not serve its target; the message lists all of them, and what would serve.
    """
    mistakes = [*_network_mistakes(job, targets), *_loss_mistakes(job, targets)]
    mistakes += [*_select_mistakes(job, targets, metrics), *_metric_mistakes(job, targets, metrics)]
    if mistakes:
        raise InputError(mistakes)


def _network_mistakes(job: Job, targets: Mapping[str, Target]) -> Iterator[Mistake]:
    network = job.parts.network
    for target, head in network.heads.items():
        if target in targets and targets[target].kind not in head.component.factory.serves:
            yield _mistake(job, head.table, "head", targets[target].kind, target)
    if network.model is not None:
        for target, of in targets.items():
            if of.kind not in network.model.component.factory.serves:
                yield _mistake(job, "model", "model", of.kind, target)


def _loss_mistakes(job: Job, targets: Mapping[str, Target]) -> Iterator[Mistake]:
    first = next(iter(job.recipe.head or targets))
    for name, loss in job.parts.losses.items():
        target = job.recipe.loss[name].target or first
        if target in targets and targets[target].form not in loss.component.factory.serves:
            yield _mistake(job, loss.table, "loss", targets[target].form, target)


def _mistake(job: Job, table: str, kind: str, form: str, target: str) -> Mistake:
    what = f"does not serve target '{target}', which is {NEEDS[form]}"
    return Mistake(f"[{table}]", what, _such_as(job, kind, lambda factory: form in factory.serves))


def _such_as(job: Job, kind: str, fits: Callable[[Any], bool]) -> str:
    """Return the parts of a kind that fit; a loss for every form reads no labels, so it replaces none."""
    parts = [c for c in job.catalog.components(kind) if set(c.factory.serves) != set(FORMS)]
    names = [c.name for c in parts if fits(c.factory)]
    return f"use {', '.join(names)}" if names else f"no plugin offers a {kind} that does"


def _select_mistakes(job: Job, targets: Mapping[str, Target], metrics: Mapping[str, Metric]) -> Iterator[Mistake]:
    target, _, name = selected_metric(job.recipe).partition(".")
    if target not in targets or name not in metrics:
        return
    of, spec = targets[target], _spec(targets[target])
    if not serves(metrics[name], target, spec):
        fitting = [f"{target}.{other}" for other, metric in metrics.items() if serves(metric, target, spec)]
        what = f"'{name}' does not score target '{target}', which is {NEEDS[of.form]}"
        yield Mistake("[train] select", what, f"use {', '.join(fitting)}")


def _metric_mistakes(job: Job, targets: Mapping[str, Target], metrics: Mapping[str, Metric]) -> Iterator[Mistake]:
    """Yield the mistakes of ``[metric.NAME]`` tables: no target to score, or options that do not fit one."""
    for name, part in job.recipe.metric.items():
        if part.target is not None and part.target not in targets:
            hint = did_you_mean(part.target, targets)
            yield Mistake(f"[metric.{name}] target", f"there is no target '{part.target}'", hint)
            continue
        scored = [target for target, of in targets.items() if serves(metrics[name], target, _spec(of))]
        if not scored:
            forms = ", ".join(NEEDS[form] for form in traits_of(metrics[name]).serves)
            yield Mistake(f"[metric.{name}]", f"scores no target of the data: it is for {forms}", "remove it")
        for target in scored:
            yield from _option_mistakes(name, metrics[name], target, targets[target])


def _option_mistakes(name: str, metric: Metric, target: str, of: Target) -> Iterator[Mistake]:
    """Yield what the metric itself finds wrong in its options, when it scores two made-up utterances."""
    values = np.tile(np.eye(len(of.names), dtype=np.float32)[0], (2, 1))  # [2, C]
    labels = np.zeros(2, np.int64) if of.form == "classes" else values
    rows = ScoredRows(*(np.array([0, place]) for place in (0, 1, 0)))
    try:
        measure(target, _spec(of), labels, values, {name: metric}, rows)
    except InputError as error:
        yield from error.mistakes


def _spec(of: Target) -> TargetSpec:
    return TargetSpec(of.names, (), of.kind, of.ranges, of.soft)
