"""Find texts that the extractors of a recipe cut."""

from collections.abc import Iterator, Mapping, Sequence

from ercfw.contract.conversation import Conversation
from ercfw.contract.interfaces import Extractor
from ercfw.contract.optional_parts import SupportsCutTexts
from ercfw.data.audit.finding import Finding, first
from ercfw.data.extraction.extract import cut_texts
from ercfw.errors import InputError
from ercfw.registry.make import make_part
from ercfw.registry.resolve import ResolvedPart

MANY_WORDS = 200
"""Number of words above which a text exceeds the 256 tokens that many text encoders read."""


def check_long_texts(
    conversations: Sequence[Conversation], extractors: Mapping[str, ResolvedPart[Extractor]]
) -> Iterator[Finding]:
    """Yield the texts of which the extractors read only the beginning; without extractors, texts that are very long.

    Args:
        conversations: those of all splits.
        extractors: the extractor of each modality, as a recipe names them.
    """
    told = False
    for modality, part in extractors.items():
        try:
            extractor = make_part(part)
            if isinstance(extractor, SupportsCutTexts) and extractor.longest_text:
                told = True
                yield _cut(conversations, modality, part.component.name, extractor)
        except InputError as error:
            yield Finding("note", f"stream '{modality}'", f"texts that are cut are unknown: {error}")
    ids = [id for c in conversations for id, text in zip(c.ids, c.texts, strict=True) if len(text.split()) > MANY_WORDS]
    if ids and not told:
        what = f"texts of more than {MANY_WORDS} words, whose ends many text encoders do not read: {len(ids)}"
        yield Finding("note", "all splits", f"{what} ({first(ids)})")


def _cut(conversations: Sequence[Conversation], modality: str, name: str, extractor: Extractor) -> Finding:
    ids = [c.ids[place] for c in conversations for place in cut_texts(extractor, name, c) or ()]
    if not ids:
        return Finding("fine", f"stream '{modality}'", "every text is read to its end")
    assert isinstance(extractor, SupportsCutTexts)
    what = f"texts of which only the beginning is read: {len(ids)} of {sum(map(len, conversations))} ({first(ids)})"
    return Finding("doubtful", f"stream '{modality}'", f"{what}; {extractor.longest_text}")
