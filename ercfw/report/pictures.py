"""Draw the pictures of run folders and reports."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from matplotlib.figure import Figure

from ercfw.contract.targets import TargetKind
from ercfw.report import plots
from ercfw.report.blocks import Picture
from ercfw.report.plots.confusion import MOST_CLASSES
from ercfw.report.tables import SPLIT
from ercfw.results.comparison.controls import Controls
from ercfw.results.comparison.result_table import ResultTable
from ercfw.results.finished_run import FinishedRun, Group
from ercfw.system.progress import Steps

MOST_CELLS = 1500
"""Maximum number of cells of all confusion matrices of a page; each cell takes about 250 characters."""
WHAT: Mapping[TargetKind, str] = {"classes": "class", "multilabel": "label", "regression": "number"}
CALIBRATED: Mapping[TargetKind, str] = {
    "classes": "accuracy by confidence",
    "multilabel": "share of true labels by probability",
    "regression": "mean true number by predicted number",
}
Drawing = tuple[str, str, Callable[[], Figure]]
"""The name of a picture, its description, and the function that draws it."""


def draw_run(run: FinishedRun) -> list[str]:
    """Write the learning curves, and a picture of true and predicted per split and target; return the file names."""
    names = ["learning_curve.png"]
    plots.save(plots.learning_curves(run), run.folder / names[0])
    for split in sorted(run.splits):
        for target in run.targets:
            if _has_confusion(run, split, target):
                names.append(f"confusion_{split}_{target}.png")
                plots.save(plots.confusion(run, split, target), run.folder / names[-1])
            elif _has_numbers(run, split, target):
                names.append(f"numbers_{split}_{target}.png")
                plots.save(plots.numbers(run, split, target), run.folder / names[-1])
    return names


def drawn(drawings: Iterable[Drawing], steps: Steps) -> list[Picture]:
    """Draw the pictures and return them; t-SNE takes seconds.

    Raises:
        InputError: the data of a picture is damaged.
    """
    return [steps(Picture(name, description, draw())) for name, description, draw in drawings]


def confusions(groups: Sequence[Group]) -> Iterator[Drawing]:
    """Yield the confusion matrix of the first seed of each group; with many groups or classes, only the first ones."""
    room = MOST_CELLS
    for group in groups:
        run = group.first
        for target in run.targets:
            if SPLIT not in run.splits or not _has_confusion(run, SPLIT, target):
                continue
            cells = len(run.answers(SPLIT, target).classes) ** 2
            if room < cells and group is not groups[0]:
                return
            room -= cells
            description = f"Confusion matrix of {target}, {SPLIT}: {group.name}, seed {run.metrics.seed}."
            yield f"confusion_{group.name}_{target}", description, partial(plots.confusion, run, SPLIT, target)


def main_scores(groups: Sequence[Group], table: ResultTable, controls: Controls) -> Iterator[Drawing]:
    """Yield the main score of each of several variants with its interval."""
    if len(groups) > 1 and table.metrics:
        description = (
            f"{table.metrics[0]} of {table.target}, {table.split}, with 95 % intervals over conversations and seeds. "
            f"The dashed line is {table.reference}."
        )
        yield f"forest_{table.target}", description, partial(plots.forest_of, table, controls, groups)


def target_scores(groups: Sequence[Group], targets: Sequence[str]) -> Iterator[Drawing]:
    """Yield one picture per target: the F1 of each class or label, of all groups; or the numbers of the first run."""
    runs = [run for group in groups for run in group.runs]
    for target in targets if all(SPLIT in run.metrics.scores for run in runs) else ():
        kind = runs[0].answers(SPLIT, target).kind
        if kind != "regression":
            description = f"F1 of each {WHAT[kind]} of {target}, {SPLIT}{_spread(groups)}."
            yield f"class_f1_{target}", description, partial(plots.class_f1, runs, SPLIT, target)
        elif _has_numbers(runs[0], SPLIT, target):
            of_run = f": {groups[0].name}, seed {runs[0].metrics.seed}"
            description = f"True and predicted numbers of {target}, and residuals, {SPLIT}{of_run}."
            yield f"numbers_{target}", description, partial(plots.numbers, runs[0], SPLIT, target)


def _spread(groups: Sequence[Group]) -> str:
    return ": mean and standard deviation over seeds" if any(len(group.runs) > 1 for group in groups) else ""


def other_pictures(run: FinishedRun) -> Iterator[Drawing]:
    """Yield learning curves, class distribution, calibration and embeddings, if the run left the data for them."""
    if run.history:
        description = "Learning curves: the score that selects the epoch, and every loss, per epoch."
        yield "learning_curves", description, partial(plots.learning_curves, run)
    for target in run.targets if SPLIT in run.splits else ():
        if not _is_labelled(run, SPLIT, target):
            continue
        kind = run.answers(SPLIT, target).kind
        if kind != "regression":
            description = f"Frequency of each {WHAT[kind]} of {target} in each split."
            yield f"class_distribution_{target}", description, partial(plots.class_distribution, run, target)
        description = f"Calibration of {target}, {SPLIT}: {CALIBRATED[kind]}."
        yield f"calibration_{target}", description, partial(plots.calibration, run, SPLIT, target)
        if run.files.embeddings.is_file() and kind != "multilabel":
            description = (
                f"Embeddings of {SPLIT} by t-SNE, before training and at the best epoch, by {WHAT[kind]} of {target}."
            )
            yield f"embeddings_{target}", description, partial(plots.embeddings, run, SPLIT, target)


def _has_confusion(run: FinishedRun, split: str, target: str) -> bool:
    """Return whether there are labels, which are classes, and few enough of these for a picture."""
    answers = run.answers(split, target)
    return answers.kind == "classes" and bool(answers.labelled.any()) and len(answers.classes) <= MOST_CLASSES


def _has_numbers(run: FinishedRun, split: str, target: str) -> bool:
    answers = run.answers(split, target)
    return answers.kind == "regression" and bool(answers.labelled.any())


def _is_labelled(run: FinishedRun, split: str, target: str) -> bool:
    return bool(run.answers(split, target).labelled.any())
