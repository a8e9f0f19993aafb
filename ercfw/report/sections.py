"""Build the report sections of one run."""

from collections.abc import Mapping, Sequence
from typing import Any

from ercfw.report.analysis import analysis
from ercfw.report.blocks import Block, Bullets, Code, Grid, Paragraph, PictureFile, Section
from ercfw.report.tables import class_rows, score_rows
from ercfw.results.comparison.calibration import calibrate
from ercfw.results.comparison.make_table import MEGABYTE
from ercfw.results.environment import read_environment
from ercfw.results.finished_run import FinishedRun, Group
from ercfw.results.points import MISSING, points
from ercfw.results.run_metrics import RunMetrics, SplitSize
from ercfw.results.scoring import EACH


def run_sections(run: FinishedRun, pictures: Sequence[str]) -> list[Section]:
    """Return the sections of the report of one run.

    Args:
        run: the run; some files may be missing (an ensemble has no environment and no streams).
        pictures: the names of the picture files of the run.
    """
    metrics = run.metrics
    notes = [*metrics.warnings, *metrics.notes]
    sections = [
        Section("Scores", scores(run)),
        Section("Warnings and notes", [Bullets(notes)] if notes else []),
        *analysis([Group(str(metrics.variant), (run,))]),
        Section("Figures", list(map(PictureFile, pictures))),
        Section("Settings", settings(run)),
        Section("Data", data(metrics)),
        Section("Environment", environment(run)),
        Section("Reproduce", reproduce(run)),
    ]
    return [section for section in sections if section.blocks]


def scores(run: FinishedRun) -> list[Block]:
    """Return how the epoch was selected, all scores of each split, and the scores per class."""
    metrics = run.metrics
    selected = (
        f"Epoch {metrics.best_epoch} of {metrics.epochs}, selected on {metrics.chosen_on} by {metrics.select}. "
        if metrics.best_epoch is not None
        else ""
    )
    parameters = f"{metrics.parameters:,} trainable parameters of {metrics.parameters + metrics.frozen:,}"
    summary = (
        f"{selected}{parameters}; run time {metrics.seconds:.0f} s; "
        f"peak memory {metrics.peak_memory / MEGABYTE:.0f} MB. {metrics.unit_note}"
    )
    splits, rows = score_rows(metrics)
    calibration = [
        [f"{target}: calibration error (ECE)", *_errors(run, splits, target)]
        for target, of in run.predictions.targets.items()
        if of.kind != "regression"
    ]
    blocks: list[Block] = [
        Paragraph(summary, is_lead=True),
        Grid(["score", *splits], [*([name, *values] for name, values in rows), *calibration]),
    ]
    if metrics.gradient_shares:
        blocks.append(_gradient_shares(metrics))
    train_counts = {
        (target, name): count
        for target, spec in (run.info.targets if run.info else {}).items()
        for name, count in zip(spec.classes, spec.counts, strict=True)
    }
    for (target, metric), by_class in class_rows(metrics).items():
        header = [f"{metric.removesuffix(EACH)} per {target}", "utterances in train", *splits]
        counts = [str(train_counts.get((target, name), MISSING)) for name, _ in by_class]
        cells = [[name, count, *values] for (name, values), count in zip(by_class, counts, strict=True)]
        blocks.append(Grid(header, cells))
    return blocks


def _gradient_shares(metrics: RunMetrics) -> Grid:
    """Return the share of the gradient of each loss, before training and at the best epoch."""
    untrained, best = (metrics.gradient_shares[moment] for moment in ("untrained", "best"))
    rows = [[name, *(f"{100 * share:.3g} %" for share in (untrained[name], best[name]))] for name in untrained]
    return Grid(["share of the gradient", "untrained", "best epoch"], rows)


def _errors(run: FinishedRun, splits: Sequence[str], target: str) -> list[str]:
    """Return the calibration error of each split; a split without labels has none."""
    cells = []
    for split in splits:
        answers = run.answers(split, target)
        labelled = answers.labelled
        has_labels = labelled.any()
        found = calibrate(answers.kind, answers.labels[labelled], answers.values[labelled]) if has_labels else None
        cells.append(points(found.ece if found is not None else None))
    return cells


def settings(run: FinishedRun) -> list[Block]:
    """Return the parts of the recipe, one row per table; of an ensemble, return its members."""
    if not run.files.recipe.is_file():
        return [Bullets([f"Member of the ensemble: {member}" for member in run.metrics.members])]
    parts = []
    for kind in ("data", "features", "encoder", "context", "fusion", "head", "model", "loss", "train"):
        table = run.recipe.get(kind, {})
        named = all(isinstance(value, Mapping) for value in table.values()) and kind != "train"
        for name, part in table.items() if named else [("", table)]:
            options = {key: value for key, value in part.items() if key != "use" and value not in ({}, [])}
            parts.append([f"{kind}.{name}".rstrip("."), str(part.get("use", "")), _readable(options)])
    return [Grid(["recipe table", "component", "settings"], [row for row in parts if any(row[1:])])]


def data(metrics: RunMetrics) -> list[Block]:
    """Return the source of the data, and tables of its splits, streams and files."""
    source = metrics.data
    sizes = {split: size.model_dump() for split, size in metrics.sizes.items()}
    split_rows = [[split, *map(str, size.values())] for split, size in sizes.items()]
    blocks: list[Block] = [
        Paragraph(f"Source: {source.source}.", is_lead=True),
        Grid(["split", *SplitSize.model_fields], split_rows),
    ]
    if metrics.streams:
        rows = [
            [name, _readable(stream.made_by), stream.fitted_on, _readable(stream.present)]
            for name, stream in metrics.streams.items()
        ]
        blocks.append(Grid(["stream", "origin", "fitted on", "utterances with values"], rows))
    if source.files:
        blocks.append(Grid(["file", "SHA-256"], [[name, digest] for name, digest in source.files.items()]))
    return blocks


def environment(run: FinishedRun) -> list[Block]:
    """Return the machine and software of the run."""
    machine = read_environment(run.folder)
    if machine is None:
        return []
    versions = {"python": machine.python, "ercfw": machine.ercfw, **machine.libraries}
    return [
        Bullets(
            [
                f"Device: {machine.device}; processes: {machine.processes}; threads per process: {machine.threads}",
                f"Platform: {machine.platform}",
                "Software: " + ", ".join(f"{name} {version}" for name, version in versions.items()),
                "Plugins: " + ", ".join(f"{name} {version}" for name, version in machine.plugins.items()),
                f"Git revision: {machine.git or 'none'}",
            ]
        )
    ]


def reproduce(run: FinishedRun) -> list[Block]:
    """Return the command that repeats the run; an ensemble has none."""
    is_run = run.files.recipe.is_file()
    return [Code(f"ercfw run {run.metrics.folder}/recipe.toml")] if is_run else []


def _readable(value: Any) -> str:
    """Return a value of a recipe as text: ``width = 8, widths = (text = 4, audio = 2)``."""
    if isinstance(value, Mapping):
        entries = (
            (key, f"({_readable(item)})" if isinstance(item, Mapping) else _readable(item))
            for key, item in value.items()
        )
        return ", ".join(f"{key} = {text}" for key, text in entries)
    return " ".join(map(_readable, value)) if isinstance(value, (list, tuple)) else str(value)
