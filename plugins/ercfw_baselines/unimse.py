"""UniMSE (Hu et al., EMNLP 2022): a T5 with adapters for sound and picture, which names the emotion in words."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ercfw import (
    DataInfo,
    HeadOutput,
    InputError,
    Inputs,
    Loss,
    Model,
    Outputs,
    Rate,
    Rows,
    Size,
    labelled,
    missing_library,
)
from ercfw_baselines.pmf import PMF, Compared, Others, mean_of, text_of


class AdaptedLayer(nn.Module):
    """A layer of T5 followed by UniMSE's adapter.

    T5 passes nothing but hidden states to its layers, so the summaries of the other modalities must be stored in
    ``summaries`` before each call.

    Attributes:
        summaries: ``[N, E]``, the summaries of the other modalities.
    """

    def __init__(self, layer: nn.Module, adapter: PMF) -> None:
        super().__init__()
        self.layer, self.adapter = layer, adapter
        self.summaries: Tensor | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Run the layer and its adapter: ``[N, T, D] -> [N, T, D]``."""
        assert self.summaries is not None
        adapted: Tensor = self.adapter(self.layer(*args, **kwargs), self.summaries)  # [N, T, D]
        return adapted


class UniMSE(Model):
    """A T5 with adapters; the logit of a class is the log-probability of the words that name it.

    T5's encoder reads the tokens. An adapter (``ercfw_baselines.pmf``) follows the feed-forward layer of each of the
    encoder's last ``adapted`` blocks. The decoder scores the words of every class, such as ``negative,anger``. The
    predicted class is the one whose words are the likeliest, which is decoding constrained to the words of the classes:
    no other text can be generated, so no output has to be corrected. With the loss ``label-likelihood`` the model is
    trained to generate the words of the right class token by token, as in the paper. The views (text, sound and
    picture, 30 numbers each) are for the loss ``info-nce``.

    The paper and its released code confirm T5, the adapters, the labels as text, the contrastive loss, and that most of
    T5 stays frozen. Two things are left out: the joint training on four corpora that borrow labels from each other, and
    the adapters in the decoder, which are in the code but not in the paper. Here each class has one polarity; in UniMSE
    each utterance has its own.

    Options:
        model: folder of a T5 saved by transformers, with safetensors weights and its tokenizer. The tokens must come
            from ``[features.X] use = "tokens"`` with the same folder.
        polarities: the word to put before a class name, by class. The classes of MELD and IEMOCAP except surprise have
            one by default. A class without a polarity is named by its name alone.
        trained_blocks: number of the encoder's last blocks that are trained; the rest of T5 is frozen.
        adapted: number of the encoder's last blocks that have an adapter.
        others_width: width of the summary of each modality other than text.
        bottleneck: width of the bottleneck of an adapter.
        dropout: rate in the summaries.

    Raises:
        InputError: the folder holds no T5; the tokens are not those of this T5; there is not exactly one modality of
            tokens; or transformers is not installed.
    """

    causal = True  # the model itself reads no other utterance; the extractor of its tokens declares what it reads

    def __init__(
        self,
        info: DataInfo,
        *,
        model: Path | None = None,
        polarities: dict[str, str] | None = None,
        trained_blocks: Size = 2,
        adapted: Size = 3,
        others_width: Size = 32,
        bottleneck: Size = 64,
        dropout: Rate = 0.3,
    ) -> None:
        super().__init__(info)
        self.text = text_of(info)
        self.t5, tokenizer = _load(model)
        if info.modalities[self.text].dim != self.t5.config.vocab_size:
            what = f"knows {self.t5.config.vocab_size} tokens, but the stream has {info.modalities[self.text].dim}"
            raise InputError.at("model", what, "name the same folder in [features.X] model")
        self.others = Others(info, self.text, others_width, dropout)
        width = self.t5.config.d_model
        blocks = self.t5.encoder.block
        self.t5.requires_grad_(False)
        for block in blocks[-trained_blocks:]:
            block.requires_grad_(True)
        self.adapted = []
        for block in blocks[-adapted:]:
            block.layer[-1] = AdaptedLayer(block.layer[-1], PMF(width, self.others.out_dim, bottleneck))
            self.adapted.append(block.layer[-1])
        self.compared = Compared({self.text: width, **self.others.widths})
        of_class = USUAL_POLARITIES | (polarities or {})
        self.words = {t: _encode(tokenizer, spec.classes, of_class) for t, spec in info.targets.items()}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the trained parameters of T5 itself, to which the released code gives their own learning rate."""
        adapters = {id(p) for layer in self.adapted for p in layer.adapter.parameters()}
        return {"t5": [p for p in self.t5.parameters() if p.requires_grad and id(p) not in adapters]}

    def forward(self, inputs: Inputs) -> Outputs:
        """Return logits ``[N, C]`` and embedding ``[N, D]`` for each target, and views ``[N, 30]`` per modality.

        The logits are the log-probabilities of the classes' words; the embedding is the mean over the tokens.
        """
        stream = inputs.streams[self.text]
        assert stream.frames is not None
        real = stream.frames & stream.present.unsqueeze(-1)  # [N, T]
        seen = real | ~real.any(-1, keepdim=True)  # [N, T]; attention over no token at all would give NaN
        others = self.others(inputs)  # {m: [N, E]}
        nothing = stream.present.new_zeros(len(real), 0).float()
        for layer in self.adapted:
            layer.summaries = torch.cat([nothing, *others.values()], -1)  # [N, E of all]
        hidden = self.t5.encoder(input_ids=stream.values, attention_mask=seen.long()).last_hidden_state  # [N, T, D]
        pooled = mean_of(hidden, real)  # [N, D]
        views = self.compared({self.text: pooled, **others})
        heads = {
            target: HeadOutput(torch.stack([self._likelihood(hidden, seen, ids) for ids in words], -1), pooled)
            for target, words in self.words.items()
        }
        present = {name: inputs.streams[name].present for name in views}
        return Outputs(heads, Rows.of(inputs), views, present)

    def _likelihood(self, hidden: Tensor, seen: Tensor, ids: Sequence[int]) -> Tensor:
        """Return the log-probability ``[N]`` that the decoder generates the tokens ``ids``, the last of which ends."""
        labels = torch.tensor(ids, device=hidden.device).expand(len(hidden), -1)  # [N, L]
        start = labels.new_full((len(labels), 1), self.t5.config.decoder_start_token_id)  # [N, 1]
        given = self.t5(
            encoder_outputs=(hidden,),
            attention_mask=seen.long(),
            decoder_input_ids=torch.cat([start, labels[:, :-1]], 1),
            use_cache=False,
        ).logits  # [N, L, vocabulary]
        log_p: Tensor = given.float().log_softmax(-1)
        return log_p.gather(-1, labels.unsqueeze(-1)).squeeze(-1).sum(-1)


class LabelLikelihood(Loss):
    """The mean over labelled rows of minus the logit of the right class.

    It is meant for a model whose logits are log-probabilities of text, such as ``unimse``. Any probability that the
    model gives to other text increases the loss, whether or not that text names a class.
    """

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 where no row is labelled."""
        here = labelled(targets, self.target)  # [N]
        classes = targets[self.target].clamp(min=0).unsqueeze(1)  # [N, 1]
        right = outputs.heads[self.target].logits.gather(1, classes).squeeze(1)  # [N]
        return -right.where(here, 0).sum() / here.sum().clamp(min=1)


