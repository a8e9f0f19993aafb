"""MVN (Ma et al., Knowledge-Based Systems, 2022): an utterance and the few before it, seen word by word and whole."""

from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from ercfw import DataInfo, HeadOutput, InputError, Inputs, Layout, Model, Outputs, Rate, Rows, Size
from ercfw_baselines.words import UNKNOWN, read_vectors

CHUNK = 16
"""Number of utterances whose words are processed together; their contexts are of similar length."""


class Gate(nn.Module):
    """A gate that mixes two vectors: ``z a + (1 - z) b`` with ``z = sigmoid(W a + V b)``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.of_one, self.of_other = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the mixture of ``a`` and ``b``: ``[..., D], [..., D] -> [..., D]``."""
        z = (self.of_one(a) + self.of_other(b)).sigmoid()  # [..., D]
        mixed: Tensor = z * a + (1 - z) * b  # [..., D]
        return mixed


class WordAttention(nn.Module):
    """Attention of words to words and a feed-forward block, both residual, with one layer normalisation for both."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(3))
        self.forwards = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.Dropout(dropout))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.rate = dropout

    def project(self, words: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the words ``[W, D]`` with their queries, keys and values, ``[W, D]`` each.

        They are computed once and serve every attention that involves these words.
        """
        query, key, value = (part(words) for part in self.maps)
        return words, query, key, value

    def forward(self, one: tuple[Tensor, ...], other: tuple[Tensor, ...], real: Tensor) -> Tensor:
        """Let the words ``one`` attend to the words ``other``: ``[b, Q, D]``, ``[b, K, D]`` -> ``[b, Q, D]``.

        Both are given as ``project`` returns them. ``real`` ``[b, K]`` marks the words of ``other`` that exist; where
        there are none, the attention adds nothing.
        """
        words, query, _, _ = one
        _, _, key, value = other
        rate = self.rate if self.training else 0.0
        some = real.any(-1, keepdim=True).unsqueeze(-1)  # [b, 1, 1]
        found = F.scaled_dot_product_attention(query, key, value, real.unsqueeze(1) | ~some, rate)  # [b, Q, D]
        found = self.norm(words + found * some)
        result: Tensor = self.norm(found + self.forwards(found))  # [b, Q, D]
        return result


