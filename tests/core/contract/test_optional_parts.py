"""The optional methods of the contract: who offers one, and that everything exported keeps to them."""

import pytest
import torch
from torch import nn

import ercfw
from ercfw import Head, SupportsExplain, SupportsParameterGroups, SupportsTogether, SupportsViews
from ercfw.contract.optional_parts import supports_views
from ercfw.registry.catalog import KINDS, load_catalog

METHODS = {"explain": SupportsExplain, "parameter_groups": SupportsParameterGroups, "together": SupportsTogether}


@pytest.mark.parametrize("method", METHODS)
def test_a_part_offers_what_it_has_a_method_for_and_names_no_protocol(method):
    offers = type("Offers", (nn.Module,), {method: lambda *_: {}})
    inherits = type("Inherits", (offers,), {})
    takes_back = type("TakesBack", (offers,), {method: None})
    assert isinstance(offers(), METHODS[method])
    assert isinstance(inherits(), METHODS[method])
    assert not isinstance(takes_back(), METHODS[method])
    assert not isinstance(nn.Linear(1, 1), METHODS[method])


def test_the_shipped_parts_that_offer_them():
    """As the pages list them; a renamed method would drop its part from here."""
    offered = {
        (method, component.name)
        for kind, (_, base) in KINDS.items()
        for component in (load_catalog().components(kind) if base else [])
        for method, protocol in METHODS.items()
        if issubclass(component.factory, protocol)
    }
    assert offered >= {
        ("explain", "multiattn"),
        ("explain", "cross-modal-transformer"),
        ("explain", "transformer"),
        ("parameter_groups", "language-model"),
        ("together", "dialogue-rnn"),
    }


def test_a_head_that_reads_views_offers_it_by_a_parameter():
    class Reads(Head):
        def forward(self, x, inputs, views=None): ...

    assert supports_views(Reads)
    assert supports_views(type("Inherits", (Reads,), {}))
    assert not supports_views(Head)
    heads = load_catalog().components("head")
    assert [each.name for each in heads if supports_views(each.factory)] == ["auxiliary-linear"]


def test_each_is_documented_and_exported():
    for protocol in (*METHODS.values(), SupportsViews):
        assert getattr(ercfw, protocol.__name__) is protocol
        assert protocol.__doc__


def test_a_group_of_the_recipe_finds_the_parameters_that_a_part_names():
    class Grouped(nn.Module):
        def __init__(self):
            super().__init__()
            self.slow = nn.Linear(2, 2)

        def parameter_groups(self):
            return {"slow": list(self.slow.parameters())}

    from ercfw.recipe.part_table import Part
    from ercfw.recipe.train_tables import ParameterGroup, Train
    from ercfw.registry.resolve import resolve_part
    from ercfw.training.optimizer import make_optimizer

    settings = Train(groups={"slow": ParameterGroup(lr=1e-6)})
    adam = resolve_part(load_catalog(), "optimizer", "train.optimizer", Part(use="adam"))
    made = make_optimizer(settings, adam, nn.Sequential(Grouped(), nn.Linear(2, 2)))
    sizes = {group["lr"]: sum(p.numel() for p in group["params"]) for group in made.param_groups}
    assert sizes[1e-6] == torch.nn.Linear(2, 2).weight.numel() + 2
