"""The GPUs of a process are those that the user listed; no GPU is needed to see that."""

import pytest
import torch

from ercfw.system.gpus import count_gpus, gpu_names


@pytest.mark.parametrize(
    ("listed", "counted", "expected"),
    [
        (None, 2, ["0", "1"]),
        ("2,3", 2, ["2", "3"]),
        (" 3 , 1 ,", 2, ["3", "1"]),
        ("5", 1, ["5"]),
        ("2,-1,3", 1, ["2"]),  # CUDA ignores what follows a number that no GPU has
        ("GPU-8a0f,GPU-93be", 2, ["GPU-8a0f", "GPU-93be"]),
        ("MIG-1f,MIG-2e,MIG-3d", 1, ["MIG-1f", "MIG-2e", "MIG-3d"]),  # CUDA shows a process only the first
        ("", 0, []),
        ("-1", 0, []),
    ],
)
def test_gpus_have_the_names_that_the_user_gave(monkeypatch, listed, counted, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if listed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: counted > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: counted)
    assert gpu_names(count_gpus()) == expected