USUAL_POLARITIES = {
    "neutral": "neutral", "joy": "positive", "happiness": "positive", "excitement": "positive",
    "sadness": "negative", "anger": "negative", "fear": "negative", "disgust": "negative", "frustration": "negative",
}  # fmt: skip
"""Polarity of each class of MELD and IEMOCAP except surprise, half of which is negative and half positive in MELD."""


def _load(folder: Path | None) -> tuple[Any, Any]:
    """Load a T5 and its tokenizer from a folder.

    Raises:
        InputError: no folder is given, transformers is not installed, or the folder holds no T5.
    """
    if folder is None:
        raise InputError.at("model", "is not set", "name the folder of a T5: safetensors weights and its tokenizer")
    try:
        from transformers import AutoTokenizer, T5ForConditionalGeneration
    except ImportError as error:
        raise missing_library("transformers", "text") from error
    try:
        t5, about = T5ForConditionalGeneration.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # of many types: a missing folder, damaged files, another network
        raise InputError.at("model", f"{folder} holds no T5: {error}", "name a T5 saved by transformers") from error
    if about["missing_keys"]:
        what = f"{folder} holds the weights of another network: {len(about['missing_keys'])} are missing"
        raise InputError.at("model", what, "use the weights that config.json describes")
    # T5 has one table under several names, which safetensors cannot save. All are frozen, so copies stay equal.
    t5.encoder.embed_tokens, t5.decoder.embed_tokens, t5.lm_head = map(
        copy.deepcopy, (t5.encoder.embed_tokens, t5.decoder.embed_tokens, t5.lm_head)
    )
    return t5, tokenizer


def _encode(tokenizer: Any, classes: Sequence[str], polarities: dict[str, str]) -> list[list[int]]:
    """Return the tokens of the words of each class, each list followed by the end token."""
    words = [f"{polarities[name]},{name}" if name in polarities else name for name in classes]
    return [[*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id] for text in words]
