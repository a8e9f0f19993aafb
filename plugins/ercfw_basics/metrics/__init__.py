"""The metrics that ship with ercfw, one file per kind of target."""
