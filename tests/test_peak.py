"""The most memory a run held, beside what it surely held."""

import torch

from ercfw.peak import forget_peak, peak_memory

CPU = torch.device("cpu")
MUCH = 200_000_000


def test_what_was_held_is_in_the_peak_until_it_is_forgotten():
    forget_peak(CPU)
    before = peak_memory(CPU)
    held = torch.ones(MUCH, dtype=torch.uint8)
    after = peak_memory(CPU)
    assert after - before > 0.9 * MUCH
    del held
    assert peak_memory(CPU) > after - 0.1 * MUCH
    forget_peak(CPU)
    assert peak_memory(CPU) < after - 0.5 * MUCH


def test_where_there_is_no_status_the_system_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr("ercfw.peak.STATUS", tmp_path / "none")
    assert 50_000_000 < peak_memory(CPU) < 2**40
