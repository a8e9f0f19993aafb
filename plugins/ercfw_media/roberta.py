"""A frozen language model of transformers as an extractor."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch.nn.utils.rnn import pad_sequence

from ercfw import Conversation, Extractor, InputError
from ercfw_media.long_texts import longest_text
from ercfw_media.pretrained import (
    check_length,
    load_network,
    load_tokenizer,
    model_fingerprint,
    model_folder,
    model_sizes,
)
from ercfw_media.prompt import Prompt
from ercfw_media.prompt_tokens import check_question, cut_places, write_prompts
from ercfw_media.run_tokens import Pooling, check_pooling, vectors_of
from ercfw_media.short_prompt import about_prompt, chosen_prompt
from ercfw_media.tokens import MostTokens, Neighbours

DEFAULT_MODEL = "roberta-base"


class Roberta(Extractor):
    """RoBERTa (Liu et al., 2019), or any encoder that transformers can load, frozen; one vector per utterance.

    The input is that of MultiEMO: the utterance with its speaker's name, and the utterances before and after it. An
    utterance without text is absent. Nothing is downloaded: a model is a folder, or was downloaded before
    (``hf download roberta-base``).

    Options:
        model: a folder, the id of a model in the local hub cache, ``minilm`` or ``mpnet``.
        speakers: whether each utterance begins with its speaker's name and a colon.
        before: number of utterances before it that are read with it.
        after: number of utterances after it that are read with it.
        most_tokens: largest length of the whole input; neighbours that do not fit are left out, and a longer utterance
            is cut off.
        pooling: ``first`` takes the vector of the first token (``<s>``), ``mean`` averages those of all tokens,
            ``utterance`` those of the utterance itself, ``mask`` takes that of the mask in the question.
        layers: the layers whose vectors are concatenated; -1 = the last, 0 = the embeddings.
        prompt: what is read with the utterance, in place of ``speakers``, ``before`` and ``after``; see the page on
            features for its keys.

    Raises:
        InputError: if the model is not available locally, lacks these layers or this length, or its prompt does not
            fit.
    """

    reads = "text"

    def __init__(
        self,
        *,
        model: str = DEFAULT_MODEL,
        speakers: bool = True,
        before: Neighbours = 0,
        after: Neighbours = 0,
        most_tokens: MostTokens = 256,
        pooling: Pooling = "first",
        layers: Annotated[tuple[int, ...], Field(min_length=1)] = (-1,),
        prompt: Prompt | None = None,
    ) -> None:
        self._folder = model_folder(model)
        self._prompt = chosen_prompt(prompt, speakers, before, after, by_default=True)
        self._is_table = prompt is not None
        self._most_tokens = most_tokens
        self._pooling: Pooling = pooling
        self._layers = layers
        sizes = model_sizes(self._folder)
        check_length(sizes, most_tokens)
        check_question(lambda: self._tokenizer, self._prompt, most_tokens)
        check_pooling(pooling, self._prompt.question)
        self.longest_text = longest_text(most_tokens, sizes.positions)
        if any(not -sizes.layers - 1 <= layer <= sizes.layers for layer in layers):
            raise InputError.at("layers", f"the model has layers 0 to {sizes.layers}", "-1 is the last one")
        self.dim = sizes.width * len(layers)
        self.causal = self._prompt.turns_after == 0
        self.cues_option = "" if self._prompt.cues is None else "prompt.cues"

    @property
    def fingerprint(self) -> str:
        """Return a hash of the model's files, the version of the library that runs them, and the settings."""
        about = [
            model_fingerprint(self._folder),
            about_prompt(self._prompt, self._most_tokens, self._is_table),
            self._pooling,
            self._layers,
        ]
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    @torch.inference_mode()
    def extract(self, conversation: Conversation) -> Sequence[NDArray[np.float32] | None]:
        """Return U vectors ``[D]`` float32; None for an utterance without text."""
        network, device = self._loaded
        found = write_prompts(self._tokenizer, conversation, self._prompt, self._most_tokens)
        lengths = [0 if written is None else len(written.ids) for written in found]
        tokens = pad_sequence([torch.tensor(w.ids if w else [0]) for w in found], batch_first=True)  # [U, T]
        parts = pad_sequence([torch.tensor(w.parts if w else [0]) for w in found], batch_first=True)  # [U, T]
        read = vectors_of(network, tokens.to(device), lengths, self._pooling, self._layers, parts.to(device))  # [U, D]
        vectors = read.cpu().numpy()  # [U, D]
        return [vector if length else None for vector, length in zip(vectors, lengths, strict=True)]

    def cut_texts(self, conversation: Conversation) -> list[int]:
        """Return the positions of the utterances of which only the beginning is read."""
        return cut_places(lambda: self._tokenizer, conversation, self._prompt, self._most_tokens)

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._folder)

    @cached_property
    def _loaded(self) -> tuple[Any, torch.device]:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return load_network(self._folder).to(device), device
