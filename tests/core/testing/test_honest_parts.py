"""The kit fails no correct part, says what it made up, and asks for what it cannot."""

import json
from typing import ClassVar

import numpy as np
import pytest
from torch import nn

from ercfw import Encoder, Extractor, InputError
from ercfw.testing import check_part, conformance
from ercfw.testing.made_outputs import made_labels, made_outputs
from ercfw.testing.made_up_options import OptionsNeededError

from . import honest_parts as honest
from .data_mutants import GoodExtractor
from .metric_mutants import good_metric
from .network_mutants import Good, OverflowsInHalf
from .test_loss_mutants import Good as GoodLoss

SHIFTS = [honest.EmotionShift, honest.OnlyShifts, honest.OnlyRepeats, honest.AcrossSpeakers]
HONEST = [
    *(("loss", loss) for loss in (*SHIFTS, honest.WeightedBuffer, honest.Prototypes, honest.MemoryBank)),
    ("encoder", honest.LowRank),
    ("fusion", honest.ZeroGate),
    ("encoder", honest.WordMean),
    ("encoder", honest.FrameMean),
    ("metric", honest.polarity_error),
    ("metric", honest.seven_classes),
    ("metric", honest.sensitivity),
    ("metric", honest.right_after_a_shift),
    ("dataset", honest.PartlyScored),
]

UNDECLARED = {"scale is as declared", "short conversations"}
"""The checks of what a metric may declare or read, and need not."""


@pytest.mark.parametrize(("kind", "part"), HONEST)
def test_a_correct_part_fails_no_check(kind, part):
    report = conformance(kind, part)
    assert not report.of("xfailed")
    skipped = {outcome.check for outcome in report.of("skipped")}
    assert not skipped - {"any device", "one modality", "causal", "explained", "parameter groups", *UNDECLARED}


def test_made_up_conversations_have_every_pair_that_losses_compare():
    rows, labels = made_outputs().rows, made_labels()["emotion"]
    pairs = set()
    for row, (before, same_speaker) in enumerate(zip(rows.previous, rows.previous_same_speaker, strict=True)):
        for order, other in (("before", before), ("same speaker", same_speaker)):
            if other >= 0:
                assert rows.conversation[row] == rows.conversation[other]
                spoke = bool(rows.speaker[row] == rows.speaker[other])
                pairs.add((order, spoke, bool(labels[row] == labels[other])))
    assert pairs == {("before", a, b) for a in (True, False) for b in (True, False)} | {
        ("same speaker", True, True), ("same speaker", True, False)
    }  # fmt: skip
    assert set(labels.tolist()) == {0, 1, 2, 3}
    assert rows.conversation.bincount().min() == 1


class NoPairs(honest.EmotionShift):
    """NaN for a batch in which nobody speaks twice."""

    def forward(self, outputs, targets):
        pairs = outputs.rows.previous_same_speaker >= 0
        return super().forward(outputs, targets) * pairs.sum() / pairs.sum()


class ReadsUnlabelled(honest.OnlyRepeats):
    """Pulls utterances to those before, labelled or not."""

    def forward(self, outputs, targets):
        before, x = outputs.rows.previous, outputs.heads[self.target].embedding
        apart = (x[before >= 0] - x[before[before >= 0]]).pow(2).sum()
        return super().forward(outputs, targets) + 0.1 * apart


class AcrossConversations(honest.OnlyRepeats):
    """Takes the row before for the utterance before, also at the start of a conversation."""

    def forward(self, outputs, targets):
        x = outputs.heads[self.target].embedding
        return super().forward(outputs, targets) + (x[1:] - x[:-1]).pow(2).sum() * 0.1


@pytest.mark.parametrize(
    ("check", "mutant"),
    [("few rows", NoPairs), ("unlabelled rows", ReadsUnlabelled), ("any order", AcrossConversations)],
)
def test_mistakes_with_the_utterance_before_are_caught(check, mutant):
    assert check in {outcome.check for outcome in check_part("loss", mutant).of("failed")}


class Declares(OverflowsInHalf):
    known_failures: ClassVar = {"bf16": "its products overflow by design"}


class DeclaresTooMuch(Good):
    known_failures: ClassVar = {"bf16": "its products overflow by design"}


class DeclaresNonsense(Good):
    known_failures: ClassVar = {"bf61": "why"}


class DeclaresNothing(Good):
    known_failures: ClassVar = "bf16"


def test_a_class_declares_what_it_fails():
    report = conformance("fusion", Declares)
    (outcome,) = report.of("xfailed")
    assert str(outcome).startswith("xfailed bf16: its products overflow by design (it ")
    (failed,) = check_part("fusion", DeclaresTooMuch).of("failed")
    assert str(failed) == "failed  bf16: declared as an expected failure but passes: remove it"


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (DeclaresNonsense, "known_failures: there is no check 'bf61' of kind 'fusion'; did you mean 'bf16'?"),
        (DeclaresNothing, 'known_failures is not a dict, such as {"options are documented": "why it fails"}'),
    ],
)
def test_wrong_declarations_of_a_class(part, says):
    (failed,) = check_part("fusion", part).of("failed")
    assert failed.check == "known failures"
    assert says in failed.reason


GIVEN = {"pieces": honest.Pieces(size=1), "note": "none"}


