"""What may be an optimiser or a schedule, and how options are read from signatures that follow torch's conventions."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch.optim import Optimizer

from ercfw.registry.catalog import load_catalog
from ercfw.registry.options import constructor_arguments, options_model, read_options
from ercfw.registry.plugin_file import read_plugin_file
from ercfw.registry.torch_parts import meanings_of

PLUGIN = """
import torch
from torch.optim.lr_scheduler import LRScheduler
from ercfw import hookimpl

class Part({base}):
    each = "{each}"
    def __init__(self, {signature}):
        pass
    {method} = lambda self, *_: None

@hookimpl
def {hook}():
    return {{"{name}": Part}}
"""
OPTIMIZER = {"base": "torch.optim.Optimizer", "hook": "provide_optimizers", "method": "step", "each": "step"}
SCHEDULE = {"base": "LRScheduler", "hook": "provide_schedules", "method": "get_lr", "each": "step"}


@pytest.mark.parametrize(
    ("words", "failure"),
    [
        ({**OPTIMIZER, "signature": "params, lr=0.1"}, None),
        ({**SCHEDULE, "signature": "optimizer"}, None),
        ({**OPTIMIZER, "signature": "params"}, "optimizer 'mine' must be constructed with params, lr and options"),
        ({**OPTIMIZER, "signature": "weights, lr"}, "it has no 'params'"),
        ({**OPTIMIZER, "signature": "params, lr", "method": "go"}, "optimizer 'mine' does not implement step"),
        ({**OPTIMIZER, "signature": "params, lr, fn"}, "Part: option 'fn' has no type that a recipe can hold"),
        ({**OPTIMIZER, "signature": "params, lr, weight: int = 1"}, "an option cannot be named 'weight'"),
        ({**OPTIMIZER, "signature": "params, lr", "base": "dict"}, "derive it from torch.optim.Optimizer"),
        ({**SCHEDULE, "signature": "steps"}, "must be constructed with optimizer and options: it has no 'optimizer'"),
        ({**SCHEDULE, "signature": "optimizer", "method": "go"}, "schedule 'mine' does not implement get_lr"),
        ({**SCHEDULE, "signature": "optimizer", "each": "batch"}, "has each = 'batch', but must be 'step' or 'epoch'"),
        ({**SCHEDULE, "signature": "optimizer", "name": "cosine"}, "schedule 'cosine': the name belongs to ercfw"),
        ({**SCHEDULE, "signature": "optimizer", "base": "dict"}, "derive it from torch.optim.lr_scheduler.LRScheduler"),
    ],
)
def test_what_a_plugin_may_offer(plugin_file, words, failure):
    path = plugin_file(PLUGIN.format(**{"name": "mine", **words}))
    plugin = load_catalog([read_plugin_file(path)]).plugins[-1]
    if failure is None:
        assert plugin.failure is None
    else:
        assert failure in plugin.failure


class Loose(Optimizer):
    """Loose.

    Args:
        params (iterable): passed.
        rates (tuple of
            floats): two of them,
            in order.
        mode : a word.
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        weight_decay=0,
        momentum=0.9,
        rates=(0, 0.5),
        mode="plain",
        whole=3,
        flag=False,
        tensor: float | torch.Tensor = 1,
        places: Iterable[int] = (1, 2),
        fn: Callable[[int], float] | None = None,
        anything: Any = None,
        unknown: "NoSuchThing" = 0.5,  # noqa: F821
        fused=None,
        *,
        typed: int = 1,
        **more,
    ): ...


def test_options_are_read_by_type_or_by_default():
    read = constructor_arguments(read_options(Loose, {}, ""))
    assert read == {
        "rates": (0.0, 0.5), "mode": "plain", "whole": 3, "flag": False, "tensor": 1.0, "places": (1, 2),
        "unknown": 0.5, "typed": 1,
    }  # fmt: skip
    given = {"rates": [1, 2], "whole": 2.5, "tensor": 3, "places": [4], "unknown": 1}
    read = constructor_arguments(read_options(Loose, given, ""))
    assert (read["rates"], read["whole"], read["tensor"], read["places"]) == ((1.0, 2.0), 2.5, 3.0, (4,))


def test_descriptions_come_from_the_section_of_arguments():
    assert meanings_of(Loose.__doc__) == {
        "params": "passed.", "rates": "two of them, in order.", "mode": "a word.",
    }  # fmt: skip


def test_show_has_the_options_of_torchs_optimisers(cli):
    shown = cli("show", "optimizer", "adamw").out
    assert "betas: a list at least 2 entries, at most 2 entries; [0.9, 0.999] by default\n      coefficients" in shown
    assert "lr:" not in shown
    assert "fused" not in shown
    assert "math::" not in shown
    assert "T_max: a whole number or nothing" in cli("show", "schedules", "cosineannealinglr").out


def test_every_option_of_torchs_own_has_a_type():
    for kind in ("optimizer", "schedule"):
        for component in load_catalog().components(kind):
            assert all(f.annotation is not Any for f in options_model(component.factory).model_fields.values())
