"""Build the report of one run, of the seeds of a variant, or of several variants."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ercfw.errors import ErcfwError
from ercfw.predict.explain import reopen
from ercfw.registry.catalog import load_catalog
from ercfw.registry.trust import PluginFiles
from ercfw.report import sections
from ercfw.report.agreement import agreement_grid
from ercfw.report.analysis import analysis
from ercfw.report.blocks import Block, Bullets, Grid, Paragraph, Section
from ercfw.report.cards import OF_GROUPS, OF_RUN, cards_of_groups, cards_of_run
from ercfw.report.conversation_browser import browser_data
from ercfw.report.html import Page
from ercfw.report.pictures import confusions, drawn, main_scores, other_pictures, target_scores
from ercfw.report.result_tables import in_parts
from ercfw.report.tables import SPLIT, headline
from ercfw.results.comparison.agreement import pair_agreements
from ercfw.results.comparison.comparability import targets_of
from ercfw.results.comparison.compare import comparable_tables
from ercfw.results.comparison.controls import Controls, find_controls
from ercfw.results.comparison.reported_scores import find_quoted
from ercfw.results.comparison.result_table import ResultTable
from ercfw.results.finished_run import Group
from ercfw.results.score_table import known_metrics
from ercfw.system.flatten import flatten
from ercfw.system.progress import Progress, Steps

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
    pictures, matrices = [*target_scores([group], run.targets), *other_pictures(run)], [*confusions([group])]
    steps = Steps(progress, "report", 3 + len(pictures) + len(matrices))
    browser, note = steps(_browser(group, progress, plugin_files))
    notes = [*run.metrics.warnings, *run.metrics.notes, *([note] if note else [])]
    cards = steps(list(cards_of_run(group)))
    top = [
        Section("Scores", sections.scores(run)),
        Section("Warnings and notes", [Bullets(notes)] if notes else []),
    ]
    below = [
        *steps(analysis([group])),
        Section("Figures", drawn(pictures, steps)),
        Section("Settings", sections.settings(run)),
        Section("Data", sections.data(run.metrics)),
        Section("Environment", sections.environment(run)),
        Section("Reproduce", sections.reproduce(run)),
    ]
    metrics = run.metrics
    return Page(
        headline(metrics.model_copy(update={"stamps": []})),
        f"{metrics.data.source}; epoch selected on {metrics.chosen_on} by {metrics.select}",
        metrics.stamps,
        cards,
        _filled(top),
        browser,
        _filled(below),
        cards_note=f"{OF_RUN} {metrics.unit_note}",
        unshown=drawn(matrices, steps),
    )


def _page_of_groups(groups: Sequence[Group], progress: Progress) -> Page:
    first = groups[0].first
    targets = targets_of(groups, SPLIT)
    catalog = load_catalog()
    quoted, failures = find_quoted(catalog)
    matrices = list(confusions(groups))
    steps = Steps(progress, "report", 4 + (2 if len(groups) > 1 else 1) * len(targets) + len(matrices))
    found = steps(comparable_tables(groups, SPLIT, quoted, functions=known_metrics(first, catalog)))
    tables = [table for table in found if table.target in targets]
    controls = [find_controls(groups, SPLIT, table.target) for table in tables]
    compared = list(zip(tables, controls, strict=True))
    cards = steps([card for table, of_table in compared for card in cards_of_groups(groups, table, of_table)])
    top = [
        *(_scores(groups, table, found, steps, len(tables)) for table, found in compared),
        Section("Warnings and notes", _notes(groups, failures)),
    ]
    browser = steps(browser_data(groups, None))
    below = [
        Section("Agreement", _agreement(groups, targets[0])),
        *steps(analysis(groups)),
        Section("Settings that differ", [_differences(groups)]),
        Section(f"Settings of {groups[0].name}", sections.settings(first)),
        Section("Data", sections.data(first.metrics)),
        Section("Environment", sections.environment(first)),
        Section("Reproduce", [block for group in groups for block in sections.reproduce(group.first)]),
    ]
    return Page(
        first.metrics.title,
        _subtitle(groups),
        tuple(dict.fromkeys(stamp for group in groups for run in group.runs for stamp in run.metrics.stamps)),
        cards,
        _filled(top),
        browser,
        _filled(below),
        tuple(failures),
        f"{OF_GROUPS} {first.metrics.unit_note}",
        drawn(matrices, steps),
    )


def _subtitle(groups: Sequence[Group]) -> str:
    """Return how many variants and runs the page is about, and what they have in common."""
    metrics, runs = groups[0].first.metrics, sum(len(group.runs) for group in groups)
    several = len(groups) > 1
    count = f"{len(groups)} variants, {runs} runs" if several else f"{groups[0].name}, {runs} seeds"
    return f"{count}; protocol {metrics.protocol}; {metrics.data.source}"


def _scores(groups: Sequence[Group], table: ResultTable, controls: Controls, steps: Steps, tables: int) -> Section:
    """Return the section of the scores of one target; the page itself shows the stamps."""
    whole, by_class, costs = in_parts(table)
    main = drawn(main_scores(groups, table, controls), steps)
    of_classes = drawn(target_scores(groups, [table.target]), steps)
    title = f"Scores of {table.target}" if tables > 1 else "Scores"
    return Section(title, [whole, by_class, *main, costs, Bullets(table.all_notes), *of_classes])


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


def _agreement(groups: Sequence[Group], target: str) -> list[Paragraph | Grid]:
    """Return the table of all pairs of variants; of too many, only the pairs with the first variant."""
    if groups[0].first.answers(SPLIT, target).kind == "regression":  # numbers are never quite right
        return []
    pairs = pair_agreements(groups, SPLIT, target)
    if len(pairs) > MOST_PAIRS:
        pairs = [pair for pair in pairs if pair.first == groups[0].name]
    text = (
        f"Number of {SPLIT} utterances that two variants predict correctly. A variant predicts an utterance "
        "correctly if more than half of its seeds do."
    )
    return [Paragraph(text, is_lead=True), agreement_grid(pairs)] if pairs else []


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
