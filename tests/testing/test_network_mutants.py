"""Every check of a network's part catches a part that breaks its promise, and passes one that keeps it."""

import numpy as np
import pytest
import torch
from torch import nn

from ercfw import Context, DataInfo, FusionBlock, InputError, Inputs
from ercfw.testing import CHECKS, check_part, conformance
from ercfw.testing.kit import SLOW_CHECKS


class Good(FusionBlock):
    """The sum of a projection of each modality.

    Options:
        width: of the result.
    """

    causal = True

    def __init__(self, dims: dict[str, int], info: DataInfo, *, width: int = 6) -> None:
        super().__init__(dims, info)
        self.out_dim = width
        self.project = nn.ModuleDict({name: nn.Linear(dim, width) for name, dim in dims.items()})

    def forward(self, xs, inputs: Inputs):
        return sum(self.project[name](x) for name, x in xs.items())

    def explain(self, xs, inputs):
        lengths = inputs.layout.lengths[inputs.layout.conversation].view(-1, 1, 1)  # [N, 1, 1]
        places = torch.arange(inputs.layout.mask.shape[1])  # [U]
        return {"evenly": (places < lengths) / lengths}  # [N, 1, U]


class Undocumented(Good):
    """Says nothing."""

    def __init__(self, dims, info, *, secret: int = 6) -> None:
        super().__init__(dims, info)


class Untyped(Good):
    """One option: secret."""

    def __init__(self, dims, info, *, secret=6) -> None:
        super().__init__(dims, info)


class Wider(Good):
    def forward(self, xs, inputs):
        return torch.cat([super().forward(xs, inputs)] * 2, -1)


class Whole(Good):
    def forward(self, xs, inputs):
        return super().forward(xs, inputs).mean(0, keepdim=True)


class NotATensor(Good):
    def forward(self, xs, inputs):
        return [super().forward(xs, inputs)]


class NeverFinite(Good):
    def forward(self, xs, inputs):
        return super().forward(xs, inputs) / 0


class ReadsEmptyPlaces(Good):
    def forward(self, xs, inputs):
        x = super().forward(xs, inputs)
        padded = inputs.layout.pad(x)
        return x + inputs.layout.pack(padded.mean(1, keepdim=True).expand_as(padded))


class ReadsThePlaceInTheBatch(Good):
    def forward(self, xs, inputs):
        return super().forward(xs, inputs) + inputs.layout.conversation[:, None]


class ReadsTheBatch(Good):
    def forward(self, xs, inputs):
        x = super().forward(xs, inputs)
        return x - x.mean(0)


class DividesByPresent(Good):
    def forward(self, xs, inputs):
        there = sum(inputs.streams[name].present.float() for name in xs)
        return super().forward(xs, inputs) / there[:, None]


class RootOfAbsent(Good):
    """Finite, but its gradient where all is absent is not."""

    def forward(self, xs, inputs):
        roots = [(self.project[name].weight.sum() * x).abs().sum(-1, keepdim=True).sqrt() for name, x in xs.items()]
        return super().forward(xs, inputs) + sum(roots)


class NeedsSound(Good):
    def forward(self, xs, inputs):
        return super().forward(xs, inputs) + xs["audio"].sum(-1, keepdim=True)


class OverflowsInHalf(Good):
    def forward(self, xs, inputs):
        x = super().forward(xs, inputs)
        return x * float("inf") if x.dtype == torch.bfloat16 else x


class Unused(Good):
    def __init__(self, dims, info) -> None:
        super().__init__(dims, info)
        self.spare = nn.Linear(2, 2)


class ReadsTheNext(Good):
    def forward(self, xs, inputs):
        x = super().forward(xs, inputs)
        last = torch.cat([inputs.layout.conversation[1:] != inputs.layout.conversation[:-1], torch.tensor([True])])
        return x + torch.where(last[:, None], torch.zeros_like(x), x.roll(-1, 0))


