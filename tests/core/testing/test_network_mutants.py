"""Every check of a network's part catches a part that breaks its promise, and passes one that keeps it."""

import pytest
import torch
from torch import nn

from ercfw import Context, DataInfo, InputError
from ercfw.testing import CHECKS, check_part, conformance
from ercfw.testing.kit import SLOW_CHECKS

from .network_mutants import MUTANTS, Good, OtherByRank, Unused


def test_a_good_part_passes_all():
    report = conformance("fusion", Good, {"width": 5})
    assert [outcome.status for outcome in report.outcomes] == ["passed"] * len(CHECKS["fusion"])


def test_every_check_has_a_mutant():
    names = [check.__name__.replace("_", " ") for check in CHECKS["fusion"]]
    assert list(MUTANTS) == names
    assert all(CHECKS[kind] == CHECKS["fusion"] for kind in ("encoder", "context", "head", "model"))


@pytest.mark.parametrize(("check", "mutant"), [(c, m) for c, mutants in MUTANTS.items() for m in mutants])
def test_the_check_catches_it(check, mutant):
    report = check_part("fusion", mutant)
    failed = {outcome.check: outcome.reason for outcome in report.of("failed")}
    assert check in failed, report
    assert failed[check]


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
    said = capsys.readouterr().out
    assert "failed  gradients: no gradient reaches" in said
    assert "fusion Unused: 16 checks ran, 1 failed, 0 skipped" in said


def test_unknown_kinds():
    with pytest.raises(ValueError, match="did you mean 'fusion'"):
        check_part("fussion", Good)
