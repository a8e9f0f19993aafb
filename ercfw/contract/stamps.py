"""Stamps: words that appear on everything a run writes, because its scores need care.

Extractors may add stamps of their own.
"""

SIMULATED = "SIMULATED"
CHOSEN_ON_TEST = "CHOSEN ON TEST"
DEV_CONTAMINATED = "DEV CONTAMINATED"

MEANING = {
    SIMULATED: "the conversations were made up, so the numbers say nothing about any corpus",
    CHOSEN_ON_TEST: "the reported epoch is the best one on test, so its score is too good",
    DEV_CONTAMINATED: "a stream was fitted on labels of dev, so dev scores, and the epoch they chose, are too good",
}


def meaning_of(stamp: str) -> str:
    """Return a stamp in bold, followed by its meaning if it is one of ours."""
    return f"**{stamp}**: {MEANING[stamp]}." if stamp in MEANING else f"**{stamp}**"
