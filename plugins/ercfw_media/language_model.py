"""A pretrained language model as an encoder that is fine-tuned."""

from functools import partial
from typing import Annotated, Any, Self

from pydantic import Field
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ercfw import DataInfo, Encoder, InputError, Inputs, ModalitySpec, Rate, Stream
from ercfw_media.frozen_layers import FrozenLayers
from ercfw_media.lora import Lora, add_adapters
from ercfw_media.pretrained import MINILM, load_network, model_folder
from ercfw_media.prompt_tokens import PARTS
from ercfw_media.run_tokens import MOST_TOKENS, PART_OF, Pooling, vectors_of


class LanguageModel(Encoder):
    """Fine-tunes a language model on token ids (``[features.X] use = "tokens"`` with the same ``model``).

    The vector of an utterance is made of its tokens' vectors in the last layer, or in several. Where the extractor of
    the tokens has a table ``prompt``, these may be the utterance's own tokens, or the mask of a question. Utterances
    with the same prompt, such as those of a conversation that is read whole, share one run of the network. The text
    features of MultiEMO and COSMIC (Ghosal et al., 2020) are made like this, with cross-entropy on the training split
    alone. The parameters are the group ``language-model`` of ``[train.groups]``, which has layers for ``layer_decay``.

    Options:
        model: ``minilm`` or ``mpnet``, the folder of a transformers model, or the id of one in the local hub cache.
        pooling: how the vectors of tokens become one vector: ``mean`` averages those of all tokens, ``utterance`` those
            of the utterance itself, ``first`` takes that of the first token, ``mask`` that of the mask.
        layers: the layers whose vectors are concatenated; -1 = the last, 0 = the embeddings; by default the last alone.
            Layers above them are not run. In a model for sentences, the middle layers say more about emotions than the
            last one.
        train_embeddings: whether the word embeddings are trained, too. Those of words that do not occur in the
            training split would stay unchanged while the others move.
        frozen_layers: number of layers, from the lowest, that are not trained.
        cache_gib: memory, in GiB, for what the frozen layers give. Each text then passes them once in a training and
            not once per epoch, and without their dropout. A token takes 4 bytes per number of its vector.
        lora: trains low-rank adapters in place of the layers' own weights.
        batch_tokens: largest number of tokens, padding included, that pass the network at once; by default 4,096. Texts
            of similar length pass together. With ``checkpointing``, it bounds the memory of a step.
        checkpointing: whether the backward pass computes the layers again, which takes a third more time and far less
            memory.
        dropout: dropout rate on the result; inside the model, its own rates apply.

    Raises:
        InputError: if the stream does not consist of tokens, its tokens belong to another model, or the model lacks
            these layers.
    """

    def __init__(
        self,
        spec: ModalitySpec,
        info: DataInfo,
        *,
        model: str = MINILM,
        pooling: Pooling = "mean",
        layers: Annotated[tuple[int, ...], Field(min_length=1)] | None = None,
        train_embeddings: bool = False,
        frozen_layers: Annotated[int, Field(ge=0)] = 0,
        cache_gib: Annotated[float, Field(gt=0)] | None = None,
        lora: Lora | None = None,
        batch_tokens: Annotated[int, Field(ge=8)] | None = None,
        checkpointing: bool = False,
        dropout: Rate = 0.0,
    ) -> None:
        super().__init__(spec, info)
        if spec.kind != "tokens":
            raise InputError.at(
                "use", f"reads token ids, but the modality is of kind {spec.kind}", 'features: use = "tokens"'
            )
        self.network = load_network(model_folder(model))
        size = self.network.config.vocab_size
        if spec.dim not in (size, PARTS * size):
            raise InputError.at(
                "model", f"knows {size} tokens, but the stream has {spec.dim}", "name the same model in both"
            )
        if pooling in PART_OF and spec.dim == size:
            what = f"is {pooling}, but the stream does not tell which tokens these are"
            raise InputError.at("pooling", what, "give the extractor of the tokens a table prompt")
        self.vocabulary = size
        self.pooling = pooling
        self.batch_tokens = MOST_TOKENS if batch_tokens is None else batch_tokens
        self.dropout = nn.Dropout(dropout)
        numbers = _numbers(layers or (-1,), len(self.network.encoder.layer))
        kept = 0 if cache_gib is None else frozen_layers
        if min(numbers) < kept:
            what = f"names layer {min(numbers)}, but of the frozen layers only the output of the last, {kept}, is kept"
            raise InputError.at("layers", what, "leave out cache_gib, or name higher layers")
        self.network.encoder.layer = self.network.encoder.layer[: max(numbers)]
        # Counted from the last layer, since a network whose lower layers are kept has only the upper ones.
        self.layers = [number - max(numbers) - 1 for number in numbers]
        self.out_dim = int(self.network.config.hidden_size) * len(self.layers)
        _freeze(self.network, train_embeddings, frozen_layers)
        if lora is not None:
            add_adapters(self.network, lora, frozen_layers)
        if checkpointing:
            for layer in self.network.encoder.layer:
                layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)
        self._frozen = None if cache_gib is None else _frozen(self.network, train_embeddings, frozen_layers, cache_gib)

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; layers whose output is kept stay without dropout."""
        super().train(mode)
        if self._frozen is not None:
            self._frozen.without_dropout()
        return self

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the pretrained weights as a group, because they need a lower learning rate than the rest."""
        return {"language-model": list(self.network.parameters())}

    def parameter_layers(self) -> dict[str, list[list[nn.Parameter]]]:
        """Return the layers of that group, from the embeddings to the last one, for ``layer_decay``."""
        lowest = [parameter for part in _lowest(self.network) for parameter in part.parameters()]
        return {"language-model": [lowest, *(list(layer.parameters()) for layer in self.network.encoder.layer)]}

    def forward(self, stream: Stream, inputs: Inputs) -> Tensor:
        """Return one vector per utterance, ``[N, out_dim]``; zeros for an utterance without tokens."""
        assert stream.frames is not None
        lengths = stream.frames.sum(1).tolist()
        tokens, parts = stream.values % self.vocabulary, stream.values // self.vocabulary  # [N, T], [N, T]
        network = self._frozen or self.network
        vectors = vectors_of(network, tokens, lengths, self.pooling, self.layers, parts, self.batch_tokens)
        dropped: Tensor = self.dropout(vectors)  # [N, out_dim]
        return dropped


