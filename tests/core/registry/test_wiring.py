"""A part takes what the core passes by name, so that a base class can gain a parameter."""

import pytest
from torch import nn

from ercfw import FusionBlock
from ercfw.recipe.part_table import Part
from ercfw.registry import catalog
from ercfw.registry.catalog import KINDS, Catalog, Component, Plugin, load_catalog
from ercfw.registry.make import make_part
from ercfw.registry.plugin_file import read_plugin_file
from ercfw.registry.resolve import resolve_part
from ercfw.registry.wiring import arguments_for
from ercfw.testing import check_part


class Base(nn.Module):
    def __init__(self, dims, info):
        super().__init__()


class Grown(FusionBlock):
    """The fusion's base class of a later ercfw: the new parameter has a default, for those who call super()."""

    def __init__(self, dims, info, seed=0):
        super().__init__(dims, info)
        self.seed = seed


def part(parameters: str, base: type = Base) -> type:
    """A class whose constructor has these parameters, and keeps what it is given."""
    space: dict = {"Base": base}
    exec(f"class Made(Base):\n    def __init__(self, {parameters}): self.given = locals()", space)
    return space["Made"]


@pytest.mark.parametrize(
    ("parameters", "arguments"),
    [
        ("dims, info", [1, 2]),
        ("dims, info, *, width: int = 3", [1, 2]),
        ("dims, info, /", [1, 2]),
        ("info, dims", [2, 1]),
        ("info", [2]),
        ("dims", [1]),
        ("*, width: int = 3", []),
        ("info=None", [2]),
        ("**options", []),
        # Names of its own: by place, as every part was once made.
        ("sizes, data", [1, 2]),
        ("dims, data", [1, 2]),
        ("sizes, *others", [1, 2]),
    ],
)
def test_a_part_gets_what_it_names(parameters, arguments):
    assert arguments_for(part(parameters), Base, [1, 2]) == arguments


@pytest.mark.parametrize(
    ("parameters", "unknown"),
    [
        ("dims, info, width", "width"),
        ("dims, info, width=3", "width"),
        ("sizes", "sizes"),
        ("*everything", "everything"),
        ("dims, info, inof", "inof"),
    ],
)
def test_a_part_that_takes_something_else_is_refused(parameters, unknown):
    with pytest.raises(TypeError) as raised:
        arguments_for(part(parameters), Base, [1, 2])
    assert str(raised.value).startswith(
        f"must be constructed with (dims, info, *, options) or fewer of these: ercfw passes no '{unknown}'"
    )
    assert ("did you mean 'info'?" in str(raised.value)) is (unknown == "inof")


def test_a_kind_that_passes_nothing():
    class Nothing: ...

    with pytest.raises(
        TypeError, match=r"^must be constructed with \(\*, options\): ercfw passes no 'root', and options"
    ):
        arguments_for(part("root", Nothing), Nothing, [])


def catalog_of(factory: type) -> Catalog:
    return Catalog([Plugin("mine", "1", "here", [Component("fusion", "mine", factory, "mine")])])


@pytest.mark.parametrize(
    ("parameters", "given"),
    [
        ("dims, info", {"dims": {"text": 8}, "info": None}),
        ("dims, info, seed", {"dims": {"text": 8}, "info": None, "seed": 7}),
        ("seed", {"seed": 7}),
        ("sizes, data, number", {"sizes": {"text": 8}, "data": None, "number": 7}),
        ("sizes, data", {"sizes": {"text": 8}, "data": None}),
    ],
)
def test_a_base_class_that_gains_a_parameter_breaks_no_part(parameters, given, monkeypatch):
    monkeypatch.setitem(catalog.KINDS, "fusion", ("provide_fusions", Grown))
    resolved = resolve_part(catalog_of(part(parameters, Grown)), "fusion", "fusion", Part(use="mine"))
    made = make_part(resolved, {"text": 8}, None, 7)
    assert {name: made.given[name] for name in given} == given


def test_the_shipped_parts_load_and_work_with_a_base_class_that_has_gained_a_parameter(monkeypatch):
    before = {component.name for component in load_catalog().components("fusion")}
    monkeypatch.setattr(FusionBlock, "__init__", lambda self, dims, info, seed=0: nn.Module.__init__(self))
    found = load_catalog()
    assert {component.name for component in found.components("fusion")} == before
    resolved = resolve_part(found, "fusion", "fusion", Part(use="concat"))
    made = make_part(resolved, {"text": 8, "audio": 4}, None, 7)
    assert made.out_dim == 12


MINE = """\
import torch
from ercfw import FusionBlock, hookimpl

class Mine(FusionBlock):
    '''Puts all modalities side by side.'''

    def __init__(self, {parameters}) -> None:
        super().__init__({{}}, None)
        self.out_dim = 16

    def forward(self, xs, inputs):
        '''``{{m: [N, D_m]}} -> [N, 16]``.'''
        return torch.cat(list(xs.values()), -1)

@hookimpl
def provide_fusions():
    return {{"mine": Mine}}
"""


def test_a_part_with_fewer_parameters_trains(plugin_file, cli, tiny_recipe):
    plugin_file(MINE.format(parameters="info"))
    assert cli("run", tiny_recipe(top="plugins = ['./mine.py']\n"), "fusion.use=mine").code == 0


def test_a_plugin_with_an_unknown_name_says_so(plugin_file):
    path = plugin_file(MINE.format(parameters="info, dim, sie"))
    failure = load_catalog([read_plugin_file(path)]).plugins[-1].failure
    assert "fusion 'mine' must be constructed with (dims, info, *, options) or fewer of these" in failure
    assert "ercfw passes no 'dim', and options come after the * (did you mean 'dims'?" in failure


def test_the_kit_makes_a_part_as_the_core_does():
    class Fewer(FusionBlock):
        """The sum of what every modality gives."""

        def __init__(self, info):
            super().__init__({}, info)
            self.out_dim = 1

        def forward(self, xs, inputs):
            """``{m: [N, D_m]} -> [N, 1]``."""
            return sum(x.sum(-1, keepdim=True) for x in xs.values())  # [N, 1]

    report = check_part("fusion", Fewer, {})
    assert report.of("passed")
    assert not [outcome for outcome in report.of("failed") if "argument" in str(outcome)]


def test_every_kind_passes_the_names_that_the_tutorial_lists():
    wired = {kind: catalog.wired_places(base, base) for kind, (_, base) in KINDS.items() if base}
    assert {kind: len(places) for kind, places in wired.items()} == {
        "dataset": 0, "format": 0, "extractor": 0, "encoder": 2, "context": 2, "fusion": 2, "head": 4, "loss": 3,
        "model": 1, "optimizer": 2, "schedule": 2, "sampler": 2, "callback": 1,
    }  # fmt: skip
