"""The prediction table of a run."""

from collections.abc import Mapping, Sequence

from ercfw.contract.conversation import Conversation
from ercfw.contract.data_info import DataInfo
from ercfw.contract.stored_streams import presence
from ercfw.results.prediction_table import PredictionTable, join
from ercfw.results.scoring import Predictions
from ercfw.results.target_predictions import TargetPredictions


def run_table(
    splits: Mapping[str, Sequence[Conversation]],
    predictions: Mapping[str, Predictions],
    info: DataInfo,
    trained: Sequence[Conversation],
    stamps: Sequence[str],
) -> PredictionTable:
    """Return the predictions of every split as one table.

    ``kind`` is the conversation's kind, ``new_speaker`` is "yes" if the speaker is absent from the ``trained``
    conversations, and ``lacks`` names the absent modalities, separated by spaces.
    """
    known = {speaker for conversation in trained for speaker in conversation.speakers}
    return join(
        [
            PredictionTable(
                _describe(split, splits[split], known, list(info.modalities)),
                {target: _of_target(predicted, target, info) for target in predicted.labels},
                frozenset(predicted.labels),
                tuple(stamps),
            )
            for split, predicted in predictions.items()
        ]
    )


def _describe(
    split: str, conversations: Sequence[Conversation], known: set[str], modalities: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    present = {name: presence(conversations, name) for name in modalities}  # [N] each
    rows = [
        (split, conversation.id, utterance, speaker, text, conversation.kind, "no" if speaker in known else "yes")
        for conversation in conversations
        for utterance, speaker, text in zip(
            conversation.utterances, conversation.speakers, conversation.texts, strict=True
        )
    ]
    columns = ("split", "conversation", "utterance", "speaker", "text", "kind", "new_speaker")
    found = {name: tuple(row[place] for row in rows) for place, name in enumerate(columns)}
    lacks = [" ".join(name for name, there in present.items() if not there[row]) for row in range(len(rows))]
    return {**found, "lacks": tuple(lacks)}


def _of_target(predicted: Predictions, target: str, info: DataInfo) -> TargetPredictions:
    spec = info.targets[target]
    return TargetPredictions.of(
        predicted.ids, predicted.labels[target], predicted.values[target], spec.classes, spec.kind
    )
