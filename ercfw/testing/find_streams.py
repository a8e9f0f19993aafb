"""Find out which streams a part of a network reads: their kind, and widths that it accepts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from torch import Tensor

from ercfw.contract.data_info import StreamKind
from ercfw.contract.targets import Target
from ercfw.errors import InputError
from ercfw.testing.checked_part import Subject
from ercfw.testing.fixtures import DIMS, pack

EVEN = 8
"""The width of every modality for parts that refuse unequal widths, or odd ones."""
READERS = ("encoder", "model")
"""The kinds that read streams; the others read the vectors of an encoder."""


def network_part(
    kind: str,
    factory: Any,
    options: Mapping[str, Any],
    reads: StreamKind | None,
    dims: Mapping[str, int] | None,
    target: Target,
) -> tuple[Subject, list[str]]:
    """Return a part with streams that it accepts, and notes about them.

    Args:
        kind: its kind.
        factory: its class.
        options: its options.
        reads: the kind of its streams; None = the first with which it runs.
        dims: the width of each modality; None = unequal widths, or equal ones if it refuses those.
        target: what its target is.
    """
    given = Subject(kind, factory, options, reads or "vector", dims or DIMS, target)
    subject = _with_widths(given, fixed=dims is not None)
    if reads is not None or kind not in READERS or _runs(subject):
        return subject, []
    for other in get_args(StreamKind)[1:]:
        candidate = _with_widths(replace(subject, reads=other, dims=dims or DIMS), fixed=dims is not None)
        if _runs(candidate):
            return candidate, [f"it was checked with {other}, since it does not run with vectors"]
    hint = "say what it reads with --reads frames or --reads tokens, and its widths with --modality text=D"
    in_python = 'in Python with reads="frames" and dims={"text": D}'
    return subject, [f"it runs with no kind of stream, so it was checked with vectors: {hint}; {in_python}"]


def _with_widths(subject: Subject, fixed: bool) -> Subject:
    """Return the part with equal widths if it refuses unequal ones, unless the widths are ``fixed``."""
    try:
        subject.make()
    except InputError:
        return subject if fixed else replace(subject, dims=dict.fromkeys(DIMS, EVEN))
    except Exception:  # every check reports it
        return subject
    return subject


def _runs(subject: Subject) -> bool:
    """Return whether the part returns floats ``[N, D]`` for streams of this kind."""
    inputs = pack(subject.conversations).inputs
    try:
        pieces = subject.pieces(subject.make(), inputs)
    except Exception:  # the checks report it, unless another kind of stream serves
        return False
    return all(
        isinstance(piece, Tensor)
        and piece.is_floating_point()
        and piece.dim() == 2
        and len(piece) == len(inputs.speakers)
        for piece in pieces
    )
