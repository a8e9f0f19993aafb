"""The folder of a run: ``<out>/<recipe>/<variant>/seed-<n>``."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tomlkit
from filelock import FileLock, Timeout

from ercfw.contract.interfaces import Provenance
from ercfw.errors import InputError, RunError
from ercfw.recipe.recipe_file import slug
from ercfw.results.metrics_file import Environment, _read_json, read_metrics
from ercfw.system.files import is_file, replacing, sha256, still_there, write_text

SHORT = 8
LEFT = (
    *("metrics.json", "state.safetensors", "state.previous.safetensors", "model.safetensors", "history.jsonl"),
    *("predictions.csv", "embeddings.safetensors", "report.md", "report.html", "learning_curve.png"),
    *("confusion_*.png", ".*.tmp"),
)
"""What a run leaves; what makes it a finished one first."""


@dataclass(frozen=True)
class RunFolder:
    """Where one run is left.

    Attributes:
        path: its folder.
        key: a hash of all that decides its result but the data and the seed.
    """

    path: Path
    key: str

    @property
    def state(self) -> Path:
        """What a resume reads; gone when the run is done."""
        return self.path / "state.safetensors"

    @property
    def is_done(self) -> bool:
        """Whether the run has finished."""
        return (self.path / "metrics.json").is_file()

    def metrics(self) -> dict[str, Any]:
        """What the finished run scored."""
        return read_metrics(self.path)

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Keeps other processes out for as long as the block runs; one that dies leaves nothing shut.

        Raises:
            InputError: another process is running in this folder.
            RunError: the folder cannot be written to.
        """
        lock = FileLock(self.path / ".lock")
        new = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=False)
        except Timeout as error:
            where = "wait for it, or choose another --out"
            raise InputError.at(self.path, "another process is running in this folder", where) from error
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written: {error.strerror or error}") from error
        try:
            yield
        finally:
            (self.path / ".lock").unlink(missing_ok=True)  # while it is held: the library minds a lock that is gone
            lock.release()
            with suppress(OSError):  # of what a refused run has left empty
                for folder in new:
                    folder.rmdir()

    def check_unfinished(self, resume: bool, force: bool) -> None:
        """A run that was stopped is neither lost nor mixed up with a new one.

        Raises:
            InputError: it was stopped half-way, and neither way to go on was chosen.
        """
        if can_resume(self.state) and not (resume or force):
            raise InputError.at(self.path, "holds a run that was stopped", "--resume goes on, --force starts anew")

    def check_same_data(self, now: Provenance) -> None:
        """What was left here must have been made from the data that is there now.

        Raises:
            InputError: its source or a file of it is another one.
        """
        if changed := self.data_changed(now):
            raise InputError.at(self.path, f"was run on other data: {changed}", "--force starts anew, --out elsewhere")

    def data_changed(self, now: Provenance) -> str | None:
        """What is not as it was when this was run; None when all is, or nothing was run."""
        path = self.path / "environment.json"
        before = _read_json(path, Environment)["data"] if path.is_file() else asdict(now)
        changed = [name for name, digest in before["files"].items() if _digest(name, now) not in (digest, None)]
        if changed:
            return f"{changed[0]} has changed"
        if (before["source"], before["simulated"]) != (now.source, now.simulated):
            return f"{before['source']}; now it is {now.source}"
        return None

    def begin(self, tables: Mapping[str, Any], seed: int, plugin_files: Sequence[Path], stamps: Sequence[str]) -> None:
        """Write what is known before training: the resolved recipe and the plugin files."""
        self._clear()
        document = tomlkit.document()
        for stamp in stamps:
            document.add(tomlkit.comment(stamp))
        written = {**tables, "seeds": [seed], "plugins": self._keep_plugins(plugin_files)}
        for key, value in sorted(written.items(), key=lambda item: isinstance(item[1], dict)):
            if value != []:
                document[key] = value
        write_text(self.path / "recipe.toml", tomlkit.dumps(document))
        write_text(self.path / "key.txt", self.key + "\n")

    def _clear(self) -> None:
        """A run that begins leaves nothing of the one before; its metrics go first, so it is not taken for done."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for path in [path for pattern in LEFT for path in self.path.glob(pattern)]:
                path.unlink(missing_ok=True)
            shutil.rmtree(self.path / "trackers", ignore_errors=True)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written: {error.strerror or error}") from error

    def _keep_plugins(self, plugin_files: Sequence[Path]) -> list[str]:
        names = []
        for path in plugin_files:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:SHORT]
            copy = self.path / "plugins" / f"{path.stem}_{digest}.py"
            with replacing(copy) as temporary:
                shutil.copyfile(path, temporary)
            names.append(f"./plugins/{copy.name}")
        return names

    def write_history(self, history: Sequence[Mapping[str, Any]], stamps: Sequence[str]) -> None:
        """A line an epoch, each with the stamps."""
        still_there(self.path)
        mark = {"stamps": list(stamps)} if stamps else {}
        write_text(self.path / "history.jsonl", "".join(json.dumps({**line, **mark}) + "\n" for line in history))

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """A JSON file for people and programs."""
        write_text(self.path / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """Write what the run scored, which makes it a finished one, and drop what only a resume needs."""
        self.write_json("metrics.json", metrics)
        half_written = self.path.glob(".*.tmp")  # of a run that was killed
        for path in [self.state, previous_of(self.state), *half_written]:
            path.unlink(missing_ok=True)


def open_folder(out: Path, recipe: str, variant: str, key: str, seed: int) -> RunFolder:
    """The folder of a run: that of the same resolved recipe, or a new one beside another's."""
    name = slug(variant)
    parent = out / recipe / name
    if any(path.read_bytes().strip() != key.encode() for path in parent.glob("seed-*/key.txt") if is_file(path)):
        parent = out / recipe / f"{name}-{key[:SHORT]}"
    return RunFolder(parent / f"seed-{seed}", key)


def _digest(name: str, now: Provenance) -> str | None:
    """The hash of a file that a run read, as it is now; None when it is not there to be compared."""
    if name in now.files:
        return now.files[name]
    return sha256(Path(name)) if is_file(Path(name)) else None


def can_resume(path: Path) -> bool:
    """Whether there is a state to go on from."""
    return path.is_file() or previous_of(path).is_file()


def previous_of(path: Path) -> Path:
    """Where ``save_state`` keeps the state before the last."""
    return path.with_stem(f"{path.stem}.previous")
