"""Conformance checks for plugin authors: two lines of a test check what a part of each kind promises.

from ercfw.testing import conformance

def test_gated(): conformance("fusion", Gated)
"""

from ercfw.testing.conformance_kit import CHECKS, check_part, conformance
from ercfw.testing.outcome import Outcome, Report

__all__ = ["CHECKS", "Outcome", "Report", "check_part", "conformance"]