def test_options_without_a_default_get_values():
    report = conformance("fusion", honest.NeedsOptions, GIVEN)
    (note,) = report.notes
    assert note.startswith("options without a default got the values width=8, rate=0.5, form='plain', bias=False")
    assert f"note: {note}" in str(report)
    assert not conformance("fusion", Good).notes


class RefusesEight(Good):
    def __init__(self, dims, info, *, width: int) -> None:
        if width == 8:
            raise ValueError("no eight")
        super().__init__(dims, info, width=width)


class RefusesAll(GoodExtractor):
    def __init__(self) -> None:
        raise InputError.at("root", "is not set")


@pytest.mark.parametrize(
    ("kind", "part", "says"),
    [
        (
            "fusion",
            honest.NeedsOptions,
            "no default and no made-up value for 'pieces' and 'note'; pass options={'pieces': ...",
        ),
        ("encoder", honest.NeedsAFolder, "pass options={'model': ...}"),
        ("fusion", RefusesEight, "the options width=8, which are made up since they have no default, are refused"),
        ("extractor", RefusesAll, "it refuses its options, or what the kit passes: root: is not set"),
    ],
)
def test_what_cannot_be_made_up_is_asked_for(kind, part, says):
    with pytest.raises(OptionsNeededError) as raised:
        check_part(kind, part)
    assert says in str(raised.value)
    assert isinstance(raised.value, ValueError)
    assert not check_part("fusion", RefusesEight, {"width": 4}).of("failed")


class Broken(Encoder):
    def __init__(self, spec, info) -> None:
        super().__init__(spec, info)
        self.out_dim = 2
        self.project = nn.Linear(spec.dim, 2)

    def forward(self, stream, inputs):
        raise ZeroDivisionError("oops")


def test_what_an_encoder_reads_is_found_out_or_asked_for():
    assert conformance("encoder", honest.WordMean).notes == (
        "it was checked with tokens, since it does not run with vectors",
    )
    assert not check_part("encoder", honest.WordMean, reads="tokens").notes
    assert check_part("encoder", honest.WordMean, reads="vector").of("failed")
    report = check_part("encoder", Broken)
    assert "oops" in report.of("failed")[0].reason
    assert "--reads frames or --reads tokens" in report.notes[0]
    assert 'reads="frames"' in report.notes[0]


class ReadsNobodyKnows(Extractor):
    dim = 1
    fingerprint = "x"

    def extract(self, conversation):
        return [None] * len(conversation)


def test_extractors_are_told_what_to_declare_and_to_give():
    failed = check_part("extractor", ReadsNobodyKnows).of("failed")
    assert "it must declare what it reads: reads = one of 'text', 'audio', 'visual'" in failed[0].reason
    assert "it reads audio: pass a clip" in check_part("extractor", honest.SoundLevel).of("skipped")[0].reason


def fails_everywhere(true, probabilities, classes):
    raise KeyError("joy")


def nan_for_numbers(true, probabilities, classes):
    return float("nan") if classes[0] == "-1" else good_metric(true, probabilities, classes)


def test_metrics_that_fail_with_all_or_some_names_of_classes():
    (first, *_) = check_part("metric", fails_everywhere).of("failed")
    assert "it fails for the classes neutral, joy, anger, fear: KeyError: 'joy'" in first.reason
    assert "for other classes, such as the classes -1, 0, 1, 2: KeyError" in first.reason
    (first, *_) = check_part("metric", nan_for_numbers).of("failed")
    assert "or NaN, for the classes -1, 0, 1, 2" in first.reason
    assert np.isfinite(good_metric(np.array([0]), np.eye(2, dtype="f4")[:1], ("0", "1")))


PLUGIN = '''
from pathlib import Path
from ercfw import Encoder, hookimpl
import torch
class Folder(Encoder):
    """Reads a folder.

    Options:
        model: the folder.
        width: of the result.
    """
    known_failures = {"same seed": "why not"}
    def __init__(self, spec, info, *, model: Path, width: int) -> None:
        super().__init__(spec, info)
        self.out_dim = width
        self.project = torch.nn.Linear(spec.dim, width)
    def forward(self, stream, inputs):
        return self.project(stream.values) + torch.rand(()) * 1e-6 + hash(object()) % 2 * 1e-9
@hookimpl
def provide_encoders():
    return {"folder": Folder}
'''


def test_the_command_asks_for_options(cli, tmp_path):
    path = tmp_path / "folder.py"
    path.write_text(PLUGIN)
    says = "check encoder/folder: no default and no made-up value for 'model'..ercfw check encoder/folder model=VALUE"
    cli("check", "folder", "--plugin", path).check(2, says)
    cli("check", "folder", "model=x", "width=no", "--plugin", path).check(2, "check folder width: should be a")
    cli("check", "dataset/table").check(2, "it refuses its options..root: is not set")
    result = cli("check", "folder", "model=somewhere", "--plugin", path, "--json")
    (report,) = json.loads(result.out)
    assert report["notes"] == ["options without a default got the values width=8; give your own if these make no sense"]
    assert {"xfailed"} == {o["status"] for o in report["outcomes"] if o["check"] == "same seed"}


def test_a_good_loss_is_checked_in_the_dtype_of_real_runs():
    seen = set()

    class Watched(GoodLoss):
        def forward(self, outputs, targets):
            seen.add(str(outputs.heads[self.target].logits.dtype))
            return super().forward(outputs, targets)

    conformance("loss", Watched)
    assert seen == {"torch.float32"}
