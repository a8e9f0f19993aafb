"""UniMSE (Hu et al., EMNLP 2022): T5 reads text with sound and picture let in, and says the emotion in words."""

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
    """A layer of T5 with UniMSE's adapter behind it.

    T5 calls its layers with hidden states alone: what the other modalities add waits here for the call.
    """

    def __init__(self, layer: nn.Module, adapter: PMF) -> None:
        super().__init__()
        self.layer, self.adapter = layer, adapter
        self.beside: Tensor | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """``[N, T, D] -> [N, T, D]``."""
        assert self.beside is not None
        adapted: Tensor = self.adapter(self.layer(*args, **kwargs), self.beside)  # [N, T, D]
        return adapted


class UniMSE(Model):
    """A class's logit is the log-probability of its words, which is decoding constrained to the classes' words.

    T5's encoder reads the tokens; behind the feed-forward layer of each of its last ``adapted`` blocks stands an
    adapter (``ercfw_baselines.pmf``). Its decoder is asked for the words of every class, such as ``negative,anger``,
    and the class is the one whose words it finds likeliest: no other can be said, so nothing has to be repaired
    afterwards. With ``label-likelihood`` it is trained to say them, token by token, as the paper does; the views, text,
    sound and picture in 30 numbers each, are for ``info-nce``.

    Certain from the paper and its released code are T5, the adapters, the labels as text, the contrast, and that most
    of T5 stays frozen. Left out are the joint training on four corpora, with labels borrowed from each other, and the
    code's adapters in the decoder, which the paper does not have. A class has one polarity here, an utterance there.

    Options:
        model: the folder of a T5 of transformers, with safetensors weights and its tokenizer. The tokens are those of
            ``[features.X] use = "tokens"`` with the same folder.
        polarities: by class name, what is said before it; others than those of MELD and IEMOCAP say their name alone.
        trained_blocks: how many of the encoder's last blocks are trained; the rest of T5 is frozen.
        adapted: how many of the encoder's last blocks have an adapter.
        others_width: of the summary of each modality beside text.
        bottleneck: of an adapter.
        dropout: rate in the summaries.

    Raises:
        InputError: there is no such model, or the tokens are not its own; not one modality is of tokens.
    """

    causal = True  # whatever the extractor of its tokens reads

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
            raise InputError.at("model", what, "the same folder in [features.X] model")
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
        said = USUAL_POLARITIES | (polarities or {})
        self.words = {t: _encode(tokenizer, spec.classes, said) for t, spec in info.targets.items()}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """T5's own blocks, which the released code gives a rate of their own."""
        adapters = {id(p) for layer in self.adapted for p in layer.adapter.parameters()}
        return {"t5": [p for p in self.t5.parameters() if p.requires_grad and id(p) not in adapters]}

    def forward(self, inputs: Inputs) -> Outputs:
        """Logits are log-probabilities of the classes' words; the embedding is the mean over tokens ``[N, D]``."""
        stream = inputs.streams[self.text]
        assert stream.frames is not None
        real = stream.frames & stream.present.unsqueeze(-1)  # [N, T]
        seen = real | ~real.any(-1, keepdim=True)  # [N, T]; attention over nothing would be NaN
        others = self.others(inputs)  # {m: [N, E]}
        nothing = stream.present.new_zeros(len(real), 0).float()
        for layer in self.adapted:
            layer.beside = torch.cat([nothing, *others.values()], -1)  # [N, E of all]
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
        """The log-probability ``[N]`` that the decoder says these tokens, and then ends."""
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
    """How unlikely the words of the right class are: minus its logit, the mean over labelled rows.

    Of a model whose logits are log-probabilities, such as ``unimse``: what it says instead of the right class counts
    whether or not it names a class.
    """

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """``[]``; 0 where nothing is labelled."""
        here = labelled(targets, self.target)  # [N]
        classes = targets[self.target].clamp(min=0).unsqueeze(1)  # [N, 1]
        right = outputs.heads[self.target].logits.gather(1, classes).squeeze(1)  # [N]
        return -right.where(here, 0).sum() / here.sum().clamp(min=1)


USUAL_POLARITIES = {
    "neutral": "neutral", "joy": "positive", "happiness": "positive", "excitement": "positive",
    "sadness": "negative", "anger": "negative", "fear": "negative", "disgust": "negative", "frustration": "negative",
}  # fmt: skip
"""Of MELD's and IEMOCAP's classes but surprise, which is negative in one half of MELD and positive in the other."""


def _load(folder: Path | None) -> tuple[Any, Any]:
    """A T5 and its tokenizer from a folder.

    Raises:
        InputError: transformers is not installed, or the folder holds no T5.
    """
    if folder is None:
        raise InputError.at("model", "is not set", "the folder of a T5, with safetensors weights and its tokenizer")
    try:
        from transformers import AutoTokenizer, T5ForConditionalGeneration
    except ImportError as error:
        raise missing_library("transformers", "text") from error
    try:
        made, about = T5ForConditionalGeneration.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # of many kinds, for folders that are none, damaged files, other networks
        raise InputError.at("model", f"{folder} holds no T5: {error}", "the folder of a T5 of transformers") from error
    if about["missing_keys"]:
        what = f"{folder} holds the weights of another network: {len(about['missing_keys'])} are missing"
        raise InputError.at("model", what, "the weights that config.json describes")
    # One table under several names, which safetensors does not keep; all are frozen, so copies stay alike.
    made.encoder.embed_tokens, made.decoder.embed_tokens, made.lm_head = map(
        copy.deepcopy, (made.encoder.embed_tokens, made.decoder.embed_tokens, made.lm_head)
    )
    return made, tokenizer


def _encode(tokenizer: Any, classes: Sequence[str], polarities: dict[str, str]) -> list[list[int]]:
    """The tokens of each class's words, and the end."""
    words = [f"{polarities[name]},{name}" if name in polarities else name for name in classes]
    return [[*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id] for text in words]
