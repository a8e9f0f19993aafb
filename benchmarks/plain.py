"""MultiEMO (Shi and Huang, ACL 2023) in plain PyTorch: it follows the formulas, in the style of public repositories.

Conversations are padded to the longest of the batch. DialogueRNN steps through them with ``nn.GRUCell`` for all
parties. MultiAttn is ``nn.MultiheadAttention`` with a padding mask. SWFC is a loop over samples. ``transcribe`` copies
the weights of ercfw's model, and a test checks that both models compute the same.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from ercfw import Conversation, DataInfo

OTHERS = {"text": ("audio", "visual"), "audio": ("text", "visual"), "visual": ("text", "audio")}
WIDTH, HEADS, LAYERS, FFN, HIDDEN = 256, 4, 2, 1024, 512
TEMPERATURE, FOCUS, BALANCE = 1.4, 2.0, 1.2
RENAMED = {
    r"\.directions\.0": "",
    r"^heads\.emotion\.": "",
    r"classify\.3": "classify.2",
    r"ffn\.3": "ffn.2",
    r"\.linear\.": ".",
    r"(stacks\..*)attention\.": r"\1attend.",
    r"attend\.(\d)\.out\.": r"attend.\1.out_proj.",
}
"""Patterns of parameter names in ercfw's model, and their replacements in this one."""
WEIGHTS = {"swfc": 0.3, "soft-hgr": 0.3, "cross-entropy": 0.4}


@dataclass
class Padded:
    """A batch of B conversations, padded to U utterances."""

    streams: dict[str, Tensor]  # [B, U, D] each
    speakers: Tensor  # [B, U, parties], one-hot; zeros in padding
    labels: Tensor  # [B, U]
    real: Tensor  # [B, U] bool

    def to(self, device: torch.device | str) -> "Padded":
        streams = {name: x.to(device) for name, x in self.streams.items()}
        return Padded(streams, self.speakers.to(device), self.labels.to(device), self.real.to(device))


def load(conversations: Sequence[Conversation], parties: int, batch_size: int, *, shuffle: bool) -> DataLoader:
    """Return a loader of padded batches."""
    examples = [
        (
            {name: torch.as_tensor(stream.values) for name, stream in c.streams.items()},
            F.one_hot(torch.as_tensor(c.speaker_numbers), parties).float(),
            torch.as_tensor(c.labels["emotion"]),
        )
        for c in conversations
    ]
    return DataLoader(examples, batch_size, shuffle=shuffle, collate_fn=pad)


def pad(examples: Sequence[tuple[Mapping[str, Tensor], Tensor, Tensor]]) -> Padded:
    """Stack examples, with zeros after the shorter ones."""
    streams, speakers, labels = zip(*examples, strict=True)
    lengths = torch.tensor([len(y) for y in labels])
    return Padded(
        streams={name: pad_sequence([each[name] for each in streams], batch_first=True) for name in streams[0]},
        speakers=pad_sequence(list(speakers), batch_first=True),
        labels=pad_sequence(list(labels), batch_first=True),
        real=torch.arange(int(lengths.max())) < lengths[:, None],
    )


class DialogueRNN(nn.Module):
    """DialogueRNN (Majumder et al., AAAI 2019): forward in time, with simple attention and unchanged listeners."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.to_global = nn.GRUCell(dim + width, width)
        self.to_party = nn.GRUCell(dim + width, width)
        self.to_emotion = nn.GRUCell(width, width)
        self.attention = nn.Linear(width, 1, bias=False)

    def forward(self, x: Tensor, speakers: Tensor) -> Tensor:
        """Map ``[B, U, dim]``, ``[B, U, parties] -> [B, U, width]``."""
        (batch, longest, _), parties = x.shape, speakers.shape[-1]
        world = emotion = context = x.new_zeros(batch, self.attention.in_features)
        party = x.new_zeros(batch, parties, self.attention.in_features)
        history, emotions = [], []
        for step in range(longest):
            utterance = x[:, step]  # [B, dim]
            speaker = speakers[:, step].unsqueeze(-1)  # [B, parties, 1]
            if history:
                past = torch.stack(history, 1)  # [B, steps, width]
                context = (self.attention(past).softmax(1) * past).sum(1)  # [B, width]
            world = self.to_global(torch.cat([utterance, (party * speaker).sum(1)], -1), world)
            history.append(world)
            party_input = torch.cat([utterance, context], -1)  # [B, dim + width]
            inputs = party_input.unsqueeze(1).expand(-1, parties, -1)  # [B, parties, dim + width]
            updated = self.to_party(inputs.flatten(0, 1), party.flatten(0, 1)).view_as(party)
            party = updated * speaker + party * (1 - speaker)
            emotion = self.to_emotion((party * speaker).sum(1), emotion)
            emotions.append(emotion)
        return torch.stack(emotions, 1).relu()


class MultiAttnLayer(nn.Module):
    """Equations 2-12 for one modality: attention to the two others, then a feed-forward network."""

    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.ModuleList(nn.MultiheadAttention(WIDTH, HEADS, batch_first=True) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))
        self.ffn = nn.Sequential(nn.Linear(WIDTH, FFN), nn.ReLU(), nn.Linear(FFN, WIDTH))
        self.last_norm = nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor, others: Sequence[Tensor], padding: Tensor) -> Tensor:
        for attend, norm, other in zip(self.attend, self.norms, others, strict=True):
            found, _ = attend(x, other, other, key_padding_mask=padding, need_weights=False)
            x = norm(x + found)
        return self.last_norm(x + self.ffn(x))  # type: ignore[no-any-return]


class MultiAttn(nn.Module):
    """Equations 2-13: ``{m: [B, U, D]} -> {m: [B, U, D]}``."""

    def __init__(self) -> None:
        super().__init__()
        self.stacks = nn.ModuleDict({m: nn.ModuleList(MultiAttnLayer() for _ in range(LAYERS)) for m in OTHERS})

    def forward(self, xs: Mapping[str, Tensor], real: Tensor) -> dict[str, Tensor]:
        views = {}
        for modality, others in OTHERS.items():
            view = xs[modality]
            for layer in self.stacks[modality]:
                view = layer(view, [xs[other] for other in others], ~real)
            views[modality] = view
        return views


class MultiEMO(nn.Module):
    """The whole network, as released for MELD: only audio and visual have a context."""

    def __init__(self, info: DataInfo) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({m: nn.Linear(info.modalities[m].dim, WIDTH) for m in OTHERS})
        self.contexts = nn.ModuleDict({m: DialogueRNN(WIDTH, WIDTH) for m in ("audio", "visual")})
        self.fusion = MultiAttn()
        self.embed = nn.Linear(3 * WIDTH, WIDTH)
        classes = len(info.targets["emotion"].classes)
        self.classify = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes))

    def forward(self, batch: Padded) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return logits ``[N, C]``, embedding ``[N, D]`` and views ``[N, D]`` of the N real utterances."""
        xs = {m: encode(batch.streams[m]) for m, encode in self.encoders.items()}
        for modality, context in self.contexts.items():
            xs[modality] = context(xs[modality], batch.speakers)
        views = {m: view[batch.real] for m, view in self.fusion(xs, batch.real).items()}
        embedding = self.embed(torch.cat(list(views.values()), -1))
        return self.classify(embedding), embedding, views


