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

from ercfw import InputError, cause_of, is_file, is_folder, missing_library
from ercfw_media.minilm_package import minilm_folder
from ercfw_media.mpnet_package import mpnet_folder
from ercfw_media.packaged import hash_once, installed

MINILM = "minilm"
PACKAGED = {MINILM: minilm_folder, "mpnet": mpnet_folder}
"""The models that come with Python packages, and what returns their folders."""
READ = ("*.safetensors", "*.json", "*.txt", "*.model")
"""The files of a model's folder that determine what it computes."""

T5_NAMES = (("num_hidden_layers", "num_layers"), ("hidden_size", "d_model"))
"""The usual names of sizes in a configuration, and T5's names for them."""


def model_folder(model: str) -> Path:
    """Return the folder of a model.

    Args:
        model: ``minilm`` or ``mpnet``, which come with Python packages; a folder; or a hub id that was downloaded
            before.

    Raises:
        InputError: if the model is not available locally, or has no safetensors weights.
    """
    if model in PACKAGED:
        return PACKAGED[model]()
    folder = Path(model) if is_folder(Path(model)) else _from_hub(model)
    if not is_file(folder / "config.json"):
        raise InputError.at("model", f"{folder} has no config.json", "name the folder of a transformers model")
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
    except Exception as error:  # of many types, for invalid ids, missing models and broken caches
        hint = f"fetch it first: hf download {model}; or name a folder, 'minilm' or 'mpnet'"
        raise InputError.at("model", f"'{model}' is neither a folder nor in the local hub cache", hint) from error


@lru_cache
def model_fingerprint(folder: Path) -> str:
    """Return a hash of a model's weights, configuration and tokenizer, and of the library that runs them."""
    files = sorted({path for pattern in READ for path in folder.glob(pattern)})
    about = {path.name: hash_once(path) for path in files}
    return hashlib.sha256(json.dumps([about, installed("transformers")]).encode()).hexdigest()


def load_tokenizer(folder: Path) -> Any:
    """Load the tokenizer of a model.

    Raises:
        InputError: if its files are damaged.
    """
    with _quiet_transformers(), _as_input_error(folder):
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def load_network(folder: Path) -> Any:
    """Load the encoder of a model in float32, without the layers that were trained on top of it.

    Raises:
        InputError: if the files do not fit together.
    """
    with _quiet_transformers(), _as_input_error(folder):
        from transformers import AutoModel

        network, about = AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
    # The library initialises weights that it does not find at random; the pooler, which many files lack, is not used.
    drawn = sorted(name for name in about["missing_keys"] if not name.startswith("pooler."))
    if drawn:
        what = f"{folder} has the weights of another network: {len(drawn)} are missing ({drawn[0]} first)"
        raise InputError.at("model", what, "use the weights that config.json describes")
    return network.eval()


@contextmanager
def _as_input_error(folder: Path) -> Iterator[None]:
    """Turn any error of the library about damaged configurations, weights or tokenizers into one message."""
    try:
        yield
    except Exception as error:
        raise InputError.at("model", f"{folder} cannot be loaded: {error}") from error


@dataclass(frozen=True)
class Sizes:
    """The sizes in a model's configuration: vocabulary, most tokens per text, layers, and width."""

    vocabulary: int
    positions: int
    layers: int
    width: int


def model_sizes(folder: Path) -> Sizes:
    """Return the sizes of a model.

    Raises:
        InputError: if its configuration does not state them.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        # RoBERTa and related models number positions from pad_token_id + 1.
        first = config["pad_token_id"] + 1 if _numbers_from_padding(config.get("model_type", "")) else 0
        positions = config.get("max_position_embeddings", 512) - first
        layers, width = (config.get(usual, config.get(t5)) for usual, t5 in T5_NAMES)
        return Sizes(config["vocab_size"], positions, int(layers), int(width))
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise InputError.at("model", f"{folder}/config.json does not state the sizes: {cause_of(error)}") from error


def _numbers_from_padding(model_type: str) -> bool:
    return "roberta" in model_type or model_type == "mpnet"


def check_length(sizes: Sizes, most_tokens: int) -> None:
    """Raise an error if texts may be longer than the model can read.

    Raises:
        InputError: if ``most_tokens`` exceeds the model's limit.
    """
    if most_tokens > sizes.positions:
        raise InputError.at("most_tokens", f"is {most_tokens}, but this model reads at most {sizes.positions}")


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Import and use the library without its output on stderr.

    Raises:
        InputError: if it is not installed.
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
