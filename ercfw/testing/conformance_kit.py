"""The conformance kit: runs every check of a part's kind and reports the outcomes."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ercfw.contract.data_info import StreamKind
from ercfw.contract.former_names import current_kind
from ercfw.errors import BrokenClipError, InputError, cause_of, did_you_mean
from ercfw.testing import callback_checks, data_checks, loss_checks, network_checks, training_checks
from ercfw.testing.callback_checks import CallbackSubject
from ercfw.testing.checked_part import KINDS, Subject
from ercfw.testing.data_checks import DataSubject
from ercfw.testing.fixtures import DIMS
from ercfw.testing.loss_checks import LossSubject
from ercfw.testing.optional_checks import together
from ercfw.testing.outcome import CheckFailed, CheckSkipped, Outcome, Report
from ercfw.testing.training_checks import TrainingSubject
from ercfw.testing.two_processes import two_processes

EVEN = 8
"""The width of every modality for parts that refuse unequal widths, or odd ones."""
Check = Callable[[Any], None]
CHECKS: Mapping[str, Sequence[Check]] = {
    **dict.fromkeys(KINDS, network_checks.CHECKS),
    "context": (*network_checks.CHECKS, together),
    "loss": loss_checks.CHECKS,
    "dataset": data_checks.DATASET_CHECKS,
    "extractor": data_checks.EXTRACTOR_CHECKS,
    "metric": data_checks.METRIC_CHECKS,
    "format": data_checks.FORMAT_CHECKS,
    "optimizer": training_checks.OPTIMIZER_CHECKS,
    "schedule": training_checks.SCHEDULE_CHECKS,
    "sampler": training_checks.SAMPLER_CHECKS,
    "callback": callback_checks.CALLBACK_CHECKS,
}
"""The checks of each kind, in the order in which they run."""
SLOW_CHECKS: Mapping[str, Sequence[Check]] = dict.fromkeys(KINDS, (two_processes,))
"""The checks that take several seconds each."""


def conformance(
    kind: str,
    factory: Any,
    options: Mapping[str, Any] | None = None,
    *,
    reads: StreamKind = "vector",
    dims: Mapping[str, int] | None = None,
    clip: Path | None = None,
    slow: bool = False,
    expected_failures: Mapping[str, str] | None = None,
) -> Report:
    """Run every check of a part's kind, print the report, and fail if a check failed.

    Call it in a test of the part: ``conformance("fusion", Gated)``.

    Args:
        kind: such as ``fusion``.
        factory: the part's class, or a metric's function.
        options: keyword arguments of its constructor; only options without a default are needed.
        reads: what an encoder or model reads: ``vector``, ``frames`` or ``tokens``.
        dims: the widths of the modalities text, audio and visual; for tokens, the size of the vocabulary.
        clip: a video or sound file, for an extractor that reads clips.
        slow: also run the checks that take several seconds each.
        expected_failures: checks that the part is known to fail, by their name in the report, each with the reason:
            ``{"bf16": "its eigenvalues need float32"}``. Such a failure is reported with its reason and does not
            fail the test; if the check passes, that is a failure, so that the entry gets removed.

    Returns:
        the outcomes of all checks.

    Raises:
        AssertionError: a check failed; the message is the whole report.
        ValueError: there is no such kind, or ``expected_failures`` names an unknown check or gives no reason.
    """
    kind = current_kind(kind, partial(warnings.warn, stacklevel=3))
    report = check_part(
        kind, factory, options, reads=reads, dims=dims, clip=clip, slow=slow, expected_failures=expected_failures
    )
    print(report)
    assert not report.of("failed"), f"\n{report}"
    return report


def check_part(
    kind: str,
    factory: Any,
    options: Mapping[str, Any] | None = None,
    *,
    reads: StreamKind = "vector",
    dims: Mapping[str, int] | None = None,
    clip: Path | None = None,
    slow: bool = False,
    expected_failures: Mapping[str, str] | None = None,
) -> Report:
    """Run every check of a part's kind and return the report, whatever the outcomes.

    The arguments are those of ``conformance``.

    Raises:
        ValueError: there is no such kind, or ``expected_failures`` names an unknown check or gives no reason.
    """
    kind = current_kind(kind, partial(warnings.warn, stacklevel=3))
    subject = subject_of(kind, factory, options, reads=reads, dims=dims, clip=clip)
    declared = expected_failures or {}
    _check_declared(kind, declared)
    checks = [*CHECKS[kind], *(SLOW_CHECKS.get(kind, ()) if slow else ())]
    outcomes = [run_check(check, subject) for check in checks]
    name = f"{kind} {getattr(factory, '__name__', factory)}"
    return Report(name, tuple(o.declared(declared[o.check]) if o.check in declared else o for o in outcomes))


def _check_declared(kind: str, declared: Mapping[str, str]) -> None:
    """Refuse expected failures of checks that do not exist, and those without a reason."""
    known = [name_of(check) for check in (*CHECKS[kind], *SLOW_CHECKS.get(kind, ()))]
    for name, why in declared.items():
        if name not in known:
            hint = did_you_mean(name, known)
            raise ValueError(f"expected_failures: there is no check '{name}' of kind '{kind}'; {hint}")
        if not isinstance(why, str) or not why.strip():
            raise ValueError(f"expected_failures: '{name}' has no reason; give one: {{'{name}': 'why it fails'}}")


def subject_of(
    kind: str,
    factory: Any,
    options: Mapping[str, Any] | None = None,
    *,
    reads: StreamKind = "vector",
    dims: Mapping[str, int] | None = None,
    clip: Path | None = None,
) -> Any:
    """Return the subject of the checks of a kind: the part and how to make it.

    The arguments are those of ``conformance``.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in CHECKS:
        raise ValueError(f"there is no kind '{kind}'; {did_you_mean(kind, CHECKS)}")
    if kind in KINDS:
        return _network_part(kind, factory, options or {}, reads, dims)
    if kind in ("optimizer", "schedule", "sampler"):
        return TrainingSubject(kind, factory, options or {})
    if kind == "callback":
        return CallbackSubject(factory, options or {})
    return LossSubject(factory, options or {}) if kind == "loss" else DataSubject(factory, options or {}, clip)


def _network_part(
    kind: str, factory: Any, options: Mapping[str, Any], reads: StreamKind, dims: Mapping[str, int] | None
) -> Subject:
    """Return the part with modalities of unequal widths, or of equal ones if it refuses those."""
    subject = Subject(kind, factory, options, reads, dims or DIMS)
    try:
        subject.make()
    except InputError:
        if dims is not None:
            return subject
        return Subject(kind, factory, options, reads, dict.fromkeys(DIMS, EVEN))
    except Exception:  # every check reports it
        return subject
    return subject


def name_of(check: Check) -> str:
    """Return the name of a check as reports show it: ``any order`` for ``any_order``."""
    return check.__name__.replace("_", " ")


def run_check(check: Check, subject: Any) -> Outcome:
    """Run one check and return its outcome; an error in the part's code is a failure."""
    name = name_of(check)
    try:
        check(subject)
    except CheckFailed as found:
        return Outcome(name, "failed", str(found))
    except CheckSkipped as found:
        return Outcome(name, "skipped", str(found))
    except BrokenClipError as error:
        return Outcome(name, "failed", str(error))
    except Exception as error:  # the part's own code may raise anything
        return Outcome(name, "failed", cause_of(error))
    return Outcome(name, "passed")
