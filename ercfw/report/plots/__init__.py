"""Draw pictures of finished runs; each call returns a matplotlib figure.

A run is given by its folder; ``class_f1``, ``forest`` and ``case_card`` accept several, or the folder of a variant or
recipe. ``split`` is ``test`` or ``dev``; ``target`` is the first target of the run by default. Stamps, such as
``SIMULATED``, appear on every picture. ``save`` writes a picture as PNG, SVG or PDF. All raise ``InputError`` if the
run folder lacks the data to draw. Figure numbers refer to Shi and Huang (ACL 2023).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ercfw.contract.conversation import UNLABELLED
from ercfw.contract.targets import TargetKind
from ercfw.errors import InputError, did_you_mean
from ercfw.predict.explain import reopen
from ercfw.report.plots.attention import draw_attention
from ercfw.report.plots.calibration import draw_calibration
from ercfw.report.plots.case import draw_case
from ercfw.report.plots.classes import draw_class_distribution, draw_class_f1
from ercfw.report.plots.confusion import draw_confusion
from ercfw.report.plots.curves import draw_learning_curves
from ercfw.report.plots.embedding import draw_embeddings, draw_numbered_embeddings
from ercfw.report.plots.forest import draw_forest
from ercfw.report.plots.numbers import draw_number_calibration, draw_numbers
from ercfw.report.plots.style import save, titled
from ercfw.report.tables import headline
from ercfw.results.comparison.calibration import calibrate
from ercfw.results.comparison.comparability import check_comparable
from ercfw.results.comparison.confusion_counts import class_f1 as class_f1_of
from ercfw.results.comparison.controls import Controls, find_controls
from ercfw.results.comparison.label_counts import label_f1
from ercfw.results.comparison.make_table import make_table
from ercfw.results.comparison.result_table import ResultTable
from ercfw.results.comparison.summed_scores import sums_of
from ercfw.results.embeddings_file import read_embeddings
from ercfw.results.finished_run import FinishedRun, Group, find_groups, open_run
from ercfw.results.target_predictions import TargetPredictions
from ercfw.system.progress import no_progress

__all__ = [
    "attention", "calibration", "case_card", "class_distribution", "class_f1", "confusion", "embeddings", "forest",
    "learning_curves", "numbers", "save",
]  # fmt: skip

RunOrFolder = str | Path | FinishedRun
ClassProbabilities = NDArray[np.float64]
"""``[C]`` probabilities."""
STAGES: Mapping[str, str] = {"untrained": "before training", "best": "best epoch"}
"""Readable names of the stages of training whose embeddings a run stores."""


def class_distribution(run: RunOrFolder, target: str | None = None) -> Figure:
    """Draw the frequency of each class in each split (figure 2)."""
    run = _opened(run)
    target = _target(run, target)
    _check_kind(run, target, "classes", "multilabel")
    counts = {}
    if run.info is not None and target in run.info.targets:
        counts["train"] = list(run.info.targets[target].counts)
    for split in sorted(run.splits):
        answers = run.answers(split, target)
        labels = answers.labels[answers.labelled]
        if len(labels):
            is_class = answers.kind == "classes"
            found = np.bincount(labels, minlength=len(answers.classes)) if is_class else labels.sum(0)
            counts[split] = found.tolist()
    classes = run.answers(run.splits[0], target).classes
    return _titled(draw_class_distribution(counts, classes), run, f"distribution of {target}")


def confusion(run: RunOrFolder, split: str = "test", target: str | None = None) -> Figure:
    """Draw the confusion matrix."""
    run = _opened(run)
    target = _target(run, target)
    _check_kind(run, target, "classes")
    answers = _labelled(run, split, target)
    return _titled(draw_confusion(answers.counts.sum(0), answers.classes), run, f"confusion of {target}, {split}")


def numbers(run: RunOrFolder, split: str = "test", target: str | None = None) -> Figure:
    """Draw predicted by true numbers, and the residuals by predicted numbers, of a target of numbers."""
    run = _opened(run)
    target = _target(run, target)
    _check_kind(run, target, "regression")
    answers = _labelled(run, split, target)
    real = answers.labelled
    figure = draw_numbers(answers.labels[real], answers.values[real], answers.classes)
    return _titled(figure, run, f"{target}, {split}")


def class_f1(runs: RunOrFolder | Sequence[RunOrFolder], split: str = "test", target: str | None = None) -> Figure:
    """Draw the F1 per class of several runs or variants; with several seeds, the mean and standard deviation."""
    groups = _groups(runs)
    first = groups[0].first
    target = _target(first, target)
    _check_kind(first, target, "classes", "multilabel")
    f1_of = class_f1_of if first.answers(split, target).kind == "classes" else label_f1
    sums = {group.name: sums_of(group.answers(split, target)) for group in groups}
    scores = {name: f1_of(of_group.sum(1)) for name, of_group in sums.items()}  # [S, C] each
    deviations = {name: of_group.std(0, ddof=1) for name, of_group in scores.items() if len(of_group) > 1}
    means = {name: of_group.mean(0) for name, of_group in scores.items()}
    figure = draw_class_f1(means, first.answers(split, target).classes, deviations)
    stamps = dict.fromkeys(stamp for group in groups for run in group.runs for stamp in run.metrics.stamps)
    return titled(figure, f"{first.metrics.title}: F1 of {target}, {split}", tuple(stamps))


def forest(runs: RunOrFolder | Sequence[RunOrFolder], split: str = "test", target: str | None = None) -> Figure:
    """Draw the main score of several variants with 95 % intervals, the majority class, and the linear control.

    The intervals are over conversations and seeds; a variant with one seed has none.
    """
    groups = _groups(runs)
    target = _target(groups[0].first, target)
    check_comparable(groups, split, target)
    return forest_of(make_table(groups, split, target), find_controls(groups, split, target), groups)


def forest_of(table: ResultTable, controls: Controls, groups: Sequence[Group]) -> Figure:
    """Draw the main score of a table, with the controls that are not rows of the table."""
    rows = {group.first.folder.absolute() for group in groups}
    if controls.linear is not None and controls.linear.first.folder.absolute() in rows:
        controls = replace(controls, linear=None)
    figure = draw_forest(table, controls.scores(table.metrics[0]))
    return titled(figure, f"{table.title}: {table.metrics[0]} of {table.target}, {table.split}", table.stamps)


def learning_curves(run: RunOrFolder) -> Figure:
    """Draw the score that selected the epoch, and every loss, per epoch."""
    run = _opened(run)
    metrics = run.metrics
    if not run.history or metrics.best_epoch is None:
        raise InputError.at(run.folder, "has no history.jsonl: no model was trained in this folder")
    scale = metrics.selected_scale
    figure = draw_learning_curves(run.history, metrics.best_epoch, metrics.select, metrics.chosen_on, scale)
    return _titled(figure, run)


def embeddings(run: RunOrFolder, split: str = "test", target: str | None = None) -> Figure:
    """Draw the inputs of the head in 2D by t-SNE, before training and at the best epoch; this takes seconds."""
    run = _opened(run)
    target = _target(run, target)
    answers = _labelled(run, split, target)
    found = read_embeddings(run.folder, split, target)
    if any(len(x) != len(answers.labels) for x in found.values()):
        raise InputError.at(
            run.folder, "its embeddings and predictions differ in number", "ercfw run --force writes both again"
        )
    stages = {STAGES.get(moment, moment): x for moment, x in found.items()}
    _check_kind(run, target, "classes", "regression")
    is_number = answers.kind == "regression"
    draw = draw_numbered_embeddings if is_number else draw_embeddings
    figure = draw(stages, answers.labels[:, 0] if is_number else answers.labels, answers.classes)
    return _titled(figure, run, f"embeddings of {target}, {split}")


def calibration(run: RunOrFolder, split: str = "test", target: str | None = None) -> Figure:
    """Draw how well the confidence of the model matches its accuracy; of numbers, the mean true by predicted number."""
    run = _opened(run)
    target = _target(run, target)
    answers = _labelled(run, split, target)
    real = answers.labelled
    if answers.kind == "regression":
        figure = draw_number_calibration(answers.labels[real], answers.values[real], answers.classes)
    else:
        figure = draw_calibration(calibrate(answers.kind, answers.labels[real], answers.values[real]), answers.kind)
    return _titled(figure, run, f"calibration of {target}, {split}")


def attention(run: RunOrFolder, conversation: str, utterance: str) -> Figure:
    """Draw which utterances an utterance attends to (figure 6).

    There is one panel per layer and pair of modalities, and one column per head. The model and the data are opened
    again, so call this in the folder in which the run was started.
    """
    run = _opened(run)
    place, rows = _conversation(run, conversation, utterance)
    opened = reopen(run.folder, no_progress)
    (found,) = [c for of_split in opened.splits.values() for c in of_split if c.id == conversation]
    (maps,) = opened.attention([found])
    if not maps:
        raise InputError.at(run.folder, "no part of its model reports attention", "a part with the method explain")
    utterances = [f"{row['speaker']}: {row['text']}" for row in rows]
    figure = draw_attention({name: weights[place] for name, weights in maps.items()}, utterances, place)
    return _titled(figure, run, f"attention of {conversation} {utterance}")


def case_card(
    runs: RunOrFolder | Sequence[RunOrFolder], conversation: str, utterance: str, target: str | None = None
) -> Figure:
    """Draw the predictions for one utterance, and its true class (figure 1).

    For one run with several modalities, show the prediction from each modality alone, then from all of them. For
    several runs (one per modality, for example), show the prediction of each run, averaged over the seeds of a variant.
    """
    groups = _groups(runs)
    first = groups[0].first
    target = _target(first, target)
    _check_kind(first, target, "classes")
    place, rows = _conversation(first, conversation, utterance)
    predictions = {group.name: _mean_prediction(group, conversation, utterance, target) for group in groups}
    if len(groups) == len(groups[0].runs) == 1:
        alone = _alone(first, conversation, place, target)
        predictions = alone | {"all modalities": next(iter(predictions.values()))}
    answers = first.answers(rows[0]["split"], target)
    label = int(answers.labels[answers.ids.index((conversation, utterance))])
    figure = draw_case(predictions, answers.classes, None if label == UNLABELLED else label)
    true = "unlabelled" if label == UNLABELLED else f"true (starred): {answers.classes[label]}"
    words = f"{rows[place]['speaker']}: {rows[place]['text']}"
    return _titled(figure, first, f"{conversation} {utterance}, {words}; {true}")


def _alone(run: FinishedRun, conversation: str, place: int, target: str) -> dict[str, ClassProbabilities]:
    modalities = run.recipe["data"]["modalities"] if run.files.recipe.is_file() else ()
    if len(modalities) < 2:  # or an ensemble
        return {}
    opened = reopen(run.folder, no_progress)
    found = [c for of_split in opened.splits.values() for c in of_split if c.id == conversation]
    return {f"{name} alone": opened.alone(found, name)[target][place].astype(np.float64) for name in modalities}


def _mean_prediction(group: Group, conversation: str, utterance: str, target: str) -> ClassProbabilities:
    _, rows = _conversation(group.first, conversation, utterance)
    of_runs = [run.answers(rows[0]["split"], target) for run in group.runs]
    row = of_runs[0].ids.index((conversation, utterance))
    mean: ClassProbabilities = np.mean([each.values[row] for each in of_runs], axis=0)  # [C]
    return mean


def _conversation(run: FinishedRun, conversation: str, utterance: str) -> tuple[int, list[dict[str, str]]]:
    """Return the position of the utterance in its conversation, and the rows of the conversation."""
    rows = [row for row in run.predictions.rows() if row["conversation"] == conversation]
    if not rows:
        known = set(run.predictions.about["conversation"])
        raise InputError.at(run.folder, f"has no conversation '{conversation}'", did_you_mean(conversation, known))
    utterances = [row["utterance"] for row in rows]
    if utterance not in utterances:
        what = f"conversation '{conversation}' has no utterance '{utterance}'"
        raise InputError.at(run.folder, what, did_you_mean(utterance, utterances))
    return utterances.index(utterance), rows


def _opened(run: RunOrFolder) -> FinishedRun:
    return run if isinstance(run, FinishedRun) else open_run(Path(run))


def _groups(runs: RunOrFolder | Sequence[RunOrFolder]) -> list[Group]:
    several = [runs] if isinstance(runs, str | Path | FinishedRun) else list(runs)
    return find_groups([run.folder if isinstance(run, FinishedRun) else Path(run) for run in several])


def _target(run: FinishedRun, target: str | None) -> str:
    if target is None and run.targets:
        return run.targets[0]
    if target not in run.targets:
        raise InputError.at(run.folder, f"has no predictions of target '{target}'", ", ".join(run.targets))
    return target


def _check_kind(run: FinishedRun, target: str, *kinds: TargetKind) -> None:
    """Check that a target is of a kind that a picture shows.

    Raises:
        InputError: it is of another kind.
    """
    kind = run.predictions.targets[target].kind
    if kind not in kinds:
        raise InputError.at(run.folder, f"its target '{target}' is {kind}", f"this picture shows {' and '.join(kinds)}")


def _labelled(run: FinishedRun, split: str, target: str) -> TargetPredictions:
    answers = run.answers(split, target)
    if not (answers.labelled).any():
        what = f"has no labelled predictions of '{target}' in {split}"
        raise InputError.at(run.folder, what, f"it has {', '.join(run.splits)}")
    return answers


def _titled(figure: Figure, run: FinishedRun, what: str = "") -> Figure:
    title = f"{headline(run.metrics)}{': ' if what else ''}{what}"
    return titled(figure, title, run.metrics.stamps)