def transcribe(product: nn.Module, info: DataInfo) -> MultiEMO:
    """Return this model with the weights of ercfw's model, on its device."""
    model = MultiEMO(info).to(next(product.parameters()))
    weights = {_name(name): x for name, x in product.state_dict().items()}
    for query in [name for name in weights if ".query." in name]:
        parts = [weights.pop(query.replace("query", part)) for part in ("query", "key", "value")]
        weights[query.replace("query.", "in_proj_")] = torch.cat(parts)
    model.load_state_dict(weights)
    return model


def _name(name: str) -> str:
    """Return the name in this model of a parameter of ercfw's model."""
    if place := re.match(r"fusion\.stacks\.(\w+)\.\d+\.(?:attention|norms)\.(\w+)\.", name):
        name = name.replace(f".{place[2]}.", f".{OTHERS[place[1]].index(place[2])}.")
    for pattern, replacement in RENAMED.items():
        name = re.sub(pattern, replacement, name)
    return name


def swfc(z: Tensor, y: Tensor, class_weights: Tensor) -> Tensor:
    """Compute equations 18-19 sample by sample, with z and the weights scaled as in the released code."""
    z = F.normalize(z, eps=1e-6)
    total = z.new_zeros(())
    for i in range(len(z)):
        others = torch.cat([z[:i], z[i + 1 :]])  # [N - 1, D]
        positive = torch.cat([y[:i], y[i + 1 :]]) == y[i]  # [N - 1]
        if positive.any():
            log_s = (others @ z[i] / TEMPERATURE).log_softmax(0)[positive]
            total = total - class_weights[y[i]] * ((1 - log_s.exp()) ** FOCUS * log_s).mean()
    return total / len(z)


def class_weights(counts: Sequence[int]) -> Tensor:
    """Return ``(N / N_c)^balance``, normalised to a sum of 1."""
    n = torch.tensor(counts, dtype=torch.float32)
    return F.normalize(torch.where(n > 0, (n.sum() / n) ** BALANCE, 0.0), p=1, dim=0)


def soft_hgr(views: Mapping[str, Tensor]) -> Tensor:
    """Compute equation 20, divided by N."""
    total = torch.zeros((), device=next(iter(views.values())).device)
    for f, g in combinations(views.values(), 2):
        f, g = f - f.mean(0), g - g.mean(0)
        total = total - (f * g).sum(1).mean() + torch.trace(torch.cov(f.T) @ torch.cov(g.T)) / 2
    return total / len(f)


def losses(model: MultiEMO, batch: Padded, weights: Tensor) -> dict[str, Tensor]:
    """Return the weighted losses of a batch, equation 22."""
    logits, z, views = model(batch)
    y = batch.labels[batch.real]
    found = {"swfc": swfc(z, y, weights), "soft-hgr": soft_hgr(views), "cross-entropy": F.cross_entropy(logits, y)}
    return {name: WEIGHTS[name] * value for name, value in found.items()}


def train_epoch(model: MultiEMO, optimizer: torch.optim.Optimizer, batches: DataLoader, weights: Tensor) -> float:
    """Train for one epoch; return the mean loss."""
    total = 0.0
    for batch in batches:
        loss = sum(losses(model, batch.to(weights.device), weights).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(batches)
