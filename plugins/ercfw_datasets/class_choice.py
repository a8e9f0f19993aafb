"""The classes that a recipe makes of those of a corpus: renamed, merged, left out, or in another order."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from ercfw import InputError, Mistake, did_you_mean
from ercfw_datasets.annotations import Record

NO_CODES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class ClassChoice:
    """The classes of a recipe.

    Attributes:
        classes: the C class names.
        by_label: the class of each label; None = its utterances are left out of their conversations.
        codes: the label for each of its other names.
        foreign: labels that the recipe renames although the corpus has no such label.
        is_own: whether the classes are those of the corpus itself.
    """

    classes: tuple[str, ...]
    by_label: Mapping[str, str | None]
    codes: Mapping[str, str]
    foreign: tuple[str, ...]
    is_own: bool

    def of(self, records: Sequence[Record]) -> list[Record]:
        """Return the records with their classes instead of their labels; unknown labels stay as they are.

        Raises:
            InputError: if the recipe renames a label that neither the corpus nor a record has.
        """
        named = [(record, self.codes.get(record.label or "", record.label or "")) for record in records]
        unused = {*self.foreign} - {name for _, name in named}
        if unused:
            label = min(unused, key=self.foreign.index)
            hint = did_you_mean(label, self.by_label.keys() - {*self.foreign})
            raise InputError.at(f"[data] labels: {label}", "the corpus has no such label", hint)
        return [replace(record, label=self.by_label.get(name, name)) for record, name in named]


def choose_classes(
    own: Sequence[str],
    labels: Mapping[str, str] | None = None,
    classes: Sequence[str] | None = None,
    codes: Mapping[str, str] = NO_CODES,
    outside: Sequence[str] = (),
    others_are: str = "left out",
) -> ClassChoice:
    """Return the classes of a corpus as the options ``labels`` and ``classes`` change them.

    Args:
        own: the classes of the corpus.
        labels: the class for each label to be renamed; ``""`` leaves its utterances out.
        classes: the classes in order; utterances of others are left out, and a warning names these.
        codes: the label for each of its other names.
        outside: labels whose utterances are left out unless ``labels`` gives them a class.
        others_are: what the warning says of the utterances of other classes.

    Raises:
        InputError: if ``classes`` names an unknown class, or an option names a label or class twice.
    """
    by_label: dict[str, str | None] = {**{name: name for name in own}, **dict.fromkeys(outside)}
    renamed = _renamed(labels or {}, codes)
    foreign = tuple(name for name in renamed if name not in by_label)
    by_label |= renamed
    found = tuple(dict.fromkeys(name for name in by_label.values() if name))
    if not found:
        raise InputError.at("[data] labels", "leaves no class", "keep the label of at least one class")
    if classes is None:
        return ClassChoice(found, by_label, codes, foreign, is_own=found == tuple(own) and not labels)
    chosen = tuple(codes.get(name, name) for name in classes)
    check_once(chosen)
    if unknown := [name for name in chosen if name not in found]:
        hint = did_you_mean(unknown[0], found)
        raise InputError.at("[data] classes", f"the corpus has no class '{unknown[0]}'", f"{hint}; labels renames them")
    others = [name for name in found if name not in chosen]
    if others:
        warnings.warn(
            f"[data] classes: utterances of {', '.join(others)} are {others_are}; labels merges classes", stacklevel=3
        )
    kept = {label: name if name in chosen else None for label, name in by_label.items()}
    return ClassChoice(chosen, kept, codes, foreign, is_own=chosen == tuple(own) and not labels)


def check_once(classes: Sequence[str]) -> None:
    """Check that the option ``classes`` lists each class once.

    Raises:
        InputError: if a class is listed twice.
    """
    twice = [name for place, name in enumerate(classes) if name in classes[:place]]
    if twice:
        raise InputError.at("[data] classes", f"lists '{twice[0]}' twice", "list each class once")


def _renamed(labels: Mapping[str, str], codes: Mapping[str, str]) -> dict[str, str | None]:
    renamed: dict[str, str | None] = {}
    mistakes = []
    for label, new in labels.items():
        name = codes.get(label, label)
        if name in renamed:
            mistakes.append(Mistake(f"[data] labels: {label}", f"'{name}' is listed twice", "list each label once"))
        renamed[name] = codes.get(new, new) or None
    if mistakes:
        raise InputError(mistakes)
    return renamed
