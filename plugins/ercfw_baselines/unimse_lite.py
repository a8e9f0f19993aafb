"""A light form of UniMSE, without T5: what its adapters and its contrast do in a small network. No reproduction."""

import torch
from torch import Tensor, nn

from ercfw import DataInfo, HeadOutput, Inputs, Model, Outputs, Rate, Rows, Size
from ercfw_baselines.pmf import PMF, Compared, Others, mean_of, text_of


class UniMSELite(Model):
    """A small transformer over words, sound and picture let in by adapters, and a softmax classifier.

    Text goes through ``layers`` transformer layers; behind each of the last ``adapted`` stands UniMSE's adapter
    (``ercfw_baselines.pmf``). The mean over the words is classified. The views are text, sound and picture, 30 numbers
    each, for ``info-nce``. It has neither T5's weights nor its decoder nor UniMSE's labels across corpora: what it
    scores must never be reported as UniMSE (Hu et al., EMNLP 2022).

    Options:
        width: of the words' vectors.
        layers: of the transformer.
        heads: of its attention, a divisor of the width.
        adapted: how many of the last layers have an adapter.
        others_width: of the summary of each modality beside text.
        bottleneck: of an adapter.
        most_words: further ones are not read.
        dropout: rate in the transformer and in the summaries.

    Raises:
        InputError: not one modality is of tokens.
    """

    causal = True  # whatever the extractor of its tokens reads

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
        """Logits of every target; the embedding is the mean over words ``[N, width]``."""
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
        """The words' mean behind the last layer, ``[N, width]``; zero without words."""
        stream = inputs.streams[self.text]
        assert stream.frames is not None
        tokens, real = stream.values[:, : self.most_words], stream.frames[:, : self.most_words]  # [N, T] each
        real = real & stream.present.unsqueeze(-1)
        hidden = self.embed(tokens) + self.places.weight[: tokens.shape[1]]  # [N, T, width]
        beside = torch.cat([hidden.new_zeros(len(hidden), 0), *others.values()], -1)  # [N, E of all]
        nobody = ~real.any(-1, keepdim=True)  # [N, 1]; attention over nothing would be NaN
        plain = len(self.layers) - len(self.adapters)
        for place, layer in enumerate(self.layers):
            hidden = layer(hidden, src_key_padding_mask=~(real | nobody))
            if place >= plain:
                hidden = self.adapters[place - plain](hidden, beside)
        return mean_of(hidden, real)
