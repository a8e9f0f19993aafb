"""Files that a run leaves when it has been trained and scored."""

from collections.abc import Mapping, Sequence

from torch import nn

from ercfw.contract.conversation import Conversation, fingerprint
from ercfw.contract.metric import Metric
from ercfw.contract.stamps import meaning_of
from ercfw.contract.targets import has_label
from ercfw.data.load import Data
from ercfw.experiment.plan import Job
from ercfw.recipe.recipe_file import read_toml
from ercfw.registry.metrics import scales_of
from ercfw.report.markdown import as_markdown
from ercfw.report.pictures import draw_run
from ercfw.report.sections import run_sections
from ercfw.report.tables import headline
from ercfw.results.finished_run import FinishedRun
from ercfw.results.model_file import save_model
from ercfw.results.prediction_csv import write_predictions
from ercfw.results.run_folder import RunFolder
from ercfw.results.run_metrics import RunMetrics, SplitSize
from ercfw.results.scoring import Predictions, Scores, score
from ercfw.results.tabulate_run import run_table
from ercfw.system.files import write_text
from ercfw.training.protocol import CHOSEN_ON, NOTES
from ercfw.training.state import Plan, Training


def collect_metrics(
    job: Job,
    seed: int,
    data: Data,
    training: Training,
    plan: Plan,
    predictions: Mapping[str, Predictions],
    *,
    gradient_shares: Mapping[str, dict[str, float]],
    stamps: Sequence[str],
    notes: Sequence[str],
    seconds: float,
    peak_memory: int,
    folder: RunFolder,
) -> RunMetrics:
    """Score the predictions of each split and return the content of ``metrics.json``, without pictures."""
    scores = {split: score(predicted, plan.metrics, plan.info) for split, predicted in predictions.items()}
    unscored = [f"{split} has no labels: predicted, not scored" for split, found in scores.items() if not found]
    protocol = job.recipe.train.protocol
    metrics = RunMetrics(
        recipe=job.name,
        title=job.recipe.title,
        dataset=job.recipe.data.use,
        variant=job.variant,
        seed=seed,
        protocol=protocol,
        select=plan.select,
        chosen_on=CHOSEN_ON[protocol],
        best_epoch=training.best_epoch,
        epochs=len(training.history),
        scores={split: found for split, found in scores.items() if found},
        losses={split: dict(predicted.losses) for split, predicted in predictions.items()},
        gradient_shares=dict(gradient_shares),
        stamps=list(stamps),
        notes=[*notes, *unscored, *NOTES[protocol]],
        warnings=list(data.warnings),
        data=data.provenance,
        sizes={split: _size(conversations) for split, conversations in data.splits.items()},
        streams=dict(data.streams),
        parameters=_number_of_parameters(training.model, trained=True),
        seconds=round(seconds, 2),
        peak_memory=peak_memory,
        folder=str(folder.path),
        pictures=[],
    )
    frozen = _number_of_parameters(training.model, trained=False)
    return metrics.with_frozen(frozen).with_scales(scales_of(_used(plan.metrics, scores)))


def _number_of_parameters(model: nn.Module, trained: bool) -> int:
    """Return the number of trained parameters, or of frozen ones."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad == trained)


def write_outputs(
    folder: RunFolder,
    job: Job,
    data: Data,
    training: Training,
    plan: Plan,
    predictions: Mapping[str, Predictions],
    metrics: RunMetrics,
) -> RunMetrics:
    """Write the model, predictions, pictures, report and metrics; return the metrics with the pictures' names.

    Raises:
        RunError: a file cannot be written.
    """
    files, trained = folder.files, plan.watched.train
    copies = read_toml(files.recipe).tables.get("plugins", [])
    about = {
        "recipe": {**job.tables, "plugins": copies} if copies else job.tables,
        "stamps": metrics.stamps,
        "streams": metrics.as_json()["streams"],
        "trained_on": sorted(fingerprint(conversation) for conversation in trained),
        **({"plugin_files": copies} if copies else {}),
    }
    save_model(files.model, training.best, plan.info, about)
    table = run_table(data.splits, predictions, plan.info, trained, metrics.stamps)
    write_predictions(files.predictions, table)
    metrics = metrics.model_copy(update={"pictures": draw_run(FinishedRun(folder.path, metrics))})
    sections = run_sections(FinishedRun(folder.path, metrics), metrics.pictures)
    write_text(files.report, as_markdown(headline(metrics), map(meaning_of, metrics.stamps), sections))
    folder.finish(metrics)
    return metrics


def _used(metrics: Mapping[str, Metric], scores: Mapping[str, Mapping[str, Scores]]) -> dict[str, Metric]:
    """Return the metrics that gave a score."""
    names = {name for of_split in scores.values() for of_target in of_split.values() for name in of_target}
    return {name: metric for name, metric in metrics.items() if name in names}


def _size(conversations: Sequence[Conversation]) -> SplitSize:
    labelled = sum(int(has_label(y).sum()) for c in conversations for y in c.labels.values())
    utterances = sum(map(len, conversations))
    return SplitSize(conversations=len(conversations), utterances=utterances, labels=labelled)
