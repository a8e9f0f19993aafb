"""A light form of UniMSE without T5: its adapters and contrastive loss in a small network. Not a reproduction."""

import torch
from torch import Tensor, nn

from ercfw import DataInfo, HeadOutput, Inputs, Model, Outputs, Rate, Rows, Size
from ercfw_baselines.pmf import PMF, Compared, Others, mean_of, text_of


class UniMSELite(Model):
    """A small transformer over words, with adapters for sound and picture, and a softmax classifier.

    Text passes through ``layers`` transformer layers. UniMSE's adapter (``ercfw_baselines.pmf``) follows each of the
    last ``adapted`` layers. The classifier reads the mean over the words. The views (text, sound and picture, 30
    numbers each) are for the loss ``info-nce``. The model has neither T5's weights, nor its decoder, nor UniMSE's
    labels across corpora. Never report its scores as those of UniMSE (Hu et al., EMNLP 2022).

    Options:
        width: width of the word vectors.
        layers: number of transformer layers.
        heads: number of attention heads; must divide the width.
        adapted: number of last layers that have an adapter.
        others_width: width of the summary of each modality other than text.
        bottleneck: width of the bottleneck of an adapter.
        most_words: largest number of words to read per utterance; the rest is ignored.
        dropout: rate in the transformer and in the summaries.

    Raises:
        InputError: there is not exactly one modality of tokens.
    """

    causal = True  # the model itself reads no other utterance; the extractor of its tokens declares what it reads

    def __init__(
        self,
        info: DataInfo,
        *,
        width: Size = 128,
        layers: Size = 4,
        heads: Size = 4,
        adapted: Size = 3,
        others_width: Size = 32,
        bottleneck: Size = 64,
        most_words: Size = 256,
        dropout: Rate = 0.3,
    ) -> None:
        super().__init__(info)
        self.text = text_of(info)
        self.most_words = most_words
        self.embed = nn.Embedding(info.modalities[self.text].dim, width)
        self.places = nn.Embedding(most_words, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 2 * width, dropout, batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.others = Others(info, self.text, others_width, dropout)
        count = min(adapted, layers)
        self.adapters = nn.ModuleList(PMF(width, self.others.out_dim, bottleneck) for _ in range(count))
        self.compared = Compared({self.text: width, **self.others.widths})
        self.norm = nn.LayerNorm(width)
        self.answers = nn.ModuleDict({t: nn.Linear(width, len(spec.classes)) for t, spec in info.targets.items()})

    def forward(self, inputs: Inputs) -> Outputs:
        """Return logits ``[N, C]`` and embedding ``[N, width]`` for each target, and views ``[N, 30]`` per modality.

        The embedding is the mean over the words.
        """
        others = self.others(inputs)  # {m: [N, E]}
        pooled = self.norm(self._read(inputs, others))  # [N, width]
        views = self.compared({self.text: pooled, **others})
        return Outputs(
            heads={target: HeadOutput(answer(pooled), pooled) for target, answer in self.answers.items()},
            rows=Rows.of(inputs),
            views=views,
            present={name: inputs.streams[name].present for name in views},
        )

    def _read(self, inputs: Inputs, others: dict[str, Tensor]) -> Tensor:
        """Return the mean over the words after the last layer, ``[N, width]``; zero without words."""
        stream = inputs.streams[self.text]
        assert stream.frames is not None
        tokens, real = stream.values[:, : self.most_words], stream.frames[:, : self.most_words]  # [N, T] each
        real = real & stream.present.unsqueeze(-1)
        hidden = self.embed(tokens) + self.places.weight[: tokens.shape[1]]  # [N, T, width]
        beside = torch.cat([hidden.new_zeros(len(hidden), 0), *others.values()], -1)  # [N, E of all]
        nobody = ~real.any(-1, keepdim=True)  # [N, 1]; attention over no word at all would give NaN
        plain = len(self.layers) - len(self.adapters)
        for place, layer in enumerate(self.layers):
            hidden = layer(hidden, src_key_padding_mask=~(real | nobody))
            if place >= plain:
                hidden = self.adapters[place - plain](hidden, beside)
        return mean_of(hidden, real)
