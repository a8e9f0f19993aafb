"""A file that a public repository offers for download."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PublicFile:
    """A file of a public repository.

    Attributes:
        url_path: what follows the server's address.
        blob: its git blob id: sha1 of ``blob <size>``, a zero byte, and the content.
        to: where it goes, relative to a corpus' folder.
    """

    url_path: str
    blob: str
    to: str
