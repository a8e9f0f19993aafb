"""``predictions.csv``: a row an utterance."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ercfw.conversations import UNLABELLED, Conversation
from ercfw.evaluate import Predictions
from ercfw.files import replacing
from ercfw.info import DataInfo


def write_predictions(
    path: Path,
    splits: Mapping[str, Sequence[Conversation]],
    predictions: Mapping[str, Predictions],
    info: DataInfo,
    stamps: Sequence[str],
) -> None:
    """Ids, speaker, text, and for each predicted target its label, prediction and one probability a class.

    Columns of a target: ``emotion``, ``emotion.predicted``, ``emotion.p.joy`` and so on; an utterance
    without a label has none. Stamps have a column of their own.
    """
    targets = list(next(iter(predictions.values())).labels)
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_header(info, targets, stamps))
        for split, predicted in predictions.items():
            row = 0
            for conversation in splits[split]:
                for place, utterance in enumerate(conversation.utterances):
                    said = [conversation.speakers[place], conversation.texts[place]]
                    answers = [cell for target in predicted.labels for cell in _cells(predicted, info, target, row)]
                    writer.writerow([split, conversation.id, utterance, *said, *answers, *_stamp(stamps)])
                    row += 1


def _header(info: DataInfo, targets: Sequence[str], stamps: Sequence[str]) -> list[str]:
    header = ["split", "conversation", "utterance", "speaker", "text"]
    for target in targets:
        header += [target, f"{target}.predicted", *(f"{target}.p.{name}" for name in info.targets[target].classes)]
    return header + (["stamp"] if stamps else [])


def _stamp(stamps: Sequence[str]) -> list[str]:
    return [", ".join(stamps)] if stamps else []


def _cells(predicted: Predictions, info: DataInfo, target: str, row: int) -> list[Any]:
    classes = info.targets[target].classes
    label = predicted.labels[target][row]
    probabilities = predicted.probabilities[target][row]
    named = "" if label == UNLABELLED else classes[label]
    return [named, classes[int(probabilities.argmax())], *(f"{p:.6f}" for p in probabilities)]
