"""Measure the extraction of text features, relative to the bare network on the same texts, sorted by length.

    python benchmarks/texts.py --root ../shared/data/meld --model mpnet

The bare network reads batches of texts of similar length, with all cores and nothing else to do. Without a folder, the
texts are those of simulated conversations.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import bench
import torch

from ercfw import cache_folder
from ercfw.contract.conversation import SPLITS, Conversation
from ercfw.data.extraction.extract import extract
from ercfw.data.extraction.workers import WorkerPool, default_processes
from ercfw_datasets.meld import Meld
from ercfw_media.minilm import MiniLm
from ercfw_media.mpnet import Mpnet
from ercfw_media.sentence_encoder import SentenceEncoder

MODELS: dict[str, type[SentenceEncoder]] = {"minilm": MiniLm, "mpnet": Mpnet}
BATCH = 32
AIM = 0.7
"""Of the tokens per second of the bare network."""


def read_conversations(arguments: argparse.Namespace) -> list[Conversation]:
    dataset = Meld(root=arguments.root) if arguments.root else Meld()
    conversations = [conversation for split in SPLITS for conversation in dataset.split(split)]
    step = max(1, len(conversations) // arguments.conversations)
    return [conversation.only(slice(None)) for conversation in conversations[::step]]


def run_bare(network: torch.nn.Module, batches: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
    with torch.inference_mode():
        for ids, mask in batches:
            network(input_ids=ids, attention_mask=mask, output_hidden_states=True)


def run_extract(name: str, conversations: list[Conversation], processes: int) -> None:
    """Extract into an empty cache; the time includes the start of the processes, their networks, and writing."""
    models = cache_folder() / "models"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ERCFW_CACHE"] = folder
        (Path(folder) / "models").symlink_to(models)
        extract(MODELS[name](), name, conversations, lambda *_: None, WorkerPool(processes, MODELS[name]))
    os.environ["ERCFW_CACHE"] = str(models.parent)


def main() -> None:
    parser = bench.make_parser(__doc__, rounds=3)
    parser.add_argument("--root", type=Path, help="a folder with MELD's annotations")
    parser.add_argument("--model", choices=tuple(MODELS), default="minilm")
    parser.add_argument("--conversations", type=int, default=1432, help="about how many conversations to read (all)")
    arguments = bench.parse(parser)
    if arguments.quick:
        arguments.conversations = 4
    conversations = read_conversations(arguments)
    encoder = MODELS[arguments.model](layers=tuple(range(MODELS[arguments.model].last_layer + 1)))
    tokenizer, network = encoder._loaded
    texts = [text for conversation in conversations for text in conversation.texts if text.strip()]
    tokens = sorted(tokenizer(texts, truncation=True, max_length=encoder.most_tokens)["input_ids"], key=len)
    count = sum(map(len, tokens))
    batches = []
    for start in range(0, len(tokens), BATCH):
        padded = tokenizer.pad({"input_ids": tokens[start : start + BATCH]}, return_tensors="pt")
        batches.append((padded["input_ids"], padded["attention_mask"]))
    print(f"{len(texts)} texts, {count} tokens, {arguments.model}")
    work = {
        "bare network": lambda: run_bare(network, batches),
        "extractor, one process": lambda: [encoder.extract(conversation) for conversation in conversations],
        "ercfw extract": lambda: run_extract(arguments.model, conversations, default_processes()),
    }
    seconds = bench.medians({name: bench.timed(each) for name, each in work.items()}, arguments.rounds)
    bench.print_seconds(seconds, *work)
    for name in work:
        print(f"  {name}: {count / seconds[name]:.0f} tokens per second")
    for name in list(work)[1:]:
        bench.print_ratio(seconds, "bare network", name, str(AIM))


if __name__ == "__main__":
    main()
