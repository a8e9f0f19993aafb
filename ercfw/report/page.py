"""``report.md``: what a person reads of a run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ercfw.info import DataInfo
from ercfw.report.tables import class_rows, headline, score_rows

MEANING = {
    "SIMULATED": "the conversations were made up, so the numbers say nothing about any corpus",
    "CHOSEN ON TEST": "the reported epoch is the best one on test, so its score is too good",
    "DEV CONTAMINATED": "a stream was fitted on labels of dev, so dev scores, and the epoch they chose, are too good",
}

MEGABYTE = 1e6


def page(metrics: Mapping[str, Any], tables: Mapping[str, Any], environment: Mapping[str, Any], info: DataInfo) -> str:
    """The report of one run, in Markdown.

    Args:
        metrics: as in ``metrics.json``.
        tables: the resolved recipe.
        environment: as in ``environment.json``.
        info: the classes, and how often train has each.
    """
    sections = (
        ("Scores", _scores(metrics, info)),
        ("Warnings and notes", [f"- {note}" for note in [*metrics["warnings"], *metrics["notes"]]]),
        ("Pictures", [f"![{picture}]({picture})" for picture in metrics["pictures"]]),
        ("What was run", _settings(tables)),
        ("Data", _data(metrics)),
        ("Environment", _environment(environment)),
        ("Again", ["```", f"ercfw run {metrics['folder']}/recipe.toml", "```"]),
    )
    lines = [f"# {headline(metrics)}", ""]
    for stamp in metrics["stamps"]:
        lines += [f"> **{stamp}**: {MEANING[stamp]}." if stamp in MEANING else f"> **{stamp}**", ""]
    for title, body in sections:
        lines += [f"## {title}", "", *body, ""] if body else []
    return "\n".join(lines).rstrip() + "\n"


def _scores(metrics: Mapping[str, Any], info: DataInfo) -> list[str]:
    lines = [
        f"Epoch {metrics['best_epoch']} of {metrics['epochs']}, chosen on {metrics['chosen_on']} by "
        f"`{metrics['select']}`; {metrics['parameters']:,} parameters; {metrics['seconds']:.0f} s; "
        f"at most {metrics['peak_memory'] / MEGABYTE:.0f} MB.",
        "",
    ]
    splits, rows = score_rows(metrics)
    lines += markdown_table(["score", *splits], ([name, *values] for name, values in rows))
    counts = {(target, c): n for target, t in info.targets.items() for c, n in zip(t.classes, t.counts, strict=True)}
    for (target, metric), by_class in class_rows(metrics).items():
        header = [f"{target}: {metric} of", "in train", *splits]
        lines += ["", *markdown_table(header, ([c, str(counts[target, c]), *values] for c, values in by_class))]
    return lines


def _settings(tables: Mapping[str, Any]) -> list[str]:
    """A row a part, then the rest of the recipe."""
    parts = []
    for kind in ("data", "features", "encoder", "context", "fusion", "head", "model", "loss", "train"):
        table = tables.get(kind, {})
        named = all(isinstance(value, Mapping) for value in table.values()) and kind != "train"
        for name, part in table.items() if named else [("", table)]:
            options = {key: value for key, value in part.items() if key != "use" and value not in ({}, [])}
            parts.append([f"{kind}.{name}".rstrip("."), str(part.get("use", "")), _in_words(options)])
    return markdown_table(["table", "use", "settings"], (row for row in parts if any(row[1:])))


def _data(metrics: Mapping[str, Any]) -> list[str]:
    data = metrics["data"]
    lines = [f"Source: {data['source']}.", ""]
    sizes = metrics["sizes"]
    lines += markdown_table(
        ["split", *next(iter(sizes.values()))], ([s, *map(str, n.values())] for s, n in sizes.items())
    )
    if metrics["streams"]:
        rows = (
            [name, _in_words(s["made_by"]), s["fitted_on"], _in_words(s["present"])]
            for name, s in metrics["streams"].items()
        )
        lines += ["", *markdown_table(["stream", "made by", "fitted on", "utterances that have it"], rows)]
    if data["files"]:
        lines += [
            "",
            *markdown_table(["file", "sha256"], ([name, f"`{digest}`"] for name, digest in data["files"].items())),
        ]
    return lines


def _environment(environment: Mapping[str, Any]) -> list[str]:
    versions = {"python": environment["python"], "ercfw": environment["ercfw"], **environment["libraries"]}
    return [
        f"- {environment['processes']} process(es) on {environment['device']}, {environment['threads']} thread(s), "
        f"{environment['platform']}",
        "- " + ", ".join(f"{name} {version}" for name, version in versions.items()),
        "- plugins: " + ", ".join(f"{name} {version}" for name, version in environment["plugins"].items()),
        f"- git revision: {environment['git'] or 'none'}",
    ]


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = (
            (key, f"({_in_words(item)})" if isinstance(item, Mapping) else _in_words(item))
            for key, item in value.items()
        )
        return ", ".join(f"{key} = {text}" for key, text in inner)
    return " ".join(map(_in_words, value)) if isinstance(value, (list, tuple)) else str(value)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    safe = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in (header, *rows)]
    lines = [f"| {' | '.join(row)} |" for row in safe]
    return [lines[0], "|---" * len(header) + "|", *lines[1:]]
