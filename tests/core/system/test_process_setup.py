"""Settings of the whole process: made by entry points alone, and undone where a block says so."""

import os
import subprocess
import sys
import warnings
from contextlib import suppress

import pytest
import torch

from ercfw.system.files import write_text
from ercfw.system.process_setup import deterministic, own_accelerate_state, set_up_process


@pytest.mark.slow
def test_importing_changes_nothing_of_the_process():
    code = """
import os, warnings
import torch
mask, filters, environment = os.umask(0o027), list(warnings.filters), dict(os.environ)
calls = []
os.umask, umask = lambda mask: calls.append(mask), os.umask
import ercfw.experiment.api, ercfw.cli
print(calls, dict(os.environ) == environment, torch.are_deterministic_algorithms_enabled())
print([f for f in warnings.filters if f[1] is not None and "Grad strides" in f[1].pattern])
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == ["[] True False", "[]"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_files_have_the_mode_of_the_user_s_mask(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "a.txt", "a")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == mode


def test_set_up_silences_one_warning_alone(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("TORCH_CPP_LOG_LEVEL", raising=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        set_up_process()
        warnings.warn("Grad strides do not match bucket view strides", stacklevel=1)
        warnings.warn("another", stacklevel=1)
    assert [str(each.message) for each in caught] == ["another"]
    assert os.environ["TORCH_CPP_LOG_LEVEL"] == "ERROR"


def test_deterministic_algorithms_are_for_gpus_and_undone(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with deterministic("cpu"):
        assert not torch.are_deterministic_algorithms_enabled()
    with deterministic("cuda"):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    assert not torch.are_deterministic_algorithms_enabled()


def test_another_accelerate_state_comes_back_after_an_error():
    from accelerate.state import AcceleratorState

    before = dict(AcceleratorState._shared_state)
    with suppress(ZeroDivisionError), own_accelerate_state():
        assert AcceleratorState._shared_state == {}
        1 / 0  # noqa: B018
    assert AcceleratorState._shared_state == before
