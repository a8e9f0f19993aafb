"""BC-LSTM (Poria et al., ACL 2017): one LSTM per modality, and one LSTM over their joined outputs."""

import torch
from torch import Tensor, nn

from ercfw import DataInfo, Head, HeadOutput, InputError, Inputs, Rate, Size
from ercfw_basics import LSTMContext


class BCLSTMHead(Head):
    """The upper level of BC-LSTM's hierarchy: a BiLSTM and a classifier over the concatenated contexts.

    Let h_m, D wide, be the states of the lower level's LSTM for modality m (``[context.default] use = "lstm"``)::

        z_m = tanh(W_m drop(h_m))                 o_m = V_m drop(z_m)      the logits of modality m alone
        h   = BiLSTM([z_m for each m])            o   = V drop(relu(W h))  the logits of all modalities

    The o_m are the auxiliary logits. The paper first trains the lower level on the o_m, then the upper level on the
    frozen z_m. Here both levels are trained together, on the sum of their losses. The layer W between the upper LSTM
    and the logits comes from the code released with MELD's baselines.

    Options:
        dense: width of each z_m.
        width: width of the upper LSTM, both directions together.
        hidden: width of the ReLU layer and of the embedding.
        dropout: rate on h_m, z_m and the ReLU layer.

    Raises:
        InputError: the input width cannot be divided by the number of modalities.
    """

    def __init__(
        self,
        dim: int,
        target: str,
        info: DataInfo,
        *,
        dense: Size = 100,
        width: Size = 200,
        hidden: Size = 100,
        dropout: Rate = 0.3,
    ) -> None:
        super().__init__(dim, target, info)
        modalities, classes = len(info.modalities), len(info.targets[target].classes)
        if dim % modalities:
            what = f"the input width {dim} cannot be divided among {modalities} modalities"
            raise InputError.at("use", what, 'choose fusion "concat" and give all contexts the same width')
        self.modalities = modalities
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.ModuleList(nn.Linear(dim // modalities, dense) for _ in range(modalities))
        self.alone = nn.ModuleList(nn.Linear(dense, classes) for _ in range(modalities))
        self.upper = LSTMContext(dense * modalities, info, width=width)
        self.hidden = nn.Linear(width, hidden)
        self.classify = nn.Linear(hidden, classes)

    def forward(self, x: Tensor, inputs: Inputs) -> HeadOutput:
        """Return logits ``[N, C]``, embedding ``[N, hidden]`` and auxiliary logits ``[N, M, C]`` for ``[N, M * D]``."""
        parts = self.dropout(x).chunk(self.modalities, -1)  # [N, D] each
        lower = [dense(part).tanh() for dense, part in zip(self.dense, parts, strict=True)]  # [N, dense] each
        alone = [answer(self.dropout(z)) for answer, z in zip(self.alone, lower, strict=True)]  # [N, C] each
        states = self.upper(torch.cat(lower, -1), inputs)  # [N, width]
        embedding = self.dropout(self.hidden(states).relu())  # [N, hidden]
        return HeadOutput(self.classify(embedding), embedding, torch.stack(alone, 1))
