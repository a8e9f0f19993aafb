"""Files that a Python package brings along, found without running the package and checked before they are opened."""

from importlib import metadata, util
from pathlib import Path

from ercfw import InputError, sha256


def packaged(package: str, inside: str, content: str, version: str, missing: InputError) -> Path:
    """The path of a file in an installed package.

    Args:
        package: its name as it is imported.
        inside: the file's path inside it.
        content: the sha256 that the file must have.
        version: the version of the package that has that file.
        missing: what is raised where the package is not installed.

    Raises:
        InputError: the package is missing, or the file is not the pinned one.
    """
    spec = util.find_spec(package)
    if spec is None or not spec.origin:
        raise missing
    path = Path(spec.origin).parent / inside
    if not path.is_file() or sha256(path) != content:
        raise InputError.at(path, "is not the file this was tested with", f"install {package}=={version} again")
    return path


def installed(package: str) -> str:
    """The version of an installed package, for fingerprints."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
