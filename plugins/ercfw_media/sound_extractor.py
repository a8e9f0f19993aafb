"""What all extractors of sound have."""

from typing import ClassVar

from ercfw import Clip, ClipExtractor
from ercfw_media.clips import is_silent


class SoundExtractor(ClipExtractor):
    """An extractor of sound, which knows the clips whose sound is digital silence.

    Attributes:
        rate: the samples per second that it reads.
    """

    reads = "audio"
    rate: ClassVar[int]

    def is_silent(self, clip: Clip) -> bool | None:
        """Return whether the clip's sound is digital silence; None for a clip without sound.

        Raises:
            BrokenClipError: the clip cannot be read.
            InputError: a library is missing.
        """
        return is_silent(clip, self.rate)
