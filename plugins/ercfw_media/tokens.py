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
from ercfw_media.prompt import Prompt
from ercfw_media.prompt_tokens import PARTS, PromptTokens, check_question, cut_places, write_prompts
from ercfw_media.short_prompt import about_prompt, chosen_prompt

Neighbours = Annotated[int, Field(ge=0, le=100)]
MostTokens = Annotated[int, Field(ge=8, le=8192)]


class Tokens(Extractor):
    """The token ids of each utterance, ``[T]``, by the tokenizer of a language model.

    Use them with ``[encoder.X] use = "language-model"``, which is fine-tuned on them. An utterance without text is
    absent.

    With ``prompt``, each token also tells its part: whether it belongs to the utterance itself, to what is around it,
    or is the mask. The vocabulary is then that of the model, once for each part.

    Options:
        model: the model whose tokenizer is used: ``minilm`` or ``mpnet``, the folder of a transformers model, or the id
            of one in the local hub cache.
        speakers: whether each utterance begins with its speaker's name and a colon.
        before: number of utterances before it that are read with it.
        after: number of utterances after it that are read with it.
        most_tokens: largest length of the whole input; neighbours that do not fit are left out, and a longer utterance
            is cut off.
        prompt: what is read with the utterance, in place of ``speakers``, ``before`` and ``after``; see the page on
            features for its keys.

    Raises:
        InputError: if the model is not available locally, cannot read inputs of this length, or its prompt does not
            fit.
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
        prompt: Prompt | None = None,
    ) -> None:
        self._folder = model_folder(model)
        self._prompt = chosen_prompt(prompt, speakers, before, after, by_default=False)
        self._tells_parts = prompt is not None
        self._most_tokens = most_tokens
        sizes = model_sizes(self._folder)
        check_length(sizes, most_tokens)
        if prompt is not None:
            check_question(lambda: self._tokenizer, prompt, most_tokens)
        self.longest_text = longest_text(most_tokens, sizes.positions)
        self._vocabulary = sizes.vocabulary
        self.dim = sizes.vocabulary * (PARTS if self._tells_parts else 1)
        self.causal = self._prompt.turns_after == 0
        self.cues_option = "" if self._prompt.cues is None else "prompt.cues"

    @property
    def fingerprint(self) -> str:
        """Return a hash of the tokenizer's files and of the template."""
        about = [model_fingerprint(self._folder), about_prompt(self._prompt, self._most_tokens, self._tells_parts)]
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    def extract(self, conversation: Conversation) -> Sequence[NDArray[np.int64] | None]:
        """Return U arrays ``[T]`` int64; None for an utterance without text."""
        found = write_prompts(self._tokenizer, conversation, self._prompt, self._most_tokens)
        return [None if written is None else self._as_array(written) for written in found]

    def _as_array(self, written: PromptTokens) -> NDArray[np.int64]:
        ids = np.array(written.ids, dtype=np.int64)  # [T]
        return ids + self._vocabulary * np.array(written.parts, dtype=np.int64) if self._tells_parts else ids

    def cut_texts(self, conversation: Conversation) -> list[int]:
        """Return the positions of the utterances of which only the beginning is read."""
        return cut_places(lambda: self._tokenizer, conversation, self._prompt, self._most_tokens)

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._folder)
