"""Draw the pictures of run folders and reports."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from matplotlib.figure import Figure

from ercfw.contract.conversation import UNLABELLED
from ercfw.report import plots
from ercfw.report.blocks import Picture
from ercfw.report.plots.confusion import MOST_CLASSES
from ercfw.results import embeddings_file as embeddings
from ercfw.results.finished_run import FinishedRun, Group
from ercfw.system.progress import Progress

SPLIT = "test"
MOST_CELLS = 1500
"""Maximum cells of all confusion matrices of a page: each cell takes some 250 characters."""
Drawing = tuple[str, str, Callable[[], Figure]]
"""The name of a picture, its description, and the function that draws it."""


def draw_run(run: FinishedRun) -> list[str]:
    """Write learning curves and a confusion matrix per split and target; return the names of the files."""
    names = ["learning_curve.png"]
    plots.save(plots.learning_curves(run), run.folder / names[0])
    for split in sorted(run.splits):
        for target in run.targets:
            if _can_be_confused(run, split, target):
                names.append(f"confusion_{split}_{target}.png")
                plots.save(plots.confusion(run, split, target), run.folder / names[-1])
    return names


def drawn(drawings: Iterable[Drawing], progress: Progress) -> list[Picture]:
    """Draw and return the pictures; t-SNE takes seconds.

    Raises:
        InputError: the data that they are drawn from is damaged.
    """
    planned, pictures = list(drawings), []
    for number, (name, tells, draw) in enumerate(planned, 1):
        pictures.append(Picture(name, tells, draw()))
        progress("pictures", number, len(planned))
    return pictures


def confusions(groups: Sequence[Group]) -> Iterator[Drawing]:
    """Yield confusion matrices of the first seed per group; with many groups or classes, only the first ones."""
    room = MOST_CELLS
    for group in groups:
        run = group.first
        for target in run.targets:
            if SPLIT not in run.splits or not _can_be_confused(run, SPLIT, target):
                continue
            cells = len(run.answers(SPLIT, target).classes) ** 2
            if room < cells and group is not groups[0]:
                return
            room -= cells
            seed = run.metrics["seed"]
            tells = f"Confusion of {target}, {SPLIT}: {group.name}, seed {seed}; the numbers are under Conversations."
            yield f"confusion_{group.name}_{target}", tells, partial(plots.confusion, run, SPLIT, target)


def class_scores(groups: Sequence[Group], targets: Sequence[str]) -> Iterator[Drawing]:
    """Yield pictures of the F1 per class, with all groups in one picture."""
    runs = [run for group in groups for run in group.runs]
    for target in targets if all(SPLIT in run.metrics["scores"] for run in runs) else ():
        tells = f"F1 of each class of {target}, {SPLIT}; the numbers stand in the table above."
        yield f"class_f1_{target}", tells, partial(plots.class_f1, runs, SPLIT, target)


def other_pictures(run: FinishedRun) -> Iterator[Drawing]:
    """Yield learning curves, class shares, calibration and embeddings, as far as the run left the data."""
    if run.history:
        told = "The score that chose the epoch, and every loss, by epoch."
        yield "learning_curves", told, partial(plots.learning_curves, run)
    for target in run.targets if SPLIT in run.splits else ():
        if not _is_labelled(run, SPLIT, target):
            continue
        told = f"How often each class of {target} is in each split."
        yield f"class_distribution_{target}", told, partial(plots.class_distribution, run, target)
        told = f"How often the model is right, by how sure it is: {target} of {SPLIT}."
        yield f"calibration_{target}", told, partial(plots.calibration, run, SPLIT, target)
        if (run.folder / embeddings.NAME).is_file():
            told = f"Embeddings of {SPLIT} in the plane, untrained and at the best epoch, by class of {target}."
            yield f"embeddings_{target}", told, partial(plots.embeddings, run, SPLIT, target)


def _can_be_confused(run: FinishedRun, split: str, target: str) -> bool:
    """Return whether there are labels, and no more classes than a picture can show."""
    return _is_labelled(run, split, target) and len(run.answers(split, target).classes) <= MOST_CLASSES


def _is_labelled(run: FinishedRun, split: str, target: str) -> bool:
    return bool((run.answers(split, target).labels != UNLABELLED).any())
