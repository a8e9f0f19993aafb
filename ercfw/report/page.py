"""Build the report of one run, of the seeds of a variant, or of several variants."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from ercfw.errors import ErcfwError
from ercfw.predict.explain import reopen
from ercfw.registry.catalog import load_catalog
from ercfw.registry.trust import PluginFiles
from ercfw.report import sections
from ercfw.report.agreement import agreement_grid
from ercfw.report.analysis import analysis
from ercfw.report.blocks import Block, Bullets, Grid, Paragraph, Section
from ercfw.report.conversation_browser import browser_data
from ercfw.report.html import Page
from ercfw.report.pictures import class_scores, confusions, drawn, other_pictures
from ercfw.report.result_tables import as_section
from ercfw.report.tables import SPLIT, headline
from ercfw.results.comparison.agreement import pair_agreements
from ercfw.results.comparison.comparability import targets_of
from ercfw.results.comparison.compare import comparable_tables
from ercfw.results.comparison.reported_scores import find_quoted
from ercfw.results.finished_run import Group
from ercfw.results.points import points
from ercfw.results.run_metrics import RunMetrics
from ercfw.system.flatten import flatten
from ercfw.system.progress import Progress

MOST_PAIRS = 30
"""Maximum number of pairs of variants whose agreement a report shows."""


def make_page(groups: Sequence[Group], progress: Progress, plugin_files: PluginFiles) -> Page:
    """Return the content of a report.

    Args:
        groups: one variant with one or more seeds, or several comparable variants.
        progress: called with the progress of drawing, and of extracting features for attention.
        plugin_files: what is done with the plugin files of a run, which attention needs.

    Raises:
        InputError: the groups cannot be compared, or their files cannot be read.
    """
    if len(groups) == len(groups[0].runs) == 1:
        return _page_of_run(groups[0], progress, plugin_files)
    return _page_of_groups(groups, progress)


def _page_of_run(group: Group, progress: Progress, plugin_files: PluginFiles) -> Page:
    run = group.first
    browser, note = _browser(group, progress, plugin_files)
    notes = [*run.metrics.warnings, *run.metrics.notes, *([note] if note else [])]
    top = [
        Section("Scores", sections.scores(run)),
        Section("Warnings and notes", [Bullets(notes)] if notes else []),
        Section("Results per class", drawn(chain(confusions([group]), class_scores([group], run.targets)), progress)),
    ]
    below = [
        *analysis([group]),
        Section("Figures", drawn(other_pictures(run), progress)),
        Section("Configuration", sections.settings(run)),
        Section("Data", sections.data(run.metrics)),
        Section("Environment", sections.environment(run)),
        Section("Reproduce", sections.reproduce(run)),
    ]
    metrics = run.metrics
    return Page(
        headline(metrics.model_copy(update={"stamps": []})),
        f"{metrics.data.source}; epoch selected on {metrics.chosen_on} by {metrics.select}",
        metrics.stamps,
        list(_cards(metrics)),
        _filled(top),
        browser,
        _filled(below),
    )


def _page_of_groups(groups: Sequence[Group], progress: Progress) -> Page:
    first = groups[0].first.metrics
    targets = targets_of(groups, SPLIT)
    quoted, failures = find_quoted(load_catalog())
    metrics = [run.metrics for group in groups for run in group.runs]
    top = [
        *map(as_section, comparable_tables(groups, SPLIT, quoted)),
        Section("Warnings and notes", _notes(groups, failures)),
        Section("F1 per class", drawn(class_scores(groups, targets), progress)),
    ]
    below = [
        Section("Agreement of the variants", _agreement(groups, targets[0])),
        *analysis(groups),
        Section("Confusion matrices", drawn(confusions(groups), progress)),
        Section("Differences in configuration", [_differences(groups)]),
        Section(f"Configuration: {groups[0].name}", sections.settings(groups[0].first)),
        Section("Data", sections.data(first)),
        Section("Environment", sections.environment(groups[0].first)),
    ]
    stamps = dict.fromkeys(stamp for each in metrics for stamp in each.stamps)
    names = f"{len(groups)} variants" if len(groups) > 1 else groups[0].name
    count = f"{names}, {len(metrics)} {'runs' if len(groups) > 1 else 'seeds'}"
    return Page(
        first.title,
        f"{count}; protocol {first.protocol}; {first.data.source}",
        tuple(stamps),
        (),
        _filled(top),
        browser_data(groups, None),
        _filled(below),
        tuple(failures),
    )


def _notes(groups: Sequence[Group], warnings: Sequence[str]) -> list[Bullets]:
    """Return the warnings of the page, then the notes on the runs; notes on only some variants name them."""
    variants: dict[str, list[str]] = {}
    for group in groups:
        for note in dict.fromkeys(n for r in group.runs for n in (*r.metrics.warnings, *r.metrics.notes)):
            variants.setdefault(note, []).append(group.name)
    lines = [note if len(names) == len(groups) else f"{', '.join(names)}: {note}" for note, names in variants.items()]
    return [Bullets([*warnings, *lines])] if warnings or lines else []


def _browser(group: Group, progress: Progress, plugin_files: PluginFiles) -> tuple[Mapping[str, Any], str]:
    """Return the data of the conversation browser, and a note if the model or its data is not available."""
    try:
        return browser_data([group], reopen(group.first.folder, progress, plugin_files)), ""
    except ErcfwError as error:
        note = f"the conversations lack attention and the predictions from single modalities: {error}"
        return browser_data([group], None), note


def _cards(metrics: RunMetrics) -> Iterator[tuple[str, str, str]]:
    """Yield the single-number scores of test, each with that of dev as a note."""
    for target, of_target in metrics.scores.get(SPLIT, {}).items():
        for name, value in sorted(of_target.items(), key=lambda item: f"{target}.{item[0]}" != metrics.select):
            if isinstance(value, float):
                dev = metrics.score("dev", target, name)
                yield f"{name}, {SPLIT}", points(value), f"dev {points(dev)}" if dev is not None else ""


def _agreement(groups: Sequence[Group], target: str) -> list[Paragraph | Grid]:
    """Return the table of all pairs of variants; of too many, only the pairs with the first variant."""
    pairs = pair_agreements(groups, SPLIT, target)
    if len(pairs) > MOST_PAIRS:
        pairs = [pair for pair in pairs if pair.first == groups[0].name]
    text = (
        f"Number of {SPLIT} utterances that two variants predict correctly. A variant predicts an utterance "
        "correctly if more than half of its seeds do."
    )
    return [Paragraph(text), agreement_grid(pairs)] if pairs else []


def _differences(groups: Sequence[Group]) -> Grid:
    """Return the settings in which the recipes of the variants differ."""
    settings = {
        group.name: dict(flatten(group.first.recipe, "."))
        for group in groups
        if group.first.files.recipe.is_file()  # an ensemble has none
    }
    keys = dict.fromkeys(key for of_variant in settings.values() for key in of_variant if key != "seeds")
    rows = [[key, *(str(of_variant.get(key, "")) for of_variant in settings.values())] for key in keys]
    return Grid(["setting", *settings], [row for row in rows if len(set(row[1:])) > 1])


def _filled(candidates: Sequence[Section]) -> list[Section]:
    """Return the sections that have content."""
    kept = [replace(section, blocks=list(filter(_is_filled, section.blocks))) for section in candidates]
    return [section for section in kept if section.blocks]


def _is_filled(block: Block) -> bool:
    return not isinstance(block, Grid) or bool(block.rows)
