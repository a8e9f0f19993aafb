"""A frozen sentence encoder that reads each utterance alone and needs no network access."""

import json
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import sha256 as hash_of
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ercfw import Conversation, Extractor, InputError
from ercfw_media.long_texts import longest_text, places_beyond
from ercfw_media.packaged import installed
from ercfw_media.pretrained import load_network, load_tokenizer

POSITIONS = 512
MARKS = 2
"""Tokens that the models expect around a text."""
CHUNK = 512
"""Number of tokens that are encoded in one row."""


class SentenceEncoder(Extractor):
    """The mean of an utterance's token vectors, scaled to length 1, in each of some layers of a language model.

    Each utterance is read alone, without its speaker and its neighbours. An utterance without text is absent.

    Attributes:
        model: the name of the model.
        weights: the sha256 of its weights.
        width: the size of a token's vector.
        last_layer: the number of its layers; 0 is the word embeddings.
        first_position: the number of the first token's position.
    """

    reads = "text"
    model: ClassVar[str]
    weights: ClassVar[str]
    width: ClassVar[int]
    last_layer: ClassVar[int]
    first_position: ClassVar[int] = 0

    def __init__(self, layers: tuple[int, ...], most_tokens: int) -> None:
        if len(set(layers)) < len(layers):
            raise InputError.at("layers", "names a layer twice")
        self.layers = layers
        self.most_tokens = most_tokens
        self.longest_text = longest_text(most_tokens, POSITIONS)
        self.dim = self.width * len(layers)

    @staticmethod
    @abstractmethod
    def folder() -> Path:
        """Return the model's folder.

        Raises:
            InputError: a package is missing, or its weights are not the pinned ones.
        """

    @staticmethod
    @abstractmethod
    def release() -> str:
        """Return the version of the package that contains the model."""

    def source(self) -> Self:
        """Return the extractor of all layers: one run of the network serves every choice of layers."""
        return type(self)(layers=tuple(range(self.last_layer + 1)), most_tokens=self.most_tokens)

    def select(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the vectors of this extractor's layers from those of all layers: ``[L * width] -> [D]``."""
        return features.reshape(-1, self.width)[list(self.layers)].ravel()  # [D]

    @property
    def fingerprint(self) -> str:
        """Return a hash of the weights, the version of the code that runs them, and the pooling."""
        about = {
            "name": self.model,
            "weights": self.weights,
            "transformers": installed("transformers"),
            "package": self.release(),
            "layers": self.layers,
            "pooling": f"mean of at most {self.most_tokens} tokens, length 1",
        }
        return hash_of(json.dumps(about, sort_keys=True).encode()).hexdigest()

    def extract(self, conversation: Conversation) -> Sequence[NDArray[np.float32] | None]:
        """Return U vectors ``[D]`` float32; None for an utterance without text.

        Raises:
            InputError: a library is missing, or the weights are not the pinned ones.
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
        apart = torch.zeros(len(text), len(text)).masked_fill(text[:, None] != text, -torch.inf)  # [T, T]
        outputs: tuple[Tensor, ...] = self._loaded[1](
            input_ids=torch.tensor([[token for ids in tokens for token in ids]]),  # [1, T]
            position_ids=(torch.arange(len(text)) - starts[text] + self.first_position).unsqueeze(0),  # [1, T]
            attention_mask=apart[None, None],  # [1, 1, T, T], not of bools: some networks add it
            output_hidden_states=True,
        ).hidden_states
        hidden = torch.stack([outputs[layer][0] for layer in self.layers], 1)  # [T, L, width]
        mean = hidden.new_zeros(len(tokens), *hidden.shape[1:]).index_add(0, text, hidden)  # [n, L, width]
        vectors: NDArray[np.float32] = torch.nn.functional.normalize(mean, dim=-1).flatten(1).numpy()
        return vectors

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        folder = self.folder()
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
