"""The conformance kit: every check of a part's kind, run and told."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ercfw.contract.data_info import StreamKind
from ercfw.errors import BrokenClipError, InputError, cause_of, did_you_mean
from ercfw.testing import data_checks, loss_checks, network_checks
from ercfw.testing.data_checks import DataSubject
from ercfw.testing.loss_checks import LossSubject
from ercfw.testing.material import DIMS
from ercfw.testing.outcome import NotAsked, NotMet, Outcome, Report
from ercfw.testing.subject import KINDS, Subject
from ercfw.testing.two_processes import two_processes

EVEN = 8
Check = Callable[[Any], None]
CHECKS: Mapping[str, Sequence[Check]] = {
    **dict.fromkeys(KINDS, network_checks.CHECKS),
    "loss": loss_checks.CHECKS,
    "dataset": data_checks.DATASET_CHECKS,
    "extractor": data_checks.EXTRACTOR_CHECKS,
    "metric": data_checks.METRIC_CHECKS,
    "layout": data_checks.LAYOUT_CHECKS,
}
"""The checks of each kind, in the order in which they are run."""
SLOW_CHECKS: Mapping[str, Sequence[Check]] = dict.fromkeys(KINDS, (two_processes,))
"""Those that take seconds each."""


def conformance(
    kind: str,
    made_by: Any,
    options: Mapping[str, Any] | None = None,
    *,
    reads: StreamKind = "vector",
    dims: Mapping[str, int] | None = None,
    clip: Path | None = None,
    slow: bool = False,
) -> Report:
    """Run every check of a part's kind, for a test of its author: it fails where a check does.

    Args:
        kind: such as ``fusion``.
        made_by: the part's class, or a metric's function.
        options: for its constructor; only what has no default is needed.
        reads: what an encoder or model reads: ``vector``, ``frames`` or ``tokens``.
        dims: widths of the modalities text, audio and visual; of tokens how many there are.
        clip: a video or sound file, for an extractor that reads clips.
        slow: run the checks that take seconds, too.

    Raises:
        AssertionError: a check failed; the message is the whole report.
    """
    report = check_part(kind, made_by, options, reads=reads, dims=dims, clip=clip, slow=slow)
    print(report)
    assert not report.of("failed"), f"\n{report}"
    return report


def check_part(
    kind: str,
    made_by: Any,
    options: Mapping[str, Any] | None = None,
    *,
    reads: StreamKind = "vector",
    dims: Mapping[str, int] | None = None,
    clip: Path | None = None,
    slow: bool = False,
) -> Report:
    """The same, without failing.

    Raises:
        ValueError: there is no such kind.
    """
    subject = subject_of(kind, made_by, options, reads=reads, dims=dims, clip=clip)
    checks = [*CHECKS[kind], *(SLOW_CHECKS.get(kind, ()) if slow else ())]
    name = f"{kind} {getattr(made_by, '__name__', made_by)}"
    return Report(name, tuple(run_check(check, subject) for check in checks))


def subject_of(
    kind: str,
    made_by: Any,
    options: Mapping[str, Any] | None = None,
    *,
    reads: StreamKind = "vector",
    dims: Mapping[str, int] | None = None,
    clip: Path | None = None,
) -> Any:
    """What the checks of a kind are handed.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in CHECKS:
        raise ValueError(f"there is no kind '{kind}'; {did_you_mean(kind, CHECKS)}")
    if kind in KINDS:
        return _network_part(kind, made_by, options or {}, reads, dims)
    return LossSubject(made_by, options or {}) if kind == "loss" else DataSubject(made_by, options or {}, clip)


def _network_part(
    kind: str, made_by: Any, options: Mapping[str, Any], reads: StreamKind, dims: Mapping[str, int] | None
) -> Subject:
    """With modalities of several widths, or of one where it says that it needs that."""
    subject = Subject(kind, made_by, options, reads, dims or DIMS)
    try:
        subject.make()
    except InputError:
        if dims is not None:
            return subject
        return Subject(kind, made_by, options, reads, dict.fromkeys(DIMS, EVEN))
    except Exception:  # told by the checks
        return subject
    return subject


def run_check(check: Check, subject: Any) -> Outcome:
    """One check, and how it ended."""
    name = check.__name__.replace("_", " ")
    try:
        check(subject)
    except NotMet as found:
        return Outcome(name, "failed", str(found))
    except NotAsked as found:
        return Outcome(name, "skipped", str(found))
    except BrokenClipError as error:
        return Outcome(name, "failed", str(error))
    except Exception as error:  # the part's own code, whatever it raises
        return Outcome(name, "failed", cause_of(error))
    return Outcome(name, "passed")
