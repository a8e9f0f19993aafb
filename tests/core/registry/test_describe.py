"""``ercfw show KIND NAME``: what is known of a part."""

import json
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from ercfw import Head
from ercfw.registry.catalog import KINDS, Component, load_catalog
from ercfw.registry.describe import describe_part, summary


class Bounds(BaseModel):
    low: Annotated[float, Field(ge=0)] = 0
    high: float = 1


class Mine(Head):
    """A head.

    Options:
        width: of it,
            in numbers: many.
        form: one letter.

    Raises:
        InputError: never.
    """

    def __init__(
        self,
        dim: int,
        target: str,
        info: object,
        *,
        width: Annotated[int, Field(ge=1, lt=9)],
        rate: Annotated[float, Field(gt=0)] = 0.5,
        form: Literal["a", "b"] = "a",
        names: tuple[str, ...] = (),
        of: dict[str, int] | None = None,
        flat: bool = False,
        root: Path | None = None,
        bounds: dict[str, Bounds] = {"a": Bounds(low=1, high=2.5), "b c": Bounds()},  # noqa: B006
    ) -> None: ...

    def forward(self, x, inputs):
        """``[N, D]`` to logits."""


def test_every_option_in_words():
    described = describe_part(Component("head", "mine", Mine, "ours"))
    assert described.constructor == ("dim", "target", "info")
    assert {o.name: (o.may_be, o.default) for o in described.options} == {
        "width": ("a whole number at least 1, below 9", None),
        "rate": ("a number above 0", "0.5"),
        "form": ('"a" or "b"', '"a"'),
        "names": ("a list of text", "[]"),
        "of": ("a table of a whole number or nothing", "nothing"),
        "flat": ("true or false", "false"),
        "root": ("a path or nothing", "nothing"),
        "bounds": (
            "a table of a table (low: a number at least 0; high: a number)",
            '{a = {low = 1.0, high = 2.5}, "b c" = {low = 0.0, high = 1.0}}',
        ),
    }
    meanings = {o.name: o.meaning for o in described.options if o.meaning}
    assert meanings == {"width": "of it, in numbers: many.", "form": "one letter."}
    assert described.docstring == "A head.\n\nRaises:\n    InputError: never."
    assert described.shapes == "forward:\n  ``[N, D]`` to logits."
    assert described.file.startswith(str(Path(__file__).resolve()))
    assert "width: a whole number at least 1, below 9; must be given" in str(described)


def test_the_command(cli):
    result = cli("show", "fusion", "multiattn")
    assert result.code == 0
    wanted = [
        "fusion multiattn, from plugin multiemo",
        "multiattn.py, line ",
        "constructed with (dims, info, *, options)",
        "heads: a whole number at least 1; 4 by default",
        "Every modality attends to the others",
        "[N, M*D]",
    ]
    assert [words for words in wanted if words not in result.out] == []
    said = json.loads(cli("show", "loss", "swfc", "--json").out)
    assert said["plugin"] == "multiemo"
    assert said["options"][0] == {
        "name": "temperature",
        "may_be": "a number above 0",
        "default": "1.4",
        "meaning": "temperature of the softmax, tau in the paper.",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_alone_lists_its_parts_in_the_singular_and_in_the_plural(kind, cli):
    catalog = load_catalog()
    listed = cli("show", kind)
    assert listed.code == 0
    assert all(summary(component).split()[0] in listed.out for component in catalog.components(kind))
    plural = KINDS[kind][0].removeprefix("provide_")
    assert cli("show", plural).out == listed.out
    parts = json.loads(cli("show", plural, "--json").out)[kind]
    assert [part["name"] for part in parts] == catalog.names(kind)
    assert {"name", "plugin", "summary"} == parts[0].keys()


def test_a_summary_is_the_first_sentence():
    assert summary(Component("head", "mine", Mine, "ours")) == "A head"


def test_plurals_name_kinds_wherever_a_kind_is_named(cli, tmp_path):
    assert cli("ls", "losses").out == cli("ls", "loss").out
    assert "loss swfc, from plugin" in cli("show", "losses", "swfc").out
    assert cli("check", "metrics/accuracy").code == 0
    assert cli("new", "plugin", "mine", "--kind", "fusions", "--single-file", "--to", str(tmp_path / "here")).code == 0


def test_a_kind_without_parts_says_so(cli, monkeypatch):
    monkeypatch.setenv("ERCFW_PLUGINS", "datasets")
    assert cli("show", "heads").out == "no installed plugin offers a head\n"


def test_every_part_can_be_described():
    catalog = load_catalog()
    for kind in KINDS:
        for component in catalog.components(kind):
            described = describe_part(component)
            assert f"{kind} {component.name}" in str(described)
            assert [option for option in described.options if not option.meaning or "anything" in option.may_be] == []
            assert "Options:" not in described.docstring


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("fusion", "multiatn"), "there is no fusion named 'multiatn'..did you mean 'multiattn'?"),
        (("fussion", "multiattn"), "'multiattn' is not a setting, and 'fussion' is not a kind..did you mean 'fusion'?"),
        (("fusion", "multiattn", "x"), "'x' is one argument too many"),
        (("fusion", "width=3"), "fusion: there is no such recipe"),
        (("multiemo_meld", "train.lr"), "'train.lr' is not a setting, and 'multiemo_meld' is not a kind"),
    ],
)
def test_what_is_none(cli, words, says):
    cli("show", *words).check(2, says)