class Span(NamedTuple):
    """Places in a table of words.

    Attributes:
        places: ``[b, L]`` int64, rows of the table.
        real: ``[b, L]`` bool, False = padding.
    """

    places: Tensor
    real: Tensor

    @classmethod
    def of(cls, starts: list[int], ends: list[int], device: torch.device) -> "Span":
        """Return the places from each start to its end (exclusive); L is at least 1."""
        first, last = (torch.tensor(x, device=device).unsqueeze(1) for x in (starts, ends))  # [b, 1] each
        wide = max(1, *(end - start for start, end in zip(starts, ends, strict=True)))
        places = first + torch.arange(wide, device=device)  # [b, L]
        return cls(torch.where(places < last, places, 0), places < last)

    def take(self, projected: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return these rows of each table, ``[b, L, D]``; the backward of an embedding is faster than of indexing."""
        return tuple(F.embedding(self.places, table) for table in projected)

    def pool(self, x: Tensor) -> Tensor:
        """Return the maximum over the real places: ``[b, L, D] -> [b, D]``; 0 where there is none."""
        floor = torch.finfo(x.dtype).min
        pooled = x.masked_fill(~self.real.unsqueeze(-1), floor).amax(1)  # [b, D]
        return pooled * self.real.any(1, keepdim=True)


class WordView(nn.Module):
    """The word view: the words of an utterance and those of its context attend to themselves and to each other."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.within, self.across = WordAttention(width, dropout), WordAttention(width, dropout)
        self.join_words, self.join = Gate(width), Gate(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, words: Tensor, ends: list[int], layout: Layout, memory: int) -> Tensor:
        """Return the word view of each utterance, ``[N, D]``.

        Args:
            words: ``[W, D]``, the words of all utterances, one utterance after another.
            ends: for each utterance the place after its last word.
            layout: the conversation of each utterance.
            memory: how many utterances before each one form its context.
        """
        begins = [0, *ends[:-1]]
        place = [n for size in layout.sizes for n in range(size)]
        contexts = [begins[n - min(memory, before)] for n, before in enumerate(place)]
        order = sorted(range(len(ends)), key=lambda n: begins[n] - contexts[n])
        words = F.pad(words, (0, 0, 0, 1))  # [W + 1, D]; without words there is still one place to read
        within, across = self.within.project(words), self.across.project(words)
        found = []
        for start in range(0, len(order), CHUNK):
            rows = order[start : start + CHUNK]
            own = Span.of([begins[n] for n in rows], [ends[n] for n in rows], words.device)
            context = Span.of([contexts[n] for n in rows], [begins[n] for n in rows], words.device)
            found.append(self._chunk(within, across, own, context))
        back = torch.tensor(order, device=words.device).argsort()  # [N]
        return torch.cat(found)[back]

    def _chunk(self, within: tuple[Tensor, ...], across: tuple[Tensor, ...], own: Span, context: Span) -> Tensor:
        """Return the word view of the utterances of one chunk, ``[b, D]``."""
        q_within, x_within = own.take(within), context.take(within)
        q_across, x_across = own.take(across), context.take(across)
        alone = self.within(q_within, q_within, own.real)  # [b, Q, D]
        q = self.join_words(alone, self.across(q_across, x_across, context.real))  # [b, Q, D]
        x = self.join_words(
            self.within(x_within, x_within, context.real), self.across(x_across, q_across, own.real)
        )  # [b, K, D]
        both = self.join(self.dropout(own.pool(q)), self.dropout(context.pool(x)))  # [b, D]
        return torch.where(context.real.any(1, keepdim=True), both, self.dropout(own.pool(alone)))


class UtteranceView(nn.Module):
    """The utterance view: an utterance attends to those before it, single vectors read by a bidirectional GRU."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.read = nn.GRU(width, width, bidirectional=True, batch_first=True)
        self.join = Gate(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, layout: Layout, memory: int) -> Tensor:
        """Return the utterance view: ``[N, D] -> [N, D]``; the first utterance of a conversation is not changed.

        ``memory`` is the number of preceding utterances that each one attends to.
        """
        counts = [min(memory, place) for size in layout.sizes for place in range(size)]
        rows = [n for n, count in enumerate(counts) if count]
        if not rows:
            return x
        before = Span.of([n - counts[n] for n in rows], rows, x.device)
        past = x[before.places]  # [R, K, D]
        packed = pack_padded_sequence(past, torch.tensor([counts[n] for n in rows]), True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.read(packed)[0], batch_first=True)  # [R, K, 2 D]
        past = self.dropout(past + sum(states.chunk(2, -1)))  # [R, K, D]
        here = torch.tensor(rows, device=x.device)  # [R]
        scores = (past @ x[here].unsqueeze(-1)).squeeze(-1)  # [R, K]
        shares = scores.masked_fill(~before.real, torch.finfo(scores.dtype).min).softmax(-1)  # [R, K]
        context = self.dropout((shares.unsqueeze(1) @ past).squeeze(1))  # [R, D]
        return x.index_copy(0, here, self.join(x[here], context).to(x.dtype))


class MVN(Model):
    """Two views of an utterance and of the K utterances before it; their log-probabilities are added.

    Let W be the states of a bidirectional GRU over the words of utterance i (W_j for an utterance j), and X the
    states over the words of the K utterances before it::

        word view       w_i = Gate(max(Gate(Att(W, W), Att'(W, X))), max(Gate(Att(X, X), Att'(X, W))))
        utterance view  r_i = Gate(s_i, sum_j softmax_j(s_i . p_j) p_j)                             s_j = max(W_j)
                        p_j = s_j + both states at j of a second bidirectional GRU, over s_(i-K) .. s_(i-1)
        logits          log softmax(V tanh(U w_i)) + log softmax(V' tanh(U' r_i))

    The logits of the two views are the auxiliary logits, and only they are trained (``auxiliary-cross-entropy``). The
    model reads no later utterance and no speaker. For the first utterance, w_i = max(Att(W, W)) and r_i = s_i. The
    released code also feeds the zeros before the start of a conversation through the second GRU; here they are left
    out. MVN's word vectors are those of word2vec, frozen and
    each scaled to length 1; vectors from a file are treated the same way here.

    Options:
        vectors: file of word vectors, the same as for ``[features.X] use = "words"``; without it vectors are trained.
        word_width: width of the trained word vectors.
        width: D, an even number; each direction of the words' GRU has half of it.
        memory: K, the number of preceding utterances that form the context.
        dropout: rate on word vectors, attention and pooled words, and in both classifiers.

    Raises:
        InputError: there is not exactly one modality, of tokens; the file does not hold as many words as the tokens
            were made with; or the width is odd.
    """

    causal = True

    def __init__(
        self,
        info: DataInfo,
        *,
        vectors: Path | None = None,
        word_width: Size = 300,
        width: Size = 300,
        memory: Size = 10,
        dropout: Rate = 0.3,
    ) -> None:
        super().__init__(info)
        kinds = {name: spec.kind for name, spec in info.modalities.items()}
        if list(kinds.values()) != ["tokens"]:
            found = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
            raise InputError.at(
                "use", f"needs exactly one modality, of tokens, but has {found}", '[features.text] use = "words"'
            )
        if width % 2:
            raise InputError.at("width", f"{width} is odd, but two directions share it", "choose an even width")
        (self.modality,) = kinds
        self.embed = _embedding(vectors, info.modalities[self.modality].dim, word_width)
        self.read = nn.GRU(self.embed.embedding_dim, width // 2, bidirectional=True)
        self.memory = memory
        self.words, self.wholes = WordView(width, dropout), UtteranceView(width, dropout)
        self.dropout = nn.Dropout(dropout)
        self.answers = nn.ModuleDict(
            {target: nn.ModuleList(self._answer(width, len(spec.classes), dropout) for _ in range(2))
             for target, spec in info.targets.items()}
        )  # fmt: skip

    @staticmethod
    def _answer(width: int, classes: int, dropout: float) -> nn.Module:
        half = width // 2
        return nn.Sequential(nn.Linear(width, half), nn.Tanh(), nn.Dropout(dropout), nn.Linear(half, classes))

    def forward(self, inputs: Inputs) -> Outputs:
        """Return logits ``[N, C]``, embedding ``[N, 2 D]`` and auxiliary logits ``[N, 2, C]`` for each target.

        The logits are the sum of both views' log-probabilities, the embedding is both views, and the auxiliary logits
        are those of each view.
        """
        real, words, ends = self._words(inputs)
        grid = words.new_zeros(*real.shape, words.shape[-1])  # [N, T, D]
        padded = grid.masked_scatter(real.unsqueeze(-1), words)
        own = Span(torch.empty(0), real)
        views = [
            self.words(words, ends, inputs.layout, self.memory),
            self.wholes(self.dropout(own.pool(padded)), inputs.layout, self.memory),
        ]  # [N, D] each
        heads = {}
        for target, answers in self.answers.items():
            assert isinstance(answers, nn.ModuleList)
            both = [answer(view) for answer, view in zip(answers, views, strict=True)]
            logits = sum((part.float().log_softmax(-1) for part in both), torch.zeros(()))  # [N, C]
            heads[target] = HeadOutput(logits, torch.cat(views, -1), torch.stack(both, 1))
        return Outputs(heads, Rows.of(inputs))

    def _words(self, inputs: Inputs) -> tuple[Tensor, Tensor, list[int]]:
        """Return which tokens are real ``[N, T]``, their GRU states ``[W, D]``, and where each utterance's end."""
        stream = inputs.streams[self.modality]
        assert stream.frames is not None
        real = stream.frames & stream.present.unsqueeze(-1)  # [N, T]
        counts: list[int] = real.sum(-1).tolist()
        vectors = self.dropout(self.embed(stream.values[real]))  # [W, E]
        return real, self._read(vectors, counts), list(accumulate(counts))

    def _read(self, vectors: Tensor, counts: list[int]) -> Tensor:
        """Return the GRU's states over the words of each utterance, ``[W, E] -> [W, D]``."""
        if not len(vectors):
            return vectors.new_zeros(0, 2 * self.read.hidden_size)
        longest = sorted(range(len(counts)), key=lambda n: -counts[n])
        begins = [0, *accumulate(counts)]
        order = [begins[n] + step for step in range(max(counts)) for n in longest if counts[n] > step]
        sizes = torch.tensor([sum(count > step for count in counts) for step in range(max(counts))])
        places = torch.tensor(order, device=vectors.device)  # [W]
        states: Tensor = self.read(PackedSequence(vectors[places], sizes))[0].data  # [W, D]
        return states[places.argsort()]


def _embedding(vectors: Path | None, size: int, width: int) -> nn.Embedding:
    """Return a table of word vectors: read from a file, scaled to length 1 and frozen, or else to be trained.

    Raises:
        InputError: the file cannot be read, or holds another number of words than the tokens were made with.
    """
    if vectors is None:
        return nn.Embedding(size, width, padding_idx=UNKNOWN)
    words, values = read_vectors(vectors)
    if len(words) + 1 != size:
        what = f"{vectors} holds {len(words)} words, but the tokens were made with {size - 1}"
        raise InputError.at("vectors", what, "choose the file that [features.X] vectors names")
    table = F.normalize(torch.from_numpy(values), dim=-1)  # [W, E]
    known = nn.Embedding(size, table.shape[1], _weight=torch.cat([torch.zeros(1, table.shape[1]), table]))
    known.weight.requires_grad_(False)
    return known