def _numbers(layers: tuple[int, ...], count: int) -> list[int]:
    """Return layers by their numbers from 0, the embeddings.

    Raises:
        InputError: there is no such layer.
    """
    for layer in layers:
        if not -count - 1 <= layer <= count:
            raise InputError.at("layers", f"the model has layers 0 to {count}, but no {layer}", "-1 is the last one")
    return [layer % (count + 1) for layer in layers]


def _frozen(network: Any, train_embeddings: bool, layers: int, gib: float) -> FrozenLayers:
    if not layers or train_embeddings:
        what = "is set, but the lowest layers or the embeddings are trained"
        raise InputError.at("cache_gib", what, "set frozen_layers, and leave out train_embeddings")
    return FrozenLayers(network, layers, gib)


def _lowest(network: Any) -> list[nn.Module]:
    """Return what lies below the layers: the embeddings, and MPNet's biases of relative positions, which all share."""
    shared = getattr(network.encoder, "relative_attention_bias", None)
    return [network.embeddings, *([] if shared is None else [shared])]


def _freeze(network: Any, train_embeddings: bool, frozen_layers: int) -> None:
    layers = network.encoder.layer
    if frozen_layers >= len(layers):
        what = f"leaves none of the model's {len(layers)} layers to train"
        raise InputError.at("frozen_layers", what, 'for a frozen model, use the extractor "roberta" or "minilm"')
    frozen = [*([] if train_embeddings else _lowest(network)), *layers[:frozen_layers]]
    for part in frozen:
        part.requires_grad_(False)
    if getattr(network, "pooler", None) is not None:
        network.pooler.requires_grad_(False)  # its output is not read
