"""Text to token ids, for encoders that read them."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ercfw import Conversation, Extractor
from ercfw_media.long_texts import longest_text
from ercfw_media.pretrained import MINILM, check_length, load_tokenizer, model_fingerprint, model_folder, model_sizes
from ercfw_media.transcript import Template, cut_places, read_tokens

Neighbours = Annotated[int, Field(ge=0, le=100)]
MostTokens = Annotated[int, Field(ge=8, le=8192)]


class Tokens(Extractor):
    """The token ids of each utterance, ``[T]``, by the tokenizer of a language model.

    Use them with ``[encoder.X] use = "language-model"``, which is fine-tuned on them. An utterance without text is
    absent.

    Options:
        model: the model whose tokenizer is used: ``minilm`` or ``mpnet``, the folder of a transformers model, or the id
            of one in the local hub cache.
        speakers: whether each utterance begins with its speaker's name and a colon.
        before: number of utterances before it that are read with it.
        after: number of utterances after it that are read with it.
        most_tokens: largest length of the whole input; neighbours that do not fit are left out, and a longer utterance
            is cut off.

    Raises:
        InputError: if the model is not available locally, or cannot read inputs of this length.
    """

    reads = "text"
    kind = "tokens"

    def __init__(
        self,
        *,
        model: str = MINILM,
        speakers: bool = False,
        before: Neighbours = 0,
        after: Neighbours = 0,
        most_tokens: MostTokens = 128,
    ) -> None:
        self._folder = model_folder(model)
        self._template = Template(speakers, before, after, most_tokens)
        sizes = model_sizes(self._folder)
        check_length(sizes, most_tokens)
        self.longest_text = longest_text(most_tokens, sizes.positions)
        self.dim = sizes.vocabulary
        self.causal = after == 0

    @property
    def fingerprint(self) -> str:
        """Return a hash of the tokenizer's files and of the template."""
        about = [model_fingerprint(self._folder), vars(self._template)]
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    def extract(self, conversation: Conversation) -> Sequence[NDArray[np.int64] | None]:
        """Return U arrays ``[T]`` int64; None for an utterance without text."""
        found = read_tokens(self._tokenizer, conversation, self._template)
        return [None if ids is None else np.array(ids, dtype=np.int64) for ids in found]

    def cut_texts(self, conversation: Conversation) -> list[int]:
        """Return the positions of the utterances of which only the beginning is read."""
        return cut_places(lambda: self._tokenizer, conversation, self._template)

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._folder)
