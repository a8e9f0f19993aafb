"""Predictions for new utterances: one row per utterance, as a table, CSV or JSON."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from ercfw.contract.conversation import UNLABELLED, UtteranceId
from ercfw.errors import shown
from ercfw.results.prediction_csv import write_csv
from ercfw.results.prediction_table import KEYS, PredictionTable
from ercfw.results.target_predictions import TargetPredictions

LONGEST_CELL = 60
"""Maximum number of characters of a text that the table shows."""


Prediction = str | tuple[str, ...] | Mapping[str, float]
"""A class, several labels, or numbers by name."""


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
        predicted: for each target its class, its labels, or its numbers by name.
        probabilities: for each target, one per class, which add up to 1, or one per label; none for numbers.
    """

    conversation: str
    utterance: str
    speaker: str
    text: str
    start: float | None
    end: float | None
    predicted: Mapping[str, Prediction]
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
    targets = {target: _of_target(ids, answers, target) for target in answers[0].predicted}
    return PredictionTable(about, targets, stamps=predicted.stamps)


def _of_target(ids: tuple[UtteranceId, ...], answers: Sequence[Answer], target: str) -> TargetPredictions:
    """Return the predictions of one target as a table has them, without labels."""
    first = answers[0].predicted[target]
    if isinstance(first, Mapping):
        names = tuple(first)
        numbers = np.array([list(_numbers(answer, target).values()) for answer in answers])  # [N, C]
        return TargetPredictions.of(ids, np.full(numbers.shape, np.nan), numbers, names, "regression")
    names = tuple(answers[0].probabilities[target])
    probabilities = np.array([list(answer.probabilities[target].values()) for answer in answers])  # [N, C]
    if isinstance(first, str):
        classes = np.array([names.index(str(answer.predicted[target])) for answer in answers])
        return TargetPredictions(ids, np.full(len(ids), UNLABELLED), classes, probabilities, names)
    given = np.array([[int(name in answer.predicted[target]) for name in names] for answer in answers])  # [N, C]
    return TargetPredictions(ids, np.full(given.shape, UNLABELLED), given, probabilities, names, "multilabel")


def _numbers(answer: Answer, target: str) -> Mapping[str, float]:
    numbers = answer.predicted[target]
    assert isinstance(numbers, Mapping)
    return numbers


def _cell(value: str | float | None) -> str:
    return "" if value is None else str(value)


def answers_table(predicted: Predicted) -> Table:
    """Return a table for a terminal: each target's class and its probability in percent; its labels; or its numbers.

    Long texts are cut.
    """
    stamps = "".join(f" [{stamp}]" for stamp in predicted.stamps)
    table = Table(title=Text(shown(predicted.title) + stamps), box=box.SIMPLE_HEAD, title_style="bold")
    targets = list(predicted.answers[0].predicted)
    for heading in ("conversation", "utterance", "speaker", "text"):
        table.add_column(heading, overflow="fold")
    table.add_column("start", justify="right")
    for target in targets:
        table.add_column(target)
        if isinstance(predicted.answers[0].predicted[target], str):
            table.add_column("%", justify="right")
    for answer in predicted.answers:
        values = [answer.conversation, answer.utterance, answer.speaker, answer.text]
        start = "" if answer.start is None else f"{answer.start:.1f}"
        cells = [*(shown(cell, LONGEST_CELL) for cell in values), start]
        for target in targets:
            cells += _shown(answer, target)
        table.add_row(*map(Text, cells))
    return table


def _shown(answer: Answer, target: str) -> list[str]:
    """Return the cells of one target."""
    found = answer.predicted[target]
    if isinstance(found, str):
        return [shown(found), f"{100 * answer.probabilities[target][found]:.0f}"]
    if isinstance(found, Mapping):
        named = len(found) > 1
        return [
            shown(", ".join(f"{name} {number:.2f}" if named else f"{number:.2f}" for name, number in found.items()))
        ]
    return [shown(", ".join(found) or "none")]
