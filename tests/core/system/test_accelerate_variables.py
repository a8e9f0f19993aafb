"""Variables of Accelerate in the environment: the recipe decides the numbers, and what is ignored is reported."""

import os
from pathlib import Path

import pytest

from ercfw.system.accelerate_variables import only_the_recipe_decides

COMPUTATION = {
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "8",
    "ACCELERATE_MIXED_PRECISION": "bf16",
    "ACCELERATE_DYNAMO_BACKEND": "EAGER",
    "ACCELERATE_USE_CPU": "1",
    "ACCELERATE_USE_FSDP": "true",
    "ACCELERATE_USE_DEEPSPEED": "true",
    "ACCELERATE_USE_MEGATRON_LM": "true",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "true",
    "ACCELERATE_TORCH_DEVICE": "meta",
}
"""Values that Accelerate would follow, or for which it would demand another library."""


def run(cli, recipe, out):
    ended = cli("run", recipe, "train.optimizer=sgd", "--out", out)
    assert ended.code == 0, ended.err
    files = ("model.safetensors", "predictions.csv")
    return [(Path(out) / "tiny/base/seed-0" / name).read_bytes() for name in files], ended.err


def test_a_run_is_the_same_whatever_accelerate_is_asked_for(cli, tiny_recipe, monkeypatch):
    recipe = tiny_recipe()
    expected, _ = run(cli, recipe, "plain")
    for name, value in COMPUTATION.items():
        monkeypatch.setenv(name, value)
    found, said = run(cli, recipe, "asked")
    assert found == expected
    for name, value in COMPUTATION.items():
        assert said.count(f"warning: {name}={value} has no effect") == 1
    assert "has no effect (set train.accumulate)" in said


@pytest.mark.usefixtures("forked_workers")
def test_ablate_says_once_what_its_workers_leave_aside(cli, tiny_recipe, monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    ended = cli(
        "ablate", tiny_recipe('\n[[variant]]\nname = "other"\nset = { train = { lr = 2e-2 } }\n'), "--seeds", "1"
    )
    assert ended.code == 0, ended.err
    assert ended.err.count("warning: ACCELERATE_MIXED_PRECISION=fp16 has no effect (set train.precision)") == 1


def test_what_accelerate_launch_always_sets_is_not_reported(monkeypatch):
    for name, value in {
        "ACCELERATE_MIXED_PRECISION": "no",
        "ACCELERATE_DYNAMO_BACKEND": "NO",
        "ACCELERATE_DYNAMO_MODE": "default",
        "ACCELERATE_USE_CPU": "False",
        "ACCELERATE_CPU_AFFINITY": "1",
        "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "1",
        "FSDP_VERSION": "2",
    }.items():
        monkeypatch.setenv(name, value)
    warnings = []
    with only_the_recipe_decides(warnings.append):
        pass
    assert warnings == []


def test_the_variables_are_hidden_only_during_the_block(monkeypatch):
    monkeypatch.setenv("FSDP_CPU_RAM_EFFICIENT_LOADING", "true")
    monkeypatch.setenv("LOCAL_RANK", "1")
    before = dict(os.environ)

    def fail():
        with only_the_recipe_decides(lambda _: None):
            assert {*before} - {*os.environ} == {"FSDP_CPU_RAM_EFFICIENT_LOADING"}
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert dict(os.environ) == before
