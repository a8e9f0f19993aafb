"""Cues: words that describe how utterances are said, told from numbers and read from files."""
