"""The version of ercfw."""

VERSION = "0.1.0"
