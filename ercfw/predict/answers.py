"""Predictions for new utterances: one row per utterance, as a table, CSV or JSON."""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from ercfw.contract.conversation import UNLABELLED
from ercfw.errors import shown
from ercfw.results.prediction_table import KEYS, PredictionTable, TargetPredictions, write_csv

LONGEST_CELL = 60
"""Maximum number of characters of a text that the table shows."""


@dataclass(frozen=True)
class Answer:
    """Prediction for one utterance.

    Attributes:
        conversation: its id.
        utterance: its id.
        speaker: who speaks.
        text: the words of the utterance.
        start: the start in seconds, if known.
        end: the end in seconds, if known.
        predicted: the class of each target.
        probabilities: of each target, one per class; they add up to 1.
    """

    conversation: str
    utterance: str
    speaker: str
    text: str
    start: float | None
    end: float | None
    predicted: Mapping[str, str]
    probabilities: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Predicted:
    """Answers of one call.

    Attributes:
        title: title of the recipe that the model was trained with.
        stamps: words that must appear on everything made by this model.
        warnings: what a reader of the predictions should know.
        answers: in the order of the conversations.
    """

    title: str
    stamps: tuple[str, ...]
    warnings: tuple[str, ...]
    answers: tuple[Answer, ...]


def as_json(predicted: Predicted) -> str:
    """Return one JSON object: title, stamps, warnings and a list of answers; probabilities have six digits."""
    return json.dumps(asdict(predicted), ensure_ascii=False, indent=2)


def as_csv(predicted: Predicted) -> str:
    """Return one CSV line per utterance, with the columns of a run's ``predictions.csv`` and unchanged texts."""
    file = io.StringIO()
    write_csv(file, _table(predicted), line_end="\n")
    return file.getvalue()


def _table(predicted: Predicted) -> PredictionTable:
    answers = predicted.answers
    about = {name: tuple(_cell(getattr(answer, name)) for answer in answers) for name in (*KEYS, "start", "end")}
    ids = tuple((answer.conversation, answer.utterance) for answer in answers)
    targets = {}
    for target, probabilities in answers[0].probabilities.items():
        classes = tuple(probabilities)
        targets[target] = TargetPredictions(
            ids,
            np.full(len(ids), UNLABELLED),
            np.array([classes.index(answer.predicted[target]) for answer in answers]),
            np.array([list(answer.probabilities[target].values()) for answer in answers]),
            classes,
        )
    return PredictionTable(about, targets, stamps=predicted.stamps)


def _cell(value: str | float | None) -> str:
    return "" if value is None else str(value)


def answers_table(predicted: Predicted) -> Table:
    """Return a table for a terminal: each target's class and its probability in percent. Long texts are cut."""
    stamps = "".join(f" [{stamp}]" for stamp in predicted.stamps)
    table = Table(title=Text(shown(predicted.title) + stamps), box=box.SIMPLE_HEAD, title_style="bold")
    targets = list(predicted.answers[0].predicted)
    for heading in ("conversation", "utterance", "speaker", "text"):
        table.add_column(heading, overflow="fold")
    table.add_column("start", justify="right")
    for target in targets:
        table.add_column(target)
        table.add_column("%", justify="right")
    for answer in predicted.answers:
        values = [answer.conversation, answer.utterance, answer.speaker, answer.text]
        start = "" if answer.start is None else f"{answer.start:.1f}"
        cells = [*(shown(cell, LONGEST_CELL) for cell in values), start]
        for target in targets:
            name = answer.predicted[target]
            cells += [shown(name), f"{100 * answer.probabilities[target][name]:.0f}"]
        table.add_row(*map(Text, cells))
    return table
