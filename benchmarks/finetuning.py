"""Measure what each way to fine-tune a language model costs: time per epoch of MELD, and memory.

    python benchmarks/finetuning.py --root ../shared/data/meld --model mpnet

Each way trains in a process of its own on the same evenly spaced conversations, two per step, each read whole. The
first pass over them is not timed: it also fills the cache of frozen layers. Without a folder, the conversations are
simulated.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bench
import memory
import torch

from ercfw import DataInfo, ModalitySpec
from ercfw.contract.batch import Inputs
from ercfw.contract.conversation import Conversation, ConversationStream
from ercfw.data.collate import collate
from ercfw_datasets.meld import Meld
from ercfw_media.language_model import LanguageModel
from ercfw_media.lora import Lora
from ercfw_media.pretrained import model_folder, model_sizes
from ercfw_media.prompt import Prompt
from ercfw_media.tokens import Tokens

CONVERSATIONS_PER_STEP = 2
CLASSES = 7


@dataclass(frozen=True)
class Way:
    """A way to fine-tune: options of the encoder, and whether it computes in bfloat16."""

    options: Mapping[str, Any]
    bf16: bool = True


@dataclass(frozen=True)
class Cost:
    """What a way costs: tokens per second, the highest memory in bytes, and the number of trained parameters."""

    rate: float
    peak: int
    trained: int


def ways(layers: int) -> dict[str, Way]:
    """Return the ways; where lower layers are frozen, these are half of the layers."""
    half = {"frozen_layers": layers // 2}
    return {
        "all layers, float32": Way({}, bf16=False),
        "all layers, bf16": Way({}),
        "all layers, bf16, checkpointing": Way({"checkpointing": True}),
        "the same, 512 tokens at once": Way({"checkpointing": True, "batch_tokens": 512}),
        "LoRA, bf16": Way({"lora": Lora()}),
        "upper half, bf16": Way(half),
        "upper half, bf16, lower half cached": Way({**half, "cache_gib": 1.0}),
        "LoRA in the upper half, cached": Way({**half, "cache_gib": 1.0, "lora": Lora()}),
    }


def tokens_of(conversation: Conversation) -> int:
    """Return the number of tokens of a conversation that is read whole."""
    stream = conversation.streams["text"]
    assert stream.lengths is not None
    return int(stream.lengths.max(initial=0))


def with_tokens(conversation: Conversation, extractor: Tokens) -> Conversation:
    arrays = extractor.extract(conversation)
    rows = [torch.tensor([] if array is None else array, dtype=torch.int64) for array in arrays]
    values = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).numpy()  # [U, T]
    lengths = torch.tensor([len(row) for row in rows]).numpy()  # [U]
    return replace(conversation, streams={"text": ConversationStream(values, lengths > 0, lengths)})


def train(model: str, dim: int, way: Way, steps: list[Inputs], tokens: int) -> Cost:
    """Train for two passes over these steps, and measure the second."""
    spec = ModalitySpec("tokens", dim)
    encoder = LanguageModel(spec, DataInfo({"text": spec}, {}, 2), model=model, pooling="utterance", **way.options)
    head = torch.nn.Linear(encoder.out_dim, CLASSES)
    trained = [p for part in (encoder, head) for p in part.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    seconds = 0.0

    def one_pass() -> None:
        nonlocal seconds
        began = time.perf_counter()
        for inputs in steps:
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=way.bf16):
                logits = head(encoder(inputs.streams["text"], inputs))  # [N, C]
            torch.nn.functional.cross_entropy(logits.float(), torch.arange(len(logits)) % CLASSES).backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
        seconds = time.perf_counter() - began

    encoder.train()
    peak = memory.peak(lambda: [one_pass(), one_pass()])
    return Cost(tokens / seconds, peak, sum(p.numel() for p in trained))


def prepare(arguments: argparse.Namespace) -> tuple[list[Inputs], int, int, int]:
    """Return the inputs of each step, their tokens, the tokens of the training split, and the stream's size."""
    dataset = Meld(root=arguments.root) if arguments.root else Meld()
    prompt = Prompt(before="all", after="all")
    extractor = Tokens(model=arguments.model, most_tokens=arguments.most_tokens, prompt=prompt)
    every = [with_tokens(conversation, extractor) for conversation in dataset.split("train")]
    chosen = every[:: max(1, len(every) // arguments.conversations)][: arguments.conversations]
    steps = [
        collate(chosen[start : start + CONVERSATIONS_PER_STEP]).inputs
        for start in range(0, len(chosen), CONVERSATIONS_PER_STEP)
    ]
    return steps, sum(map(tokens_of, chosen)), sum(map(tokens_of, every)), extractor.dim


def main() -> None:
    parser = bench.make_parser(__doc__, rounds=None)
    parser.add_argument("--root", type=Path, help="a folder with MELD's annotations")
    parser.add_argument("--model", default="minilm", help="minilm, mpnet, or the folder of a model (minilm)")
    parser.add_argument("--conversations", type=int, default=40, help="number of conversations (40)")
    parser.add_argument("--most-tokens", type=int, default=256, help="largest number of tokens of a conversation (256)")
    arguments = bench.parse(parser)
    if arguments.quick:
        arguments.conversations = 2
    steps, tokens, whole, dim = memory.in_child(prepare, arguments)
    print(f"{arguments.model}: {tokens} tokens in {len(steps)} steps; an epoch of train has {whole}")
    print(f"  {'':<40}{'tokens/s':>9}{'min/epoch':>11}{'GiB':>7}{'trained':>13}")
    seconds = {}
    for name, way in ways(model_sizes(model_folder(arguments.model)).layers).items():
        cost = memory.in_child(train, arguments.model, dim, way, steps, tokens)
        seconds[name] = whole / cost.rate
        shown = f"{cost.rate:9.0f}{seconds[name] / 60:11.1f}{cost.peak / 2**30:7.2f}{cost.trained:13,}"
        print(f"  {name:<40}{shown}", flush=True)
    first, *others = seconds
    for name in others:
        bench.print_ratio(seconds, first, name)


if __name__ == "__main__":
    main()
