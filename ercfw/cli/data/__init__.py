"""``ercfw data``: corpora and feature files."""

# In the order in which --help lists them.
from ercfw.cli.data import check, cues, exchange, fetch, stats
from ercfw.cli.data.app import data_app

__all__ = ["check", "cues", "data_app", "exchange", "fetch", "stats"]
