"""all-mpnet-base-v2: a frozen sentence encoder of base size."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from ercfw_media.mpnet_package import FILES, VERSION, mpnet_folder
from ercfw_media.sentence_encoder import POSITIONS, SentenceEncoder

LAST_LAYER = 12

Layer = Annotated[int, Field(ge=0, le=LAST_LAYER)]


class Mpnet(SentenceEncoder):
    """all-mpnet-base-v2 (Song et al., 2020; Reimers and Gurevych, 2019): 768 numbers and length 1 per layer.

    Each utterance is read alone, without its speaker and its neighbours; what the conversation adds is left to the
    model. The token vectors of each layer are averaged, and the mean is scaled to length 1. Text beyond
    ``most_tokens`` is cut off. An utterance without text is absent. The weights come in five Python packages. They are
    put together in the cache once, and are checked against a pinned hash.

    Options:
        layers: the layers whose vectors are concatenated, from 0 (the word embeddings) to 12 (the last one, which alone
            is the sentence vector that this model was trained to give). The last layer was trained to represent what a
            sentence is about; the lower ones keep more of how it is said.
        most_tokens: largest number of tokens to read of an utterance; the model was trained with at most 384.

    Raises:
        InputError: if a layer is named twice.
    """

    model = "all-mpnet-base-v2"
    weights = FILES["model.safetensors"]
    width = 768
    last_layer = LAST_LAYER
    first_position = 2

    def __init__(
        self,
        *,
        layers: Annotated[tuple[Layer, ...], Field(min_length=1)] = (LAST_LAYER,),
        most_tokens: Annotated[int, Field(ge=8, le=POSITIONS)] = 384,
    ) -> None:
        super().__init__(layers, most_tokens)

    @staticmethod
    def folder() -> Path:
        """Return the model's folder, which is made in the cache if it is not there.

        Raises:
            InputError: a package is missing, or its piece is not the pinned one.
            RunError: the cache cannot be written.
        """
        return mpnet_folder()

    @staticmethod
    def release() -> str:
        """Return the version of the packages whose pieces were put together; they may be gone since."""
        return VERSION
