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
"""For parts that refuse several numbers."""


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


def in_each_form(subject: Any, forms: Sequence[TargetForm]) -> list[Any]:
    """Return the subject with a target of each form, one that its part accepts if there is such a target."""
    return [_accepted(subject, form) for form in forms]


def _accepted(subject: Any, form: TargetForm) -> Any:
    candidates: list[Target] = [TARGETS[form], *([ONE_NUMBER] if form == "regression" else [])]
    for target in candidates:
        candidate = replace(subject, target=target)
        try:
            candidate.make()
        except InputError:
            continue
        except Exception:  # every check reports it
            return candidate
        return candidate
    return replace(subject, target=candidates[0])


def _declared(kind: str, factory: Any) -> Any:
    return traits_of(factory).serves if kind == "metric" else getattr(factory, "serves", ("classes",))
