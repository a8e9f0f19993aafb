"""``ercfw predict``."""

import io
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ercfw.cli.app import Trust, app, interruptible, results_console, show_outside
from ercfw.errors import InputError, with_warnings
from ercfw.system.files import is_there
from ercfw.system.launch import MANY
from ercfw.system.streams import can_encode
from ercfw.system.writable import check_folder

if TYPE_CHECKING:
    from ercfw.predict import TrainedModel
    from ercfw.predict.answers import Predicted
    from ercfw.system.terminal import Terminal

Format = Literal["table", "csv", "json"]
HINT = "extracted features are kept; the same command continues"


@app.command(epilog="ercfw predict runs/mine/base/seed-0 new.csv  |  ercfw predict RUN clips --transcript said.csv  |  "
             "ercfw predict RUN film.mp4 --subtitles film.srt --out film.csv  |  "
             "ercfw predict RUN 'I love it.'")  # fmt: skip
def predict(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run, or its model.safetensors.", metavar="RUN")],
    data: Annotated[
        str | None,
        typer.Argument(
            help="A CSV table, a folder of clips, a video or sound file, subtitles, or a sentence; "
            "'-' reads utterances from standard input, one per line.",
            metavar="INPUT",
        ),
    ] = None,
    transcript: Annotated[Path | None, typer.Option(help="A CSV table with the words of the clips or file.")] = None,
    subtitles: Annotated[Path | None, typer.Option(help="SubRip or WebVTT of the one file.")] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(help="A feature file in place of an extractor; repeatable.", metavar="MODALITY=FILE"),
    ] = None,
    format_: Annotated[
        Format | None, typer.Option("--format", help="By default as the ending of --out, or a table.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A .csv or .json file instead of the terminal.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite --out.")] = False,
    processes: Annotated[int | None, typer.Option(min=1, max=MANY, help="Processes that read clips.")] = None,
    trust: Trust = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show only warnings, errors and results.")] = False,
) -> None:
    """Predict the emotion of every utterance of new data."""
    kind = _format(format_, out)
    files = _files(features or [])
    _check_out(out, force)
    from ercfw.data.extraction.workers import default_processes
    from ercfw.system.terminal import Terminal

    terminal = Terminal(quiet=quiet)
    texts, notes = _texts(data)
    with interruptible(terminal, HINT), with_warnings(notes):
        model = _open(run, trust, terminal)
        with terminal.progress() as bars:
            predicted = model.predict(
                None if texts is not None else data,
                transcript=transcript,
                subtitles=subtitles,
                texts=texts,
                features=files,
                progress=bars.or_lines,
                processes=processes or default_processes(),
            )
    predicted = replace(predicted, warnings=(*notes, *predicted.warnings))
    for warning in predicted.warnings:
        terminal.warning(warning)
    _show(predicted, kind, out, terminal)


def _check_out(out: Path | None, force: bool) -> None:
    if out is not None and is_there(out) and not force:
        raise InputError.at(f"--out {out}", "already exists", "overwrite it with --force")
    if out is not None:
        check_folder("--out", out.parent)


def _open(run: Path, trust: bool | None, terminal: "Terminal") -> "TrainedModel":
    """Load the model, and name what its folder makes the command read or run."""
    from ercfw.predict import load
    from ercfw.system.files import is_folder

    show_outside(run if is_folder(run) else run.parent, terminal.info)
    model = load(run, allow_plugin_files=trust is not False, trust=bool(trust))
    for path in model.plugin_files:
        terminal.info(f"ran plugin file {path}")
    return model


def _texts(data: str | None) -> tuple[list[str] | None, tuple[str, ...]]:
    """Return the texts that are given in place of a file, and warnings about reading them; None = a file is given."""
    from ercfw.data.tables.text import decode_text
    from ercfw.predict.inputs import ENDINGS
    from ercfw.predict.texts import is_text

    if data == "-":
        read = decode_text(sys.stdin.buffer.read(), "standard input")
        return list(io.StringIO(read.value, newline=None)), read.warnings
    if data is None or not is_text(data, ENDINGS):
        return None, ()
    read = decode_text(os.fsencode(data), "the text")
    return [read.value], read.warnings


def _show(predicted: "Predicted", kind: Format, out: Path | None, terminal: "Terminal") -> None:
    from ercfw.predict.answers import answers_table, as_csv, as_json
    from ercfw.system.files import write_text

    if kind == "table":
        results_console().print(answers_table(predicted))
        return
    text = as_csv(predicted) if kind == "csv" else as_json(predicted) + "\n"
    if out is None:
        if kind == "csv" and not can_encode(text):
            what = f"standard output has the encoding {sys.stdout.encoding}: other characters are written as \\uXXXX"
            terminal.warning(f"{what} (--out FILE writes UTF-8)")
        sys.stdout.write(text)
        return
    write_text(out, text)
    terminal.info(f"{len(predicted.answers)} predictions: {out}")


def _format(asked: Format | None, out: Path | None) -> Format:
    """Return the format of the predictions."""
    if out is None:
        return asked or "table"
    endings: dict[str, Format] = {".csv": "csv", ".json": "json"}
    if asked == "table" or (asked is None and out.suffix.lower() not in endings):
        raise InputError.at(f"--out {out}", "is neither CSV nor JSON", "end it with .csv or .json, or give --format")
    return asked or endings[out.suffix.lower()]


def _files(words: list[str]) -> dict[str, Path]:
    """Read ``text=FILE`` of each modality."""
    files: dict[str, Path] = {}
    for word in words:
        modality, equals, path = word.partition("=")
        if not (modality and equals and path) or modality in files:
            raise InputError.at(f"--features {word}", "is not one file of one modality", "--features text=FILE")
        files[modality] = Path(path)
    return files
