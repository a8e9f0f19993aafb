"""Conformance checks for plugin authors: what a part of each kind promises, in two lines of a test.

from ercfw.testing import conformance

def test_gated(): conformance("fusion", Gated)
"""

from ercfw.testing.kit import CHECKS, check_part, conformance
from ercfw.testing.outcome import Outcome, Report

__all__ = ["CHECKS", "Outcome", "Report", "check_part", "conformance"]
