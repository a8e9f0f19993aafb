"""Build the report sections of one run."""

from collections.abc import Mapping, Sequence
from typing import Any

from ercfw.contract.conversation import UNLABELLED
from ercfw.report.analysis import analysis
from ercfw.report.blocks import Block, Bullets, Code, Grid, Paragraph, PictureFile, Section
from ercfw.report.tables import class_rows, score_rows
from ercfw.results.comparison.calibration import calibrate
from ercfw.results.environment import read_environment
from ercfw.results.finished_run import FinishedRun, Group
from ercfw.results.run_metrics import RunMetrics

MEGABYTE = 1e6


def run_sections(run: FinishedRun, pictures: Sequence[str]) -> list[Section]:
    """Return the sections of the report of one run.

    Args:
        run: the run; some of its files may be absent (an ensemble has no environment and no streams).
        pictures: the names of the picture files of the run.
    """
    metrics = run.metrics
    notes = [*metrics.warnings, *metrics.notes]
    sections = [
        Section("Scores", scores(run)),
        Section("Warnings and notes", [Bullets(notes)] if notes else []),
        *analysis([Group(str(metrics.variant), (run,))]),
        Section("Pictures", list(map(PictureFile, pictures))),
        Section("What was run", settings(run)),
        Section("Data", data(metrics)),
        Section("Environment", environment(run)),
        Section("Again", again(run)),
    ]
    return [section for section in sections if section.blocks]


def scores(run: FinishedRun) -> list[Block]:
    """Return how the epoch was chosen, all scores per split, and the F1 per class."""
    metrics = run.metrics
    chosen = (
        f"Epoch {metrics.best_epoch} of {metrics.epochs}, chosen on {metrics.chosen_on} by {metrics.select}; "
        if metrics.best_epoch is not None
        else ""
    )
    told = (
        f"{chosen}{metrics.parameters:,} parameters; {metrics.seconds:.0f} s; "
        f"at most {metrics.peak_memory / MEGABYTE:.0f} MB. Points (hundredths)."
    )
    splits, rows = score_rows(metrics)
    sure = [[f"{target} calibration error".strip(), *_errors(run, splits, target)] for target in run.targets]
    whole = [[name, *values] for name, values in rows] + sure
    blocks: list[Block] = [Paragraph(told), Grid(["score", *splits], whole)]
    trained = {
        (target, c): n
        for target, spec in (run.info.targets if run.info else {}).items()
        for c, n in zip(spec.classes, spec.counts, strict=True)
    }
    for (target, metric), by_class in class_rows(metrics).items():
        header = [f"{target}: {metric} of", "in train", *splits]
        blocks.append(Grid(header, [[c, str(trained.get((target, c), "-")), *values] for c, values in by_class]))
    return blocks


def _errors(run: FinishedRun, splits: Sequence[str], target: str) -> list[str]:
    cells = []
    for split in splits:
        answers = run.answers(split, target)
        real = answers.labels != UNLABELLED
        found = calibrate(answers.labels[real], answers.probabilities[real]) if real.any() else None
        cells.append("-" if found is None else f"{100 * found.ece:.2f}")
    return cells


def settings(run: FinishedRun) -> list[Block]:
    """Return one row per part, then the rest of the recipe."""
    if not run.files.recipe.is_file():
        return [Bullets([f"member {member}" for member in run.metrics.members])]
    parts = []
    for kind in ("data", "features", "encoder", "context", "fusion", "head", "model", "loss", "train"):
        table = run.recipe.get(kind, {})
        named = all(isinstance(value, Mapping) for value in table.values()) and kind != "train"
        for name, part in table.items() if named else [("", table)]:
            options = {key: value for key, value in part.items() if key != "use" and value not in ({}, [])}
            parts.append([f"{kind}.{name}".rstrip("."), str(part.get("use", "")), _in_words(options)])
    return [Grid(["table", "use", "settings"], [row for row in parts if any(row[1:])])]


def data(metrics: RunMetrics) -> list[Block]:
    """Return the sources and the numbers of conversations and streams."""
    source, sizes = metrics.data, metrics.sizes
    counted = [[split, *map(str, n.values())] for split, n in sizes.items()]
    blocks: list[Block] = [
        Paragraph(f"Source: {source.source}."),
        Grid(["split", *next(iter(sizes.values()))], counted),
    ]
    if metrics.streams:
        rows = [[name, _in_words(s.made_by), s.fitted_on, _in_words(s.present)] for name, s in metrics.streams.items()]
        blocks.append(Grid(["stream", "made by", "fitted on", "utterances that have it"], rows))
    if source.files:
        blocks.append(Grid(["file", "sha256"], [[name, digest] for name, digest in source.files.items()]))
    return blocks


def environment(run: FinishedRun) -> list[Block]:
    """Return the machine and software of the run."""
    found = read_environment(run.folder)
    if found is None:
        return []
    versions = {"python": found.python, "ercfw": found.ercfw, **found.libraries}
    return [
        Bullets(
            [
                f"{found.processes} process(es) on {found.device}, {found.threads} thread(s), {found.platform}",
                ", ".join(f"{name} {version}" for name, version in versions.items()),
                "plugins: " + ", ".join(f"{name} {version}" for name, version in found.plugins.items()),
                f"git revision: {found.git or 'none'}",
            ]
        )
    ]


def again(run: FinishedRun) -> list[Block]:
    """Return the steps to reproduce the run."""
    is_run = run.files.recipe.is_file()
    return [Code(f"ercfw run {run.metrics.folder}/recipe.toml")] if is_run else []


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = (
            (key, f"({_in_words(item)})" if isinstance(item, Mapping) else _in_words(item))
            for key, item in value.items()
        )
        return ", ".join(f"{key} = {text}" for key, text in inner)
    return " ".join(map(_in_words, value)) if isinstance(value, (list, tuple)) else str(value)
