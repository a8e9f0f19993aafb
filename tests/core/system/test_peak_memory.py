"""The most memory a run held, beside what it surely held."""

import json
import subprocess
import sys

import torch

from ercfw.system.peak_memory import peak_memory

MUCH = 200_000_000
# In a process of its own: one that has freed memory before may take it again without asking the system.
CODE = f"""
import json, torch
from ercfw.system.peak_memory import reset_peak_memory, peak_memory
cpu = torch.device("cpu")
reset_peak_memory(cpu)
peaks = [peak_memory(cpu)]
held = torch.ones({MUCH}, dtype=torch.uint8)
peaks.append(peak_memory(cpu))
del held
peaks.append(peak_memory(cpu))
reset_peak_memory(cpu)
peaks.append(peak_memory(cpu))
print(json.dumps(peaks))
"""


def test_what_was_held_is_in_the_peak_until_it_is_forgotten():
    ended = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    before, held, freed, forgotten = json.loads(ended.stdout)
    assert held - before > 0.9 * MUCH
    assert freed > held - 0.1 * MUCH
    assert forgotten < held - 0.5 * MUCH


def test_where_there_is_no_status_the_system_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr("ercfw.system.peak_memory.STATUS", tmp_path / "none")
    assert 50_000_000 < peak_memory(torch.device("cpu")) < 2**40
