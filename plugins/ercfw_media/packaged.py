"""Files that come with a Python package, found without running the package and checked before they are opened."""

from functools import lru_cache
from importlib import metadata, util
from pathlib import Path

from ercfw import InputError, sha256


def packaged(package: str, inside: str, content: str, version: str, missing: InputError) -> Path:
    """Return the path of a file in an installed package.

    Args:
        package: the name under which the package is imported.
        inside: the path of the file inside the package.
        content: the sha256 that the file must have.
        version: the version of the package that contains this file.
        missing: the error to raise if the package is not installed.

    Raises:
        InputError: if the package is missing, or the file is not the pinned one.
    """
    spec = util.find_spec(package)
    if spec is None or not spec.origin:
        raise missing
    path = Path(spec.origin).parent / inside
    if not path.is_file() or hash_once(path) != content:
        raise InputError.at(path, "is not the file ercfw was tested with", f"install {package}=={version} again")
    return path


def hash_once(path: Path) -> str:
    """Return the SHA-256 hash of a file of weights, computed once per process: several parts may use the same model.

    Raises:
        OSError: it cannot be read.
    """
    about = path.stat()
    return _hash(path, about.st_size, about.st_mtime_ns)


@lru_cache
def _hash(path: Path, size: int, changed: int) -> str:
    return sha256(path)


def installed(package: str) -> str:
    """Return the version of an installed package, for fingerprints."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
