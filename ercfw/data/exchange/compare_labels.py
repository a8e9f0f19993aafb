"""Compare the labels of a public file with those of the corpus."""

import math
from collections.abc import Mapping, Sequence

from ercfw.contract.conversation import UNLABELLED, Conversation, UtteranceId
from ercfw.contract.interfaces import Dataset
from ercfw.contract.published_features import Key, Published
from ercfw.contract.targets import as_target
from ercfw.data.exchange.class_target import class_target
from ercfw.errors import InputError

UNPROVEN = "these files have no labels, so it is not verified that their rows belong to these utterances"
TOLERANCE = 0.01
"""The largest difference of two scores that agree, because tables may hold rounded ones."""
Label = str | float
Labels = Mapping[Key, Sequence[Label | None]]
"""The class or the score of each utterance; None = the utterance has none."""


def compare_labels(
    published: Published,
    dataset: Dataset,
    by_key: Mapping[Key, Conversation],
    ids: Mapping[Key, tuple[UtteranceId, ...]],
) -> tuple[int, list[str]]:
    """Compare all labels that both sides have: scores if the corpus has a target of that name, classes otherwise.

    Args:
        published: the content of the file.
        dataset: the corpus.
        by_key: the conversation of the corpus for each key of the file.
        ids: the utterance of each row of the file.

    Returns:
        The number of labels that agree, and warnings about labels that are not compared.

    Raises:
        InputError: a label differs; the message names the first.
    """
    if not published.labels:
        return 0, [UNPROVEN]
    score = next((name for name in published.scores if _is_score(dataset, name)), None)
    given, true = _classes(published, dataset, by_key) if score is None else _scores(published, score, by_key)
    where = str(published.paths[0])
    agreeing, unknown, differing = 0, 0, []
    for key, conversation in by_key.items():
        if len(given[key]) != len(ids[key]):
            what = f"has {len(given[key])} labels for {len(ids[key])} utterances"
            raise InputError.at(f"{where}: conversation {key} ({conversation.id})", what)
        truth = dict(zip(conversation.utterances, true[key], strict=True))
        for (_, utterance), label in zip(ids[key], given[key], strict=True):
            known = truth.get(utterance)
            if known is None or label is None:
                unknown += 1
            elif _agree(label, known):
                agreeing += 1
            else:
                both = f"{_shown(label)} in the file, {_shown(known)} in the corpus"
                differing.append(f"{conversation.id}, utterance {utterance}: {both}")
    if differing:
        what = f"{len(differing)} of {agreeing + len(differing)} labels differ from the corpus, first at {differing[0]}"
        hint = "check that no row or label is shifted, and that the classes have the same numbers"
        raise InputError.at(where, what, hint)
    return agreeing, [f"labels that are not compared, because the corpus lacks them: {unknown}"] if unknown else []


def _is_score(dataset: Dataset, name: str) -> bool:
    return name in dataset.targets and as_target(dataset.targets[name]).form == "regression"


def _classes(published: Published, dataset: Dataset, by_key: Mapping[Key, Conversation]) -> tuple[Labels, Labels]:
    """Return the names of the classes in the file and in the corpus."""
    target, classes = class_target(dataset)
    meaning = published.classes or classes

    def name(number: int) -> str:
        return meaning[number] if 0 <= number < len(meaning) else f"class {number}"

    given = {key: [name(number) for number in published.labels[key]] for key in by_key}
    true = {
        key: [None if number == UNLABELLED else classes[number] for number in conversation.labels[target].tolist()]
        for key, conversation in by_key.items()
    }
    return given, true


def _scores(published: Published, name: str, by_key: Mapping[Key, Conversation]) -> tuple[Labels, Labels]:
    """Return the scores in the file and in the corpus."""
    given = {key: list(published.scores[name].values[key]) for key in by_key}
    true = {
        key: [None if math.isnan(score) else score for score in conversation.labels[name][:, 0].tolist()]
        for key, conversation in by_key.items()
    }
    return given, true


def _agree(label: Label, known: Label) -> bool:
    if isinstance(label, str) or isinstance(known, str):
        return label == known
    return abs(label - known) <= TOLERANCE


def _shown(label: Label) -> str:
    return label if isinstance(label, str) else f"{label:g}"
