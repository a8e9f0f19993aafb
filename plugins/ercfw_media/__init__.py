"""Extractors: raw text, sound and picture to features."""

from ercfw import hookimpl
from ercfw.interfaces import Extractor
from ercfw_media.minilm import MiniLm


@hookimpl
def provide_extractors() -> dict[str, type[Extractor]]:
    """The extractors by name."""
    return {"minilm": MiniLm}
