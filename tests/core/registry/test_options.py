"""Keyword-only parameters are the schema: what is read, what is refused, and in which words."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from ercfw.errors import InputError
from ercfw.recipe.schema import CORE_KEYS
from ercfw.registry.options import constructor_arguments, options_model, read_options


class Part:
    def __init__(
        self,
        dim: int,
        *,
        width: Annotated[int, Field(ge=1)] = 8,
        rate: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        form: Literal["paper", "release"] = "paper",
        sizes: tuple[int, ...] = (),
        root: Path | None = None,
        weights: Literal["none"] | list[Annotated[float, Field(ge=0)]] = "none",
        by_name: dict[str, Annotated[int, Field(ge=1)]] | None = None,
        on: bool = False,
    ) -> None: ...


class Needy:
    def __init__(self, *, width: int) -> None: ...


def reported(cls: type, **options: object) -> list[str]:
    with pytest.raises(InputError) as raised:
        read_options(cls, options, "r.toml: [fusion]")
    return [str(mistake) for mistake in raised.value.mistakes]


def test_defaults_are_written_out_and_positional_parameters_are_not_options():
    assert constructor_arguments(read_options(Part, {}, "")) == {
        "width": 8, "rate": 0.0, "form": "paper", "sizes": (), "root": None,
        "weights": "none", "by_name": None, "on": False,
    }  # fmt: skip
    assert reported(Part, dim=3)[0].startswith("r.toml: [fusion] dim: there is no such key")


def test_lists_become_tuples_words_become_paths_and_whole_numbers_floats():
    written = {"sizes": [1, 2], "root": "data/x", "rate": 0, "weights": [1, 0.5]}
    options = constructor_arguments(read_options(Part, written, ""))
    assert options["sizes"] == (1, 2)
    assert options["root"] == Path("data/x")
    assert isinstance(options["rate"], float)
    assert options["weights"] == [1.0, 0.5]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("width", "3", "width: should be a valid integer, not '3'"),
        ("width", True, "width: should be a valid integer, not true"),
        ("width", 2.5, "width: should be a valid integer, not 2.5"),
        ("width", 0, "width: should be greater than or equal to 1, not 0"),
        ("rate", float("nan"), "rate: should be a finite number, not nan"),
        ("rate", float("inf"), "rate: should be a finite number, not inf"),
        ("on", 1, "on: should be true or false, not 1"),
        ("form", "papper", "form: should be 'paper' or 'release', not 'papper'"),
        ("sizes", 3, "sizes: should be a list, not 3"),
        ("sizes", [1, "2"], "sizes.1: should be a valid integer, not '2'"),
        ("weights", [1, -0.5], "weights.1: should be greater than or equal to 0, not -0.5"),
        ("weights", "non", "weights: should be 'none' or a list, not 'non'"),
        ("by_name", {"a": 0}, "by_name.a: should be greater than or equal to 1, not 0"),
        ("by_name", 3, "by_name: should be a table, not 3"),
    ],
)
def test_what_is_refused_is_reported_once_and_in_place(option, value, message):
    assert reported(Part, **{option: value}) == [f"r.toml: [fusion] {message}"]


def test_all_that_is_wrong_is_reported_and_what_is_missing_too():
    assert len(reported(Part, width=0, rate=2.0, widht=3)) == 3
    assert reported(Part, widht=3)[0].startswith("r.toml: [fusion] widht: there is no such key (did you mean 'width'?")
    assert reported(Needy) == ["r.toml: [fusion] width: is missing"]


@pytest.mark.parametrize("name", sorted(CORE_KEYS | {"schema", "model_config", "model_width"}))
def test_names_that_are_taken_are_refused(name):
    space: dict = {}
    exec(f"class Taken:\n    def __init__(self, *, {name}: int = 0): ...", space)
    with pytest.raises(TypeError, match=f"cannot be named '{name}'"):
        options_model(space["Taken"])


def test_hints_that_are_missing_or_unreadable_are_refused():
    class Untyped:
        def __init__(self, *, width=3): ...

    class Unknown:
        def __init__(self, *, width: "NoSuchThing" = 3): ...  # noqa: F821

    class Odd:
        def __init__(self, *, width: options_model = 3): ...

    for cls, message in ((Untyped, "no type hint"), (Unknown, "NoSuchThing"), (Odd, "a recipe cannot hold")):
        with pytest.raises(TypeError, match=message):
            options_model(cls)
