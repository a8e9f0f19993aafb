"""The conformance kit: runs every check of a part's kind and reports the outcomes."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ercfw.contract.data_info import StreamKind
from ercfw.contract.former_names import current_kind
from ercfw.errors import BrokenClipError, InputError, cause_of, did_you_mean
from ercfw.testing import callback_checks, data_checks, loss_checks, metric_checks, network_checks, training_checks
from ercfw.testing.callback_checks import CallbackSubject
from ercfw.testing.checked_part import KINDS
from ercfw.testing.data_checks import DataSubject
from ercfw.testing.find_streams import network_part
from ercfw.testing.fixtures import TARGETS
from ercfw.testing.loss_checks import LossSubject
from ercfw.testing.made_up_options import OptionsNeededError, made_up_options, needed
from ercfw.testing.metric_checks import MetricSubject
from ercfw.testing.optional_checks import together
from ercfw.testing.outcome import CheckFailed, CheckSkipped, Outcome, Report, worst
from ercfw.testing.served_forms import in_each_form, served_forms, where_of, wrongly_served
from ercfw.testing.training_checks import TrainingSubject
from ercfw.testing.two_processes import two_processes

Check = Callable[[Any], None]
CHECKS: Mapping[str, Sequence[Check]] = {
    **dict.fromkeys(KINDS, network_checks.CHECKS),
    "context": (*network_checks.CHECKS, together),
    "loss": loss_checks.CHECKS,
    "dataset": data_checks.DATASET_CHECKS,
    "extractor": data_checks.EXTRACTOR_CHECKS,
    "metric": metric_checks.CHECKS,
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
    reads: StreamKind | None = None,
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
        options: keyword arguments of its constructor. An option without a default gets a made-up value if its type
            tells one; text and paths must be given.
        reads: what an encoder or model reads: ``vector``, ``frames`` or ``tokens``; None = the first that it accepts.
        dims: the widths of the modalities text, audio and visual; for tokens, the size of the vocabulary.
        clip: a video or sound file, for an extractor that reads clips.
        slow: also run the checks that take several seconds each.
        expected_failures: checks that the part is known to fail, by their name in the report, each with the reason:
            ``{"bf16": "its eigenvalues need float32"}``. Such a failure is reported with its reason and does not
            fail the test; if the check passes, that is a failure, so that the entry gets removed. The class may
            declare them, too: ``known_failures = {"bf16": "its eigenvalues need float32"}``.

    Returns:
        the outcomes of all checks.

    Raises:
        AssertionError: a check failed; the message is the whole report.
        ValueError: there is no such kind, ``expected_failures`` names an unknown check or gives no reason, or an option
            needs a value that cannot be made up.
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
    reads: StreamKind | None = None,
    dims: Mapping[str, int] | None = None,
    clip: Path | None = None,
    slow: bool = False,
    expected_failures: Mapping[str, str] | None = None,
) -> Report:
    """Run every check of a part's kind and return the report, whatever the outcomes.

    The arguments are those of ``conformance``.

    Raises:
        ValueError: as for ``conformance``.
    """
    kind = current_kind(kind, partial(warnings.warn, stacklevel=3))
    subjects, notes = subjects_of(kind, factory, options, reads=reads, dims=dims, clip=clip)
    _check_declared(kind, expected_failures or {})
    known, wrong = known_failures(kind, factory)
    declared = {**known, **(expected_failures or {})}
    checks = [*CHECKS[kind], *(SLOW_CHECKS.get(kind, ()) if slow else ())]
    outcomes = [run_check(check, subjects, declared) for check in checks]
    wrong = [*wrong, *wrongly_served(kind, factory)]
    return Report(f"{kind} {getattr(factory, '__name__', factory)}", (*outcomes, *wrong), tuple(notes))


def known_failures(kind: str, factory: Any) -> tuple[Mapping[str, str], list[Outcome]]:
    """Return the failures that a class declares as ``known_failures``, and an outcome if it declares them wrongly."""
    declared = getattr(factory, "known_failures", {})
    try:
        if not isinstance(declared, Mapping):
            raise ValueError(f'known_failures is not a dict, such as {{"{name_of(CHECKS[kind][0])}": "why it fails"}}')
        _check_declared(kind, declared, "known_failures")
    except ValueError as error:
        return {}, [Outcome("known failures", "failed", str(error))]
    return declared, []


def _check_declared(kind: str, declared: Mapping[str, str], where: str = "expected_failures") -> None:
    """Refuse expected failures of checks that do not exist, and those without a reason."""
    known = [name_of(check) for check in (*CHECKS[kind], *SLOW_CHECKS.get(kind, ()))]
    for name, why in declared.items():
        if name not in known:
            hint = did_you_mean(name, known)
            raise ValueError(f"{where}: there is no check '{name}' of kind '{kind}'; {hint}")
        if not isinstance(why, str) or not why.strip():
            raise ValueError(f"{where}: '{name}' has no reason; give one: {{'{name}': 'why it fails'}}")


def subjects_of(
    kind: str,
    factory: Any,
    options: Mapping[str, Any] | None = None,
    *,
    reads: StreamKind | None = None,
    dims: Mapping[str, int] | None = None,
    clip: Path | None = None,
) -> tuple[list[Any], list[str]]:
    """Return the subjects of the checks of a kind, and notes about what the kit made up for them.

    A subject can make the part. There is one for each form of labels that the part serves, otherwise one alone. The
    arguments are those of ``conformance``.

    Raises:
        ValueError: there is no such kind.
        OptionsNeededError: an option needs a value that cannot be made up, or the part refuses what it got.
    """
    if kind not in CHECKS:
        raise ValueError(f"there is no kind '{kind}'; {did_you_mean(kind, CHECKS)}")
    made_up = made_up_options(factory, options or {})
    if made_up.unknown:
        raise needed(made_up.unknown)
    made = made_up.arguments
    options = {**(options or {}), **made}
    notes: list[str] = []
    subject: Any
    forms = served_forms(kind, factory)
    if kind in KINDS:
        subject, notes = network_part(kind, factory, options, reads, dims, TARGETS[forms[0]])
    else:
        subject = _other_subject(kind, factory, options, clip)
    subjects = in_each_form(kind, subject, forms)
    for each in subjects:
        _try(each, made)
    if forms != ("classes",):
        notes.append(f"it was checked with each form of labels that it serves: {', '.join(forms)}")
    if made:
        notes.append(f"options without a default got the values {_shown(made)}; give your own if these make no sense")
    return subjects, notes


def _other_subject(kind: str, factory: Any, options: Mapping[str, Any], clip: Any) -> Any:
    """Return what the checks of a part that is not of a network take."""
    if kind in ("optimizer", "schedule", "sampler"):
        return TrainingSubject(kind, factory, options)
    if kind == "callback":
        return CallbackSubject(factory, options)
    if kind == "metric":
        return MetricSubject(factory, options)
    return LossSubject(factory, options) if kind == "loss" else DataSubject(factory, options, clip)


def _try(subject: Any, made: Mapping[str, Any]) -> None:
    """Make the part once: what it refuses is no failure of the part, and nor is a failure of made-up options.

    Raises:
        OptionsNeededError: its constructor refuses the options, or fails with made-up ones.
    """
    try:
        subject.make()
    except CheckSkipped:
        return
    except Exception as error:  # every check reports it, unless what the kit made up may be the reason
        if made:
            what = f"the options {_shown(made)}, which are made up since they have no default, are refused"
            raise OptionsNeededError(list(made), f"{what} ({cause_of(error)})") from error
        if isinstance(error, InputError):
            raise OptionsNeededError((), f"it refuses its options, or what the kit passes: {error}") from error


def _shown(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in options.items())


def name_of(check: Check) -> str:
    """Return the name of a check as reports show it: ``any order`` for ``any_order``."""
    return check.__name__.replace("_", " ")


def run_check(check: Check, subjects: Sequence[Any], declared: Mapping[str, str]) -> Outcome:
    """Run one check and return its outcome; an error in the part's code is a failure, which it may have declared.

    Of several subjects, it is the worst outcome.
    """
    outcome = worst([_run(check, subject) for subject in subjects])
    return outcome.declared(declared[outcome.check]) if outcome.check in declared else outcome


def _run(check: Check, subject: Any) -> Outcome:
    name, where = name_of(check), where_of(subject)
    try:
        check(subject)
    except CheckFailed as found:
        return Outcome(name, "failed", f"{where}{found}")
    except CheckSkipped as found:
        return Outcome(name, "skipped", str(found))
    except BrokenClipError as error:
        return Outcome(name, "failed", str(error))
    except Exception as error:  # the part's own code may raise anything
        return Outcome(name, "failed", f"{where}{cause_of(error)}")
    return Outcome(name, "passed")
