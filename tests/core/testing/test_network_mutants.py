"""Every check of a network's part catches a part that breaks its promise, and passes one that keeps it."""

import pytest
import torch
from torch import nn

from ercfw import Context, DataInfo, InputError
from ercfw.testing import CHECKS, check_part, conformance
from ercfw.testing.conformance_kit import SLOW_CHECKS

from . import network_mutants, optional_mutants
from .network_mutants import Good, OtherByRank, OverflowsInHalf, Unused
from .optional_mutants import TOGETHER, GoodTogether

MUTANTS = {**network_mutants.MUTANTS, **optional_mutants.MUTANTS}


def test_a_good_part_passes_all():
    report = conformance("fusion", Good, {"width": 5})
    assert [outcome.status for outcome in report.outcomes] == ["passed"] * len(CHECKS["fusion"])


def test_every_check_has_a_mutant():
    names = [check.__name__.replace("_", " ") for check in CHECKS["fusion"]]
    assert sorted(MUTANTS) == sorted(names)
    assert all(CHECKS[kind] == CHECKS["fusion"] for kind in ("encoder", "head", "model"))
    assert [check.__name__ for check in CHECKS["context"][len(names) :]] == ["together"]
    assert CHECKS["context"][: len(names)] == CHECKS["fusion"]


@pytest.mark.parametrize(("check", "mutant"), [(c, m) for c, mutants in MUTANTS.items() for m in mutants])
def test_the_check_catches_it(check, mutant):
    report = check_part("fusion", mutant)
    failed = {outcome.check: outcome.reason for outcome in report.of("failed")}
    assert check in failed, report
    assert failed[check]


def test_a_context_that_runs_together_passes_all():
    report = conformance("context", GoodTogether)
    assert {outcome.check for outcome in report.of("skipped")} == {"one modality"}


@pytest.mark.parametrize("mutant", TOGETHER)
def test_the_check_of_together_catches_it(mutant):
    failed = check_part("context", mutant).of("failed")
    assert [outcome.check for outcome in failed] == ["together"]


@pytest.mark.slow
def test_two_processes_catch_it():
    assert [c.__name__ for c in SLOW_CHECKS["fusion"]] == ["two_processes"]
    assert check_part("fusion", Good, slow=True).outcomes[-1].status == "passed"
    caught = check_part("fusion", OtherByRank, slow=True).outcomes[-1]
    assert caught.status == "failed"
    assert "in two processes the gradient of" in caught.reason


def test_what_no_other_process_can_make_is_said():
    class Local(Good):
        pass

    outcome = check_part("fusion", Local, slow=True).outcomes[-1]
    assert outcome.status == "skipped"
    assert "move it to its module" in outcome.reason


class NextInContext(Context):
    """Says that it is causal, and is not."""

    causal = True

    def __init__(self, dim: int, info: DataInfo) -> None:
        super().__init__(dim, info)
        self.out_dim = 2 * dim
        self.gru = nn.GRU(dim, dim, batch_first=True, bidirectional=True)

    def forward(self, x, inputs):
        from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

        packed = pack_padded_sequence(inputs.layout.pad(x), torch.tensor(inputs.layout.sizes), True, False)
        return inputs.layout.pack(pad_packed_sequence(self.gru(packed)[0], True)[0])


def test_other_kinds_are_run_too():
    failed = check_part("context", NextInContext).of("failed")
    assert [outcome.check for outcome in failed] == ["causal"]


class NeedsEqualWidths(Good):
    """Refuses modalities of several widths, as it may."""

    def __init__(self, dims, info) -> None:
        if len(set(dims.values())) > 1:
            raise InputError.at("", "widths differ")
        super().__init__(dims, info)


class FailsAtOnce(Good):
    """Its constructor fails."""

    def __init__(self, dims, info) -> None:
        raise ZeroDivisionError("oops")


def test_parts_that_ask_for_something_or_fail():
    assert not check_part("fusion", NeedsEqualWidths).of("failed")
    failed = check_part("fusion", FailsAtOnce).of("failed")
    assert all("ZeroDivisionError: oops" in outcome.reason for outcome in failed)
    assert len(failed) == len(CHECKS["fusion"]) - 1


def test_the_report_says_what_happened(capsys):
    with pytest.raises(AssertionError, match=r"no gradient reaches spare\.bias, spare\.weight"):
        conformance("fusion", Unused)
    shown = capsys.readouterr().out
    assert "failed  gradients: no gradient reaches" in shown
    assert "fusion Unused: 17 checks ran, 1 failed, 0 skipped" in shown


def test_unknown_kinds():
    with pytest.raises(ValueError, match="did you mean 'fusion'"):
        check_part("fussion", Good)


class FailsTwice(OverflowsInHalf, Unused):
    """Breaks two promises, so that only one of them can be declared."""


WHY = "its products overflow by design"


def test_an_expected_failure_is_reported_with_its_reason_and_fails_nothing(capsys):
    report = conformance("fusion", OverflowsInHalf, expected_failures={"bf16": WHY})
    (outcome,) = report.of("xfailed")
    assert outcome.check == "bf16"
    assert outcome.reason.startswith(f"{WHY} (it ")
    shown = capsys.readouterr().out
    assert f"xfailed bf16: {WHY} (it " in shown
    assert "fusion OverflowsInHalf: 17 checks ran, 0 failed, 1 failed as expected, 0 skipped" in shown


def test_an_expected_failure_excuses_no_other_check():
    with pytest.raises(AssertionError, match="no gradient reaches") as raised:
        conformance("fusion", FailsTwice, expected_failures={"bf16": WHY})
    assert "17 checks ran, 1 failed, 1 failed as expected, 0 skipped" in str(raised.value)


def test_an_expected_failure_that_passes_fails():
    with pytest.raises(AssertionError, match="declared as an expected failure but passes: remove it"):
        conformance("fusion", Good, expected_failures={"bf16": WHY})
    (failed,) = check_part("fusion", Good, expected_failures={"bf16": WHY}).of("failed")
    assert failed.check == "bf16"


def test_a_declared_check_that_is_skipped_or_not_run_stays_so():
    """A part without ``explain`` has nothing to fail; a slow check may be declared where it is not run."""
    declared = {"one modality": WHY, "two processes": WHY}
    report = check_part("context", GoodTogether, expected_failures=declared)
    assert [outcome.check for outcome in report.of("skipped")] == ["one modality"]
    assert not report.of("failed")


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({"bf61": WHY}, "there is no check 'bf61' of kind 'fusion'; did you mean 'bf16'?"),
        ({"any_order": WHY}, "did you mean 'any order'?"),
        ({"together": WHY}, "there is no check 'together' of kind 'fusion'"),
        ({"bf16": ""}, "'bf16' has no reason"),
        ({"bf16": "  "}, "'bf16' has no reason"),
        ({"bf16": None}, "'bf16' has no reason"),
        ({"bf16": True}, "'bf16' has no reason"),
    ],
)
def test_declarations_that_are_refused(declared, says):
    with pytest.raises(ValueError, match="expected_failures: ") as raised:
        conformance("fusion", Good, expected_failures=declared)
    assert says in str(raised.value)
