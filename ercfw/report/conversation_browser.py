"""Data of the conversation browser of a report: utterances, the predictions of each run, and attention."""

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.targets import TargetKind, decided
from ercfw.errors import InputError
from ercfw.predict.explain import Maps, Reopened
from ercfw.report.html import in_script
from ercfw.report.plots.attention import readable_name
from ercfw.report.plots.style import looks
from ercfw.results.comparison.comparability import answered_targets
from ercfw.results.finished_run import FinishedRun, Group
from ercfw.results.target_predictions import TargetPredictions

MOST_TEXT = 2_400_000
"""Maximum bytes of conversations and predictions in a page; the page omits the rest, dev before test."""
MOST_ATTENTION = 2_400_000
"""Maximum characters of attention in a page; above it, only the mean over heads is kept, then only the last layer."""
LONGEST = 400
"""Maximum utterances of a conversation with attention; the number of weights grows quadratically."""
DIGITS = 1000
"""Scale of probabilities, which are stored as whole thousandths."""


@dataclass(frozen=True)
class PredictionLine:
    """The predictions that the browser shows as one line per utterance, for a split.

    Attributes:
        name: the name of the run or variant, or ``text alone``.
        probabilities: ``[N, C]`` for each target; of numbers, these.
        predicted: ``[N]`` class numbers, ``[N, C]`` labels, or ``[N, C]`` numbers for each target. Probabilities in a
            table are rounded, so the largest of them need not be the predicted class.
    """

    name: str
    probabilities: Mapping[str, NDArray[np.floating[Any]]]
    predicted: Mapping[str, NDArray[Any]]


def browser_data(groups: Sequence[Group], opened: Reopened | None) -> dict[str, Any]:
    """Return the JSON data that the script of the page reads.

    Args:
        groups: groups scored on the same utterances; probabilities are means over their seeds. A split or target
            that they do not share is omitted.
        opened: the reopened run; None for several runs, or if the model is not available.

    Raises:
        InputError: the reopened data has other utterances than those that were scored.
    """
    first = groups[0].first
    shared = answered_targets(groups)
    splits = [split for split in first.splits if all(_is_same(groups, split, target) for target in shared)]
    kinds = {target: first.predictions.targets[target].kind for target in shared}
    classed = [target for target in shared if kinds[target] == "classes"]
    targets = {target: first.predictions.targets[target].classes for target in classed}
    data: dict[str, Any] = {
        "targets": [
            {"name": target, "classes": list(classes), "colours": [look.colour for look in looks(classes)]}
            for target, classes in targets.items()
        ],
        "others": [target for target in shared if target not in classed],
        "splits": [],
        "left_out": 0,
        "note": "Predictions by probabilities averaged over seeds."
        if any(len(group.runs) > 1 for group in groups)
        else "",
    }
    room = MOST_TEXT
    for split in splits:
        if opened is not None:
            _check_same(first, split, opened)
        lines = [*_of_groups(groups, split, shared), *(_alone(opened, split, kinds) if opened else [])]
        whole = _conversations(first, split, lines, classed, data["others"])
        kept = []
        for conversation in whole:
            room -= len(in_script(conversation).encode())
            if room < 0:
                break
            kept.append(conversation)
        data["left_out"] += sum(len(conversation["utterances"]) for conversation in whole[len(kept) :])
        if kept:
            data["answers"] = [line.name for line in lines]
            data["splits"].append({"name": split, "conversations": kept})
    return data | {"attention": _attention(data, opened) if opened else None}


def _is_same(groups: Sequence[Group], split: str, target: str) -> bool:
    """Return whether all groups have the same utterances in a split; those of dev may differ."""
    first = groups[0].first.answers(split, target)
    return all(run.answers(split, target).is_of_same(first) for group in groups for run in group.runs)


def _check_same(run: FinishedRun, split: str, opened: Reopened) -> None:
    now = [id for conversation in opened.splits.get(split, ()) for id in conversation.ids]
    if list(run.of_split(split).ids) != now:
        raise InputError.at(run.folder, f"its data now has other utterances of {split} than those that were scored")


def _of_groups(groups: Sequence[Group], split: str, targets: Sequence[str]) -> list[PredictionLine]:
    return [_of_group(group, split, targets) for group in groups]


def _of_group(group: Group, split: str, targets: Sequence[str]) -> PredictionLine:
    """Return the predictions of one run, or the means over seeds and their largest class."""
    answers = {target: [run.answers(split, target) for run in group.runs] for target in targets}
    means = {target: np.mean([each.values for each in of_runs], axis=0) for target, of_runs in answers.items()}
    if len(group.runs) == 1:
        return PredictionLine(group.name, means, {target: only.predicted for target, (only,) in answers.items()})
    kinds = {target: of_runs[0].kind for target, of_runs in answers.items()}
    return PredictionLine(group.name, means, _decided(means, kinds))


def _decided(
    values: Mapping[str, NDArray[np.floating[Any]]], kinds: Mapping[str, TargetKind]
) -> dict[str, NDArray[Any]]:
    return {target: decided(kinds[target], of_target) for target, of_target in values.items() if target in kinds}


