"""``predictions.csv``: one row per utterance."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ercfw.contract.conversation import UNLABELLED, Conversation
from ercfw.contract.data_info import DataInfo
from ercfw.contract.stored_streams import presence
from ercfw.results.scoring import Predictions
from ercfw.system.files import replacing

ABOUT = ("kind", "new_speaker", "lacks")
"""Columns that describe the utterance rather than a prediction."""


def write_predictions(
    path: Path,
    splits: Mapping[str, Sequence[Conversation]],
    predictions: Mapping[str, Predictions],
    info: DataInfo,
    trained: Sequence[Conversation],
    stamps: Sequence[str],
) -> None:
    """Write ids, speaker, text, and for each target the label, the prediction and one probability per class.

    The columns of a target are ``emotion``, ``emotion.predicted``, ``emotion.p.joy`` and so on. The label of an
    unlabelled utterance is empty. ``kind`` is the conversation's kind. ``new_speaker`` says whether the speaker is
    absent from the ``trained`` conversations. ``lacks`` names absent modalities. Stamps have a separate column.
    """
    known = {speaker for conversation in trained for speaker in conversation.speakers}
    targets = list(next(iter(predictions.values())).labels)
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_header(info, targets, stamps))
        for split, predicted in predictions.items():
            lacks = _lacks(splits[split], list(info.modalities))
            row = 0
            for conversation in splits[split]:
                for place, utterance in enumerate(conversation.utterances):
                    said = [conversation.speakers[place], conversation.texts[place]]
                    about = [conversation.kind, _yes(conversation.speakers[place] not in known), next(lacks)]
                    answers = [cell for target in predicted.labels for cell in _cells(predicted, info, target, row)]
                    writer.writerow([split, conversation.id, utterance, *said, *about, *answers, *_stamp(stamps)])
                    row += 1


def _header(info: DataInfo, targets: Sequence[str], stamps: Sequence[str]) -> list[str]:
    header = ["split", "conversation", "utterance", "speaker", "text", *ABOUT]
    for target in targets:
        header += [target, f"{target}.predicted", *(f"{target}.p.{name}" for name in info.targets[target].classes)]
    return header + (["stamp"] if stamps else [])


def _lacks(conversations: Sequence[Conversation], modalities: Sequence[str]) -> Iterator[str]:
    """Yield for each utterance the modalities that it lacks, separated by spaces."""
    present = {name: presence(conversations, name) for name in modalities}  # [N] each
    for row in range(sum(map(len, conversations))):
        yield " ".join(name for name, there in present.items() if not there[row])


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _stamp(stamps: Sequence[str]) -> list[str]:
    return [", ".join(stamps)] if stamps else []


def _cells(predicted: Predictions, info: DataInfo, target: str, row: int) -> list[Any]:
    classes = info.targets[target].classes
    label = predicted.labels[target][row]
    probabilities = predicted.probabilities[target][row]
    named = "" if label == UNLABELLED else classes[label]
    return [named, classes[int(probabilities.argmax())], *(f"{p:.6f}" for p in probabilities)]
