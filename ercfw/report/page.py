"""Build the report of one run, of the seeds of a variant, or of several variants."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from ercfw.errors import ErcfwError
from ercfw.predict.explain import reopen
from ercfw.registry.catalog import load_catalog
from ercfw.report import sections
from ercfw.report.analysis import analysis
from ercfw.report.blocks import Block, Bullets, Grid, Paragraph, Section
from ercfw.report.conversation_browser import browser_data
from ercfw.report.html import Page
from ercfw.report.pictures import class_scores, confusions, drawn, other_pictures
from ercfw.report.result_tables import as_section
from ercfw.report.tables import headline
from ercfw.results.comparison.agreement import pair_counts
from ercfw.results.comparison.comparability import targets_of
from ercfw.results.comparison.compare import comparable_tables
from ercfw.results.comparison.reported_scores import find_quoted
from ercfw.results.finished_run import Group
from ercfw.system.progress import Progress

SPLIT = "test"
MOST_PAIRS = 30
"""Maximum pairs of variants whose correct and wrong predictions a report compares."""


def make_page(groups: Sequence[Group], progress: Progress, allow_plugin_files: bool) -> Page:
    """Return the content of a report.

    Args:
        groups: one variant with one or more seeds, or several comparable variants.
        progress: receives the progress of drawing, and of extracting features again for attention.
        allow_plugin_files: whether the plugin files of a run may be executed for attention.

    Raises:
        InputError: the groups cannot be compared, or their files cannot be read.
    """
    if len(groups) == len(groups[0].runs) == 1:
        return _page_of_run(groups[0], progress, allow_plugin_files)
    return _page_of_groups(groups, progress)


def _page_of_run(group: Group, progress: Progress, allow_plugin_files: bool) -> Page:
    run = group.first
    browser, why = _browser(group, progress, allow_plugin_files)
    notes = [*run.metrics.get("warnings", ()), *run.metrics["notes"], *([why] if why else [])]
    top = [
        Section("Scores", sections.scores(run)),
        Section("Warnings and notes", [Bullets(notes)] if notes else []),
        Section("Classes", drawn(chain(confusions([group]), class_scores([group], run.targets)), progress)),
    ]
    below = [
        *analysis([group]),
        Section("Pictures", drawn(other_pictures(run), progress)),
        Section("What was run", sections.settings(run)),
        Section("Data", sections.data(run.metrics)),
        Section("Environment", sections.environment(run)),
        Section("Again", sections.again(run)),
    ]
    metrics = run.metrics
    return Page(
        headline({**metrics, "stamps": []}),
        f"{metrics['data']['source']}; chosen on {metrics['chosen_on']} by {metrics['select']}",
        metrics["stamps"],
        list(_cards(metrics)),
        _filled(top),
        browser,
        _filled(below),
    )


def _page_of_groups(groups: Sequence[Group], progress: Progress) -> Page:
    first = groups[0].first.metrics
    targets = targets_of(groups, SPLIT)
    quoted, _ = find_quoted(load_catalog())
    metrics = [run.metrics for group in groups for run in group.runs]
    top = [
        *map(as_section, comparable_tables(groups, SPLIT, quoted)),
        Section("Warnings and notes", _notes(groups)),
        Section("Classes", drawn(class_scores(groups, targets), progress)),
    ]
    below = [
        Section("Who is right where", _pairs(groups, targets[0])),
        *analysis(groups),
        Section("Confusion", drawn(confusions(groups), progress)),
        Section("What differs", [_differences(groups)]),
        Section(f"What was run: {groups[0].name}", sections.settings(groups[0].first)),
        Section("Data", sections.data(first)),
        Section("Environment", sections.environment(groups[0].first)),
    ]
    stamps = dict.fromkeys(stamp for each in metrics for stamp in each["stamps"])
    names = f"{len(groups)} variants" if len(groups) > 1 else groups[0].name
    count = f"{names}, {len(metrics)} {'runs' if len(groups) > 1 else 'seeds'}"
    return Page(
        first["title"],
        f"{count}; protocol {first['protocol']}; {first['data']['source']}",
        tuple(stamps),
        (),
        _filled(top),
        browser_data(groups, None),
        _filled(below),
    )


def _notes(groups: Sequence[Group]) -> list[Bullets]:
    """Return the notes on the runs; notes that apply to only some variants name them."""
    told: dict[str, list[str]] = {}
    for group in groups:
        for note in dict.fromkeys(n for r in group.runs for n in (*r.metrics.get("warnings", ()), *r.metrics["notes"])):
            told.setdefault(note, []).append(group.name)
    lines = [note if len(names) == len(groups) else f"{', '.join(names)}: {note}" for note, names in told.items()]
    return [Bullets(lines)] if lines else []


def _browser(group: Group, progress: Progress, allow_plugin_files: bool) -> tuple[Mapping[str, Any], str]:
    """Return the browser data, and the reason why the model or its data is not available, if so."""
    try:
        return browser_data([group], reopen(group.first.folder, progress, allow_plugin_files)), ""
    except ErcfwError as error:
        return browser_data([group], None), f"no attention, and no modality alone, in the conversations: {error}"


def _cards(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the single-number scores of test, with those of dev beside them."""
    for target, of_target in metrics["scores"].get(SPLIT, {}).items():
        for name, value in sorted(of_target.items(), key=lambda item: f"{target}.{item[0]}" != metrics["select"]):
            if isinstance(value, float):
                dev = metrics["scores"].get("dev", {}).get(target, {}).get(name)
                beside = f"dev {100 * dev:.2f}" if isinstance(dev, float) else ""
                yield f"{name}, {SPLIT}", f"{100 * value:.2f}", beside


def _pairs(groups: Sequence[Group], target: str) -> list[Paragraph | Grid]:
    pairs = pair_counts(groups, SPLIT, target)
    if not pairs or len(pairs) > MOST_PAIRS:
        pairs = [pair for pair in pairs if pair["one"] == groups[0].name]
    told = f"Utterances of {SPLIT} that more than half of a variant's seeds name rightly."
    rows = [[str(value) for value in pair.values()] for pair in pairs]
    return [Paragraph(told), Grid(list(pairs[0]), rows)] if pairs else []


def _differences(groups: Sequence[Group]) -> Grid:
    """Return the settings in which the recipes of the variants differ."""
    ran = [group.first for group in groups if (group.first.folder / "recipe.toml").is_file()]  # no ensembles
    flat = {group.name: dict(_flat(group.first.recipe)) for group in groups if group.first in ran}
    keys = dict.fromkeys(key for each in flat.values() for key in each if key != "seeds")
    rows = [
        [key, *(str(each.get(key, "")) for each in flat.values())]
        for key in keys
        if len({str(each.get(key, "")) for each in flat.values()}) > 1
    ]
    return Grid(["setting", *flat], rows)


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _filled(made: Sequence[Section]) -> list[Section]:
    """Return the sections that have content."""
    kept = [replace(section, blocks=list(filter(_is_filled, section.blocks))) for section in made]
    return [section for section in kept if section.blocks]


def _is_filled(block: Block) -> bool:
    return not isinstance(block, Grid) or bool(block.rows)
