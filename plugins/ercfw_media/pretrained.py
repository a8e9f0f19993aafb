"""Pretrained language models from a folder, the local hub cache, or a Python package; nothing is downloaded."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import util
from pathlib import Path
from typing import Any

import torch

from ercfw import InputError, cause_of, is_folder, missing_library, sha256
from ercfw_media.minilm_package import minilm_folder
from ercfw_media.packaged import installed

MINILM = "minilm"
READ = ("*.safetensors", "*.json", "*.txt", "*.model")
"""The files of a model's folder that decide what it does."""

T5_NAMES = (("num_hidden_layers", "num_layers"), ("hidden_size", "d_model"))
"""What a configuration calls its sizes, and what T5's calls them."""


def model_folder(model: str) -> Path:
    """Where a model lies: ``minilm`` comes with a Python package; else a folder, or a hub id that was fetched before.

    Raises:
        InputError: there is no such model here, or it has no safetensors weights.
    """
    if model == MINILM:
        return minilm_folder()
    folder = Path(model) if is_folder(Path(model)) else _from_hub(model)
    if not (folder / "config.json").is_file():
        raise InputError.at("model", f"{folder} has no config.json", "the folder of a transformers model")
    if not any(folder.glob("*.safetensors")):
        what = f"{folder} has no safetensors weights (pickles are not opened)"
        raise InputError.at("model", what, "save it again with save_pretrained(folder)")
    return folder


def _from_hub(model: str) -> Path:
    if util.find_spec("huggingface_hub") is None:
        raise missing_library("transformers", "text")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except Exception as error:  # of many kinds, for names that are no id, ids that are not there, broken caches
        mend = f"fetch it first: hf download {model}; or name a folder, or 'minilm'"
        raise InputError.at("model", f"'{model}' is neither a folder nor in the local hub cache", mend) from error


@lru_cache
def model_fingerprint(folder: Path) -> str:
    """A hash of a model's weights, configuration and tokenizer, and of the library that runs them."""
    files = sorted({path for pattern in READ for path in folder.glob(pattern)})
    about = {path.name: sha256(path) for path in files}
    return hashlib.sha256(json.dumps([about, installed("transformers")]).encode()).hexdigest()


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model.

    Raises:
        InputError: its files are damaged.
    """
    with _quiet_transformers(), _told(folder):
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def load_network(folder: Path) -> Any:
    """A model's encoder in float32, without what was trained on top of it.

    Raises:
        InputError: the files do not fit together.
    """
    with _quiet_transformers(), _told(folder):
        from transformers import AutoModel

        network, about = AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
    # The library draws what it does not find; the pooler, which many files lack, is not used.
    drawn = sorted(name for name in about["missing_keys"] if not name.startswith("pooler."))
    if drawn:
        what = f"{folder} holds the weights of another network: {len(drawn)} are missing ({drawn[0]} first)"
        raise InputError.at("model", what, "the weights that config.json describes")
    return network.eval()


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """One message for all that the library raises for configurations, weights and tokenizers that are damaged."""
    try:
        yield
    except Exception as error:
        raise InputError.at("model", f"{folder} cannot be loaded: {error}") from error


@dataclass(frozen=True)
class Sizes:
    """What a model's configuration tells: tokens it knows, most tokens of a text, layers, and width."""

    vocabulary: int
    positions: int
    layers: int
    width: int


def model_sizes(folder: Path) -> Sizes:
    """The sizes of a model.

    Raises:
        InputError: its configuration does not tell them.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        # RoBERTa and its kin count positions from behind the padding token.
        first = config["pad_token_id"] + 1 if "roberta" in config.get("model_type", "") else 0
        positions = config.get("max_position_embeddings", 512) - first
        layers, width = (config.get(usual, config.get(t5)) for usual, t5 in T5_NAMES)
        return Sizes(config["vocab_size"], positions, int(layers), int(width))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError.at("model", f"{folder}/config.json does not tell its sizes: {cause_of(error)}") from error


def check_length(sizes: Sizes, most_tokens: int) -> None:
    """Refuse texts that are longer than a model can read.

    Raises:
        InputError: they are.
    """
    if most_tokens > sizes.positions:
        raise InputError.at("most_tokens", f"is {most_tokens}, but this model reads at most {sizes.positions}")


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """The library imported and used without its talk on stderr.

    Raises:
        InputError: it is not installed.
    """
    if util.find_spec("transformers") is None:
        raise missing_library("transformers", "text")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()
