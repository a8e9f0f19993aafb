"""Deprecated and experimental names warn at the caller's line and are otherwise what they were."""

import inspect
import pickle
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import pytest
from torch import nn

import ercfw
from ercfw import Context, Dataset
from ercfw.contract.deprecated import ExperimentalWarning, deprecated, experimental
from ercfw.registry.catalog import Catalog, Component, Plugin, construct
from ercfw.registry.options import options_model

OLD = deprecated(since="0.2", remove_in="0.4", instead="new")
TEXT = "is deprecated since ercfw 0.2 and will be removed in 0.4: use new"


def plain(a: int, *, b: str = "x") -> str:
    """Return b, a times."""
    return b * a


class Whole(nn.Module):
    """A network."""

    def __init__(self, dims: dict, info: object, *, width: int = 3) -> None:
        super().__init__()
        self.width = width


class Bare(Dataset):
    """No constructor of its own."""

    def split(self, name):
        return []


class Pair(NamedTuple):
    one: int
    two: int = 2


@dataclass(frozen=True)
class Frozen:
    x: int = 1


@OLD
class Kept(Whole):
    """A class that pickle can find."""


CASES = [
    (plain, (2,), {"b": "y"}),
    (Whole, ({}, None), {"width": 4}),
    (Bare, (), {}),
    (Pair, (1,), {}),
    (Frozen, (), {}),
]


def copy_of(named):
    """A class of its own for each test: the decorators change the class that they are given."""
    return type(named.__name__, (named,), {"__init__": named.__init__}) if isinstance(named, type) else named


@pytest.mark.parametrize(("named", "args", "kwargs"), CASES, ids=lambda c: getattr(c, "__name__", ""))
@pytest.mark.parametrize(
    ("mark", "category", "text"),
    [(OLD, DeprecationWarning, TEXT), (experimental(since="0.2"), ExperimentalWarning, "is experimental since ercfw")],
    ids=["deprecated", "experimental"],
)
def test_the_name_warns_at_the_caller_s_line_and_works(mark, category, text, named, args, kwargs):
    marked = mark(copy_of(named))
    with pytest.warns(category, match=f"{named.__name__}.*{text}") as caught:
        made, line = marked(*args, **kwargs), inspect.currentframe().f_lineno
    (warning,) = caught
    assert (warning.filename, warning.lineno) == (__file__, line)
    if not isinstance(named, type):
        assert made == named(*args, **kwargs)
    else:
        assert type(made) is marked
        assert isinstance(made, named)
    assert getattr(made, "width", 4) == 4
    assert tuple(made) == (1, 2) if named is Pair else True


@pytest.mark.parametrize(("named", "args", "kwargs"), CASES, ids=lambda c: getattr(c, "__name__", ""))
def test_signature_name_and_documentation_stay(named, args, kwargs):
    marked = OLD(copy_of(named))
    assert inspect.signature(marked) == inspect.signature(named)
    assert marked.__name__ == named.__name__
    assert inspect.getdoc(marked) == inspect.getdoc(named)


@pytest.mark.parametrize("args", [(1, 2, 3), ()])
def test_wrong_arguments_are_refused_as_before(args):
    class Nothing: ...

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for named in (plain, Pair, *([Nothing] if args else [])):
            with pytest.raises(TypeError):
                OLD(copy_of(named))(*args)


def test_a_class_stays_the_same_class():
    cls = copy_of(Frozen)
    assert OLD(cls) is cls
    with pytest.warns(DeprecationWarning, match="Kept"):
        kept = Kept({}, None)
    assert isinstance(pickle.loads(pickle.dumps(kept)), Kept)


def test_a_subclass_warns_through_its_base_and_keeps_a_signature_of_its_own():
    base = OLD(copy_of(Whole))

    class Mine(base):
        def __init__(self, info, *, depth: int = 1) -> None:
            super().__init__({}, info)

    assert list(inspect.signature(Mine).parameters) == ["info", "depth"]
    with pytest.warns(DeprecationWarning, match="Whole"):
        Mine(None)


def test_once_per_line_of_the_caller():
    marked = OLD(plain)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            marked(1)
        marked(1)
    assert len(caught) == 2


def test_an_experimental_name_is_shown_by_default_and_has_a_category_of_its_own():
    assert issubclass(ExperimentalWarning, FutureWarning)
    assert ercfw.ExperimentalWarning is ExperimentalWarning
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ExperimentalWarning)
        assert experimental(since="0.2")(plain)(1) == "x"


def test_a_part_that_is_deprecated_keeps_its_options_and_is_made_by_name():
    class Old(Context):
        def __init__(self, info, *, width: int = 3) -> None:
            super().__init__(width, info)
            self.out_dim = width

    marked = OLD(Old)
    assert list(options_model(marked).model_fields) == ["width"]
    found = Catalog([Plugin("mine", "1", "here", [Component("context", "old", marked, "mine")])])
    with pytest.warns(DeprecationWarning, match="Old"):
        made = construct("context", found.find("context", "old", "").factory, (8, None), {"width": 5})
    assert made.out_dim == 5