class OwnDraws(Good):
    def __init__(self, dims, info) -> None:
        super().__init__(dims, info)
        with torch.no_grad():
            next(self.parameters()).copy_(torch.from_numpy(np.random.default_rng().normal(size=(6, 6))))


class DropsAlways(Good):
    def forward(self, xs, inputs):
        return nn.functional.dropout(super().forward(xs, inputs), 0.5, training=True)


class HidesState(Good):
    def __init__(self, dims, info) -> None:
        super().__init__(dims, info)
        self.shift = torch.randn(6)

    def forward(self, xs, inputs):
        return super().forward(xs, inputs) + self.shift


class LearnsInHiding(Good):
    def __init__(self, dims, info) -> None:
        super().__init__(dims, info)
        self.seen = 0.0

    def forward(self, xs, inputs):
        if self.training:
            self.seen = 1.0
        return super().forward(xs, inputs) + self.seen


class OtherWhenCompiled(Good):
    def forward(self, xs, inputs):
        return super().forward(xs, inputs) + float(torch.compiler.is_compiling())


class ChangesItsInput(Good):
    def forward(self, xs, inputs):
        xs["text"].mul_(2)
        return super().forward(xs, inputs)


class OtherByRank(Good):
    def forward(self, xs, inputs):
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        return super().forward(xs, inputs) * (1 + rank)


class ExplainsTooMuch(Good):
    def explain(self, xs, inputs):
        return {"twice": 2 * super().explain(xs, inputs)["evenly"]}


class ExplainsBelowZero(Good):
    def explain(self, xs, inputs):
        weights = super().explain(xs, inputs)["evenly"]
        weights[..., 0] = 1 - weights[..., 1:].sum(-1)
        return {"moved": weights + torch.tensor([3.0, -3.0]).repeat(weights.shape[2])[: weights.shape[2]]}


class ExplainsEmptyPlaces(Good):
    def explain(self, xs, inputs):
        weights = super().explain(xs, inputs)["evenly"]
        return {"everywhere": torch.full_like(weights, 1 / weights.shape[2])}


class ExplainsOtherwiseAlone(Good):
    def explain(self, xs, inputs):
        weights = super().explain(xs, inputs)["evenly"]
        return {"first": nn.functional.one_hot(torch.zeros(len(weights), dtype=torch.long), weights.shape[2])
                [:, None].float() if len(inputs.layout.sizes) == 1 else weights}  # fmt: skip


class ExplainsFlat(Good):
    def explain(self, xs, inputs):
        return {"flat": super().explain(xs, inputs)["evenly"].squeeze(1)}


MUTANTS = {
    "options are documented": [Undocumented, Untyped],
    "shapes": [Wider, Whole, NotATensor, NeverFinite],
    "alone and batched": [ReadsEmptyPlaces],
    "any order": [ReadsThePlaceInTheBatch],
    "other conversations": [ReadsTheBatch],
    "missing modalities": [DividesByPresent, RootOfAbsent],
    "one modality": [NeedsSound],
    "bf16": [OverflowsInHalf],
    "gradients": [Unused],
    "causal": [ReadsTheNext],
    "same seed": [OwnDraws, DropsAlways],
    "saved and loaded": [HidesState, LearnsInHiding],
    "compiled": [OtherWhenCompiled],
    "leaves inputs alone": [ChangesItsInput],
    "explained": [ExplainsTooMuch, ExplainsBelowZero, ExplainsEmptyPlaces, ExplainsOtherwiseAlone, ExplainsFlat],
}


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

        packed = pack_padded_sequence(inputs.layout.pad(x), inputs.layout.lengths, True, False)
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
    assert "fusion Unused: 15 checks ran, 1 failed, 0 skipped" in said


def test_unknown_kinds():
    with pytest.raises(ValueError, match="did you mean 'fusion'"):
        check_part("fussion", Good)
