"""The short options of a prompt, which extractors had before there was a table for it."""

from typing import Any

from ercfw import InputError
from ercfw_media.prompt import Prompt


def chosen_prompt(prompt: Prompt | None, speakers: bool, before: int, after: int, *, by_default: bool) -> Prompt:
    """Return the prompt of an extractor: its table, or what its short options describe.

    Args:
        prompt: the table.
        speakers: whether each turn begins with its speaker's name.
        before: number of turns before the utterance.
        after: number of turns after it.
        by_default: the extractor's default for ``speakers``.

    Raises:
        InputError: both are used.
    """
    if prompt is None:
        return Prompt(speakers="names" if speakers else "none", before=before, after=after)
    short = {"speakers": speakers != by_default, "before": before, "after": after}
    if used := [name for name, differs in short.items() if differs]:
        raise InputError.at(used[0], "is set beside the table prompt", f"set prompt.{used[0]} in place of it")
    return prompt


def about_prompt(prompt: Prompt, most_tokens: int, is_table: bool) -> dict[str, Any]:
    """Return what decides the tokens, for fingerprints; short options give what they gave before there was a table."""
    if is_table:
        table = prompt.model_dump()
        if prompt.cues is None:  # the key is newer than fingerprints that must stay valid
            del table["cues"]
        return {**table, "most_tokens": most_tokens}
    return {
        "speakers": prompt.speakers == "names",
        "before": prompt.before,
        "after": prompt.after,
        "most_tokens": most_tokens,
    }
