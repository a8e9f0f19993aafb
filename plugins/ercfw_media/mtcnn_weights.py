"""The weights of MTCNN's networks, read from the Python package ``mtcnn``, whose own code would import TensorFlow."""

import pickle
from importlib import util
from io import BytesIO
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ercfw import missing_library
from ercfw_media.packaged import packaged

WEIGHTS = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}


def load_weights(network: nn.Module, name: str) -> None:
    """Copy the package's weights, in TensorFlow's layout, into a network with the same layers in the same order.

    Raises:
        InputError: if a package is missing, or its weights are not the pinned ones.
    """
    arrays = read_arrays(decompressed(name))
    with torch.no_grad():
        for parameter, array in zip(network.parameters(), arrays, strict=True):
            values = torch.from_numpy(array)
            if values.dim() == 4:
                values = values.permute(3, 2, 0, 1)  # [H, W, in, out] -> [out, in, H, W]
            elif values.dim() == 2:
                values = values.T  # [in, out] -> [out, in]
            parameter.copy_(values.reshape(parameter.shape))


def decompressed(name: str) -> bytes:
    """Return what joblib dumped, the arrays of a network; the file is checked before it is opened.

    Raises:
        InputError: if a package is missing, or its weights are not the pinned ones.
    """
    if util.find_spec("lz4") is None:
        raise missing_library("lz4", "faces")
    import lz4.frame

    missing = missing_library("mtcnn", "faces")
    path = packaged("mtcnn", f"assets/weights/{name}.lz4", WEIGHTS[name], "1.0.0", missing)
    dump: bytes = lz4.frame.decompress(path.read_bytes())
    return dump


def read_arrays(dump: bytes) -> list[NDArray[np.float32]]:
    """Read a list of arrays that joblib dumped, without allowing anything else that a pickle can do.

    joblib writes each array as a short pickle of its shape and type, one byte with the number of padding bytes, the
    padding, and the values.

    Raises:
        pickle.UnpicklingError: if the dump contains anything but a list of float32 arrays.
    """
    file = BytesIO(dump)

    class Wrapped:
        array: NDArray[np.float32]

        def __setstate__(self, state: dict[str, Any]) -> None:
            if state["dtype"] != np.float32 or state["order"] != "C":
                raise pickle.UnpicklingError("an array is not float32 in row-major order")
            file.seek(file.read(1)[0], 1)
            values = np.frombuffer(file.read(4 * int(np.prod(state["shape"]))), np.float32)
            self.array = values.reshape(state["shape"]).copy()

    allowed = {
        ("joblib.numpy_pickle", "NumpyArrayWrapper"): Wrapped,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) not in allowed:
                raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
            return allowed[module, name]

    wrapped = Reader(file).load()
    if not isinstance(wrapped, list) or not all(type(one) is Wrapped for one in wrapped):
        raise pickle.UnpicklingError("it is not a list of arrays")
    return [one.array for one in wrapped]
