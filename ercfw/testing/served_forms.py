"""The forms of labels that a part is checked with: each that it says it serves."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from ercfw.contract.metric import traits_of
from ercfw.contract.targets import FORMS, Target, TargetForm, TargetKind
from ercfw.errors import InputError, did_you_mean
from ercfw.testing.made_targets import TARGETS, one_number
from ercfw.testing.outcome import Outcome

ALLOWED: Mapping[str, Sequence[str]] = {
    "loss": FORMS,
    "metric": FORMS,
    "head": get_args(TargetKind),
    "model": get_args(TargetKind),
}
"""What parts of a kind may serve; the other kinds do not know the targets."""
ONE_NUMBER = one_number("emotion", -3.0, 3.0)
"""Without other numbers beside it, shapes such as ``[N, 1]`` and ``[N]`` can be mixed up unnoticed."""


def served_forms(kind: str, factory: Any) -> tuple[TargetForm, ...]:
    """Return the forms of labels that a part serves, without what is none; if nothing is left, classes."""
    declared = _declared(kind, factory)
    return tuple(form for form in FORMS if form in declared and form in ALLOWED.get(kind, ())) or ("classes",)


def wrongly_served(kind: str, factory: Any) -> list[Outcome]:
    """Return a failed outcome if a part declares wrongly what it serves."""
    declared, allowed = _declared(kind, factory), ALLOWED.get(kind, ())
    if kind not in ALLOWED:
        return []
    if not isinstance(declared, tuple | list) or not declared:
        what = f"serves is {declared!r} (it should be a tuple, such as ('{allowed[0]}',))"
        return [Outcome("serves", "failed", what)]
    unknown = [each for each in declared if each not in allowed]
    if not unknown:
        return []
    hint = did_you_mean(str(unknown[0]), allowed)
    return [Outcome("serves", "failed", f"serves names {unknown[0]!r}, which no {kind} can serve ({hint})")]


def in_each_form(kind: str, subject: Any, forms: Sequence[TargetForm]) -> list[Any]:
    """Return the subject with a target of each form; for numbers, with two of them and with one.

    A part may refuse one of these two.
    """
    if kind not in ALLOWED:
        return [subject]
    found: list[Any] = []
    for form in forms:
        several, one = (replace(subject, target=target) for target in (TARGETS[form], ONE_NUMBER))
        if form != "regression" or kind == "metric":  # a metric makes answers for both itself
            found.append(several)
        else:
            found += [each for each in (several, one) if not _refused(each)] or [several]
    return found


def where_of(subject: Any) -> str:
    """Return the words that tell in a message which target the subject has; none for classes."""
    target: Target = getattr(subject, "target", TARGETS["classes"])
    if target.form == "classes":
        return ""
    return f"for {target.form}{' of one number' if target == ONE_NUMBER else ''}: "


def _refused(subject: Any) -> bool:
    try:
        subject.make()
    except InputError:
        return True
    except Exception:  # every check reports it
        return False
    return False


def _declared(kind: str, factory: Any) -> Any:
    return traits_of(factory).serves if kind == "metric" else getattr(factory, "serves", ("classes",))
