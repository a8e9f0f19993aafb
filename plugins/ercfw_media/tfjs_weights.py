"""Weights as TensorFlow.js stores them: a manifest in JSON, and binary shards beside it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from torch import Tensor

from ercfw import InputError

STORED = {"float32": "<f4", "uint8": "<u1", "uint16": "<u2"}
"""numpy's names for the types of the bytes; all but the first are quantised."""


class Quantisation(BaseModel):
    """How integers stand for numbers: ``scale * integer + min``."""

    dtype: Literal["uint8", "uint16"]
    scale: Annotated[float, Field(allow_inf_nan=False)]
    min: Annotated[float, Field(allow_inf_nan=False)]


class Weight(BaseModel):
    """A tensor of the manifest."""

    name: str
    shape: tuple[Annotated[int, Field(ge=0)], ...]
    dtype: Literal["float32"]
    quantization: Quantisation | None = None

    @property
    def stored(self) -> str:
        """Return numpy's name for the type of the bytes."""
        return STORED[self.dtype if self.quantization is None else self.quantization.dtype]


class Group(BaseModel):
    """Tensors whose bytes follow one another in a file, which is cut into shards."""

    paths: list[str]
    weights: list[Weight]


MANIFEST = TypeAdapter(list[Group])


def read_tfjs(manifest: bytes, shard: Callable[[str], bytes], where: object) -> dict[str, Tensor]:
    """Return the tensors by name, all float32, in TensorFlow's layout: convolutions are ``[H, W, in, out]``.

    Args:
        manifest: the content of the file ``*-weights_manifest.json``.
        shard: reads the shard with a name from the manifest.
        where: the place to name in messages.

    Raises:
        InputError: the manifest is no such file, or the shards do not hold what it lists.
    """
    try:
        groups = MANIFEST.validate_python(json.loads(manifest))
    except (ValueError, RecursionError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        place = ".".join(map(str, first["loc"]))
        what = f"is not a manifest of TensorFlow.js: {place and f'{place}: '}{first['msg']}"
        raise InputError.at(where, what, "get the file again") from error
    tensors: dict[str, Tensor] = {}
    for group in groups:
        content = b"".join(shard(path) for path in group.paths)
        tensors.update(_read(group.weights, content, f"{where}: {', '.join(group.paths)}"))
    return tensors


def _read(weights: Sequence[Weight], content: bytes, where: str) -> Iterator[tuple[str, Tensor]]:
    sizes = [prod(weight.shape) * np.dtype(weight.stored).itemsize for weight in weights]
    if sum(sizes) != len(content):
        what = f"holds {len(content)} bytes, but the manifest lists {sum(sizes)}"
        raise InputError.at(where, what, "get the files again")
    begin = 0
    for weight, size in zip(weights, sizes, strict=True):
        values = np.frombuffer(content[begin : begin + size], weight.stored).reshape(weight.shape)
        if weight.quantization is not None:
            # In double precision and then rounded, as JavaScript computes it.
            values = values * np.float64(weight.quantization.scale) + weight.quantization.min
        yield weight.name, torch.from_numpy(np.array(values, np.float32))
        begin += size


def transposed(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    """Return a convolution ``[H, W, in, out]`` as torch lays it out: ``[out, in, H, W]``."""
    return tensors[name].permute(3, 2, 0, 1)
