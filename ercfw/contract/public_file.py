"""A file that a public repository offers for download."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PublicFile:
    """A file of a public repository.

    Attributes:
        url_path: the path after the address of the server.
        blob: the git blob id: sha1 of ``blob <size>``, a zero byte, and the content.
        to: the target path, relative to the folder of the corpus.
    """

    url_path: str
    blob: str
    to: str