def _alone(opened: Reopened, split: str, kinds: Mapping[str, TargetKind]) -> list[PredictionLine]:
    modalities = opened.run.recipe.data.modalities
    lines = []
    for name in modalities if len(modalities) > 1 else ():
        probabilities = opened.alone(opened.splits[split], name)
        lines.append(PredictionLine(f"{name} alone", probabilities, _decided(probabilities, kinds)))
    return lines


def _conversations(
    run: FinishedRun, split: str, lines: Sequence[PredictionLine], targets: Sequence[str], others: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the conversations with their utterances.

    Each utterance is ``[id, speaker, text, labels, probabilities, predicted classes]``: labels per target, the others
    per target and line. Probabilities are in thousandths. If there are other targets than those of classes, a last
    entry has for each of them the label and the predictions of all lines in words.
    """
    in_words = {target: _in_words(run.answers(split, target), lines, target) for target in others}
    labels = {target: run.answers(split, target).labels for target in targets}
    thousandths = {
        target: np.stack([np.rint(DIGITS * line.probabilities[target]).astype(int) for line in lines], 1)  # [N, L, C]
        for target in targets
    }
    predicted = {target: np.stack([line.predicted[target] for line in lines], 1) for target in targets}  # [N, L] each
    found: dict[str, list[Any]] = {}
    for number, row in enumerate(run.of_split(split).rows()):
        true = [max(-1, int(labels[target][number])) for target in targets]
        probabilities = [thousandths[target][number].tolist() for target in targets]
        classes = [predicted[target][number].tolist() for target in targets]
        utterance = [row["utterance"], row["speaker"], row["text"], true, probabilities, classes]
        utterance += [[of_target[number] for of_target in in_words.values()]] if others else []
        found.setdefault(row["conversation"], []).append(utterance)
    return [{"id": name, "utterances": utterances} for name, utterances in found.items()]


def _in_words(answers: TargetPredictions, lines: Sequence[PredictionLine], target: str) -> list[tuple[str, list[str]]]:
    """Return for each utterance its label (empty if unknown), and the prediction of each line."""
    say = _numbers_in_words if answers.kind == "regression" else _labels_in_words
    return [
        (
            say(label, answers.classes) if known else "",
            [say(line.predicted[target][row], answers.classes) for line in lines],
        )
        for row, (label, known) in enumerate(zip(answers.labels, answers.labelled, strict=True))
    ]


def _numbers_in_words(numbers: NDArray[Any], names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{numbers[0]:.2f}"
    return ", ".join(f"{name} {number:.2f}" for name, number in zip(names, numbers, strict=True))


def _labels_in_words(labels: NDArray[Any], names: Sequence[str]) -> str:
    return ", ".join(name for name, given in zip(names, labels, strict=True) if given) or "none"


def _attention(data: Mapping[str, Any], opened: Reopened) -> dict[str, Any] | None:
    """Return the attention of each conversation, with the names and the heads of the maps; None if there is none.

    The weights of a conversation are ``[U, heads of all maps, U]`` in 255ths, deflated, in base 64.
    """
    maps: dict[str, Maps] = {}
    for split in data["splits"]:
        shown = {conversation["id"] for conversation in split["conversations"]}
        conversations = [c for c in opened.splits[split["name"]] if c.id in shown and len(c) <= LONGEST]
        found = zip(conversations, opened.attention(conversations), strict=True)
        maps |= {conversation.id: weights for conversation, weights in found}
    if not any(maps.values()):
        return None
    for note, thin in (("", _whole), ("mean over heads", _mean), ("last layer, mean over heads", _last)):
        packed = {name: _packed(thin(of_one)) for name, of_one in maps.items()}
        if sum(map(len, packed.values())) <= MOST_ATTENTION:
            first = thin(next(iter(maps.values())))
            heads = [weights.shape[1] for weights in first.values()]
            return {"maps": _headings(list(first)), "heads": heads, "note": note, "conversations": packed}
    return None


def _headings(names: Sequence[str]) -> list[str]:
    """Return readable names of the maps, without the name of the recipe table if all maps share it."""
    readable = [readable_name(name) for name in names]
    tables = {name.partition(", ")[0] for name in readable}
    return [name.partition(", ")[2] or name for name in readable] if len(tables) == 1 else readable


def _whole(maps: Maps) -> Maps:
    return maps


def _mean(maps: Maps) -> Maps:
    return {name: weights.mean(1, keepdims=True) for name, weights in maps.items()}


def _last(maps: Maps) -> Maps:
    """Return the mean over heads of the last layer only; maps of other layers are dropped."""
    parted = {name: name.split(".") for name in maps}
    kept = {tuple(part for part in parts if not part.startswith("layer-")): name for name, parts in parted.items()}
    return _mean({name: maps[name] for name in kept.values()})


def _packed(maps: Maps) -> str:
    together = np.concatenate(list(maps.values()), 1)  # [U, all heads, U]
    return base64.b64encode(zlib.compress(np.rint(255 * together).astype(np.uint8).tobytes(), 9)).decode()
