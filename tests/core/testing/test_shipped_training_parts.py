"""The shipped optimisers, schedules, samplers and callbacks pass the checks of the kit."""

import pytest

from ercfw.registry.catalog import load_catalog
from ercfw.testing import check_part

REQUIRED = {
    "steplr": {"step_size": 3}, "multisteplr": {"milestones": (2, 5)}, "exponentiallr": {"gamma": 0.9},
    "cosineannealingwarmrestarts": {"T_0": 4}, "onecyclelr": {"max_lr": 0.1},
    "cycliclr": {"base_lr": 0.01, "max_lr": 0.1}, "freeze": {"parts": ("encoder.text",), "until": 1},
    "fgm": {"streams": ("text",)},
}  # fmt: skip


@pytest.mark.parametrize("kind", ["optimizer", "schedule", "sampler", "callback"])
def test_all_shipped_ones_pass(kind):
    for component in load_catalog().components(kind):
        report = check_part(kind, component.factory, REQUIRED.get(component.name))
        assert not report.of("failed"), report


def test_the_command_checks_them_with_options(cli):
    assert cli("check", "schedule/steplr", "step_size=2").code == 0
    assert "step_size=8" in cli("check", "schedule/steplr").out  # a made-up value
    assert cli("check", "ema", "decay=0.5").code == 0
    assert cli("check", "optimizers/adamw", "betas=[0.9, 0.98]").code == 0
    cli("check", "sampler/balanced", "powr=1").check(2, "there is no such key")
