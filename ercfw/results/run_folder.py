"""The folder of a run: ``<out>/<recipe>/<variant>/seed-<n>``."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from ercfw.contract.provenance import Provenance
from ercfw.errors import InputError, RunError
from ercfw.results.environment import read_environment
from ercfw.results.json_file import write_json
from ercfw.results.run_files import RunFiles
from ercfw.results.run_metrics import RunMetrics
from ercfw.system.files import is_file, read_bytes, replacing, sha256, still_there, write_text
from ercfw.system.locks import locked
from ercfw.system.names import slug

SHORT = 8
LEFT = (
    *("metrics.json", "state.safetensors", "state.previous.safetensors", "model.safetensors", "history.jsonl"),
    *("predictions.csv", "embeddings.safetensors", "report.md", "report.html", "learning_curve.png"),
    *("confusion_*.png", ".*.tmp"),
)
"""Files that a run can leave; the file that marks it as finished comes first."""


@dataclass(frozen=True)
class RunFolder:
    """Folder in which one run stores its files.

    Attributes:
        path: the folder.
        key: a hash of everything that affects the result except the data and the seed.
    """

    path: Path
    key: str

    @property
    def files(self) -> RunFiles:
        """Return the paths of its files."""
        return RunFiles(self.path)

    @property
    def is_done(self) -> bool:
        """Return whether the run has finished."""
        return self.files.metrics.is_file()

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Lock the folder against other processes during the block; a process that dies releases its lock.

        Raises:
            InputError: another process is running in this folder.
            RunError: the folder cannot be written to.
        """
        new = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        what, hint = "another process is running in this folder", "wait for it, or choose another --out"
        with ExitStack() as held:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                held.callback(_remove_empty, new)  # those of a refused run
                held.enter_context(locked(self.path / ".lock", self.path, what, hint))
            except UnicodeEncodeError as error:
                what = f"cannot be created: names of files are in {error.encoding} here"
                raise InputError.at(self.path, what, "set PYTHONUTF8=1, or rename the variant") from error
            except OSError as error:
                raise RunError(f"{self.path}: cannot be written: {error.strerror or error}") from error
            yield

    def check_unfinished(self, resume: bool, force: bool) -> None:
        """Check that a stopped run is neither lost nor mixed up with a new one.

        Raises:
            InputError: the run was stopped early, and neither ``resume`` nor ``force`` was chosen.
        """
        if can_resume(self.files.state) and not (resume or force):
            raise InputError.at(self.path, "holds a run that was stopped", "--resume continues it, --force starts anew")

    def check_same_data(self, now: Provenance) -> None:
        """Check that the files in this folder were made from the current data.

        Raises:
            InputError: the source of the data or one of its files has changed.
        """
        if changed := self.data_changed(now):
            raise InputError.at(
                self.path, f"was run on other data: {changed}", "--force starts anew, --out DIR writes elsewhere"
            )

    def data_changed(self, now: Provenance, find: Callable[[Path], Path | None] = Path) -> str | None:
        """Return what has changed in the data since the run; None if nothing has changed or nothing was run.

        Args:
            now: where the data comes from now.
            find: returns the file that a path of the run means; by default the path itself.
        """
        environment = read_environment(self.path)
        before = environment.data if environment else now
        changed = [name for name, digest in before.files.items() if _digest(name, now, find) not in (digest, None)]
        if changed:
            return f"{changed[0]} has changed"
        if (before.source, before.simulated) != (now.source, now.simulated):
            return f"{before.source}; now it is {now.source}"
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
        write_text(self.files.recipe, tomlkit.dumps(document))
        write_text(self.files.key, self.key + "\n")

    def _clear(self) -> None:
        """Delete the files of the previous run, metrics first so that it no longer counts as finished."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for path in [path for pattern in LEFT for path in self.path.glob(pattern)]:
                path.unlink(missing_ok=True)
            shutil.rmtree(self.files.trackers, ignore_errors=True)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written: {error.strerror or error}") from error

    def _keep_plugins(self, plugin_files: Sequence[Path]) -> list[str]:
        names = []
        for path in plugin_files:
            digest = hashlib.sha256(read_bytes(path)).hexdigest()[:SHORT]
            copy = self.files.plugins / f"{path.stem}_{digest}.py"
            with replacing(copy) as temporary:
                shutil.copyfile(path, temporary)
            names.append(f"./plugins/{copy.name}")
        return names

    def write_history(self, history: Sequence[Mapping[str, Any]], stamps: Sequence[str]) -> None:
        """Write one line per epoch, each with the stamps."""
        still_there(self.path)
        mark = {"stamps": list(stamps)} if stamps else {}
        lines = "".join(json.dumps({**line, **mark}) + "\n" for line in history)
        write_text(self.files.history, lines)

    def finish(self, metrics: RunMetrics) -> None:
        """Write the metrics, which mark the run as finished, and delete files that only a resume needs."""
        write_json(self.files.metrics, metrics.as_json())
        half_written = self.path.glob(".*.tmp")  # left by a killed run
        for path in [self.files.state, previous_of(self.files.state), *half_written]:
            path.unlink(missing_ok=True)


def open_folder(out: Path, recipe: str, variant: str, key: str, seed: int) -> RunFolder:
    """Return the folder of a run: the one with the same resolved recipe, or a new one if that name is taken."""
    name = slug(variant)
    parent = out / recipe / name
    if any(read_bytes(path).strip() != key.encode() for path in parent.glob("seed-*/key.txt") if is_file(path)):
        parent = out / recipe / f"{name}-{key[:SHORT]}"
    return RunFolder(parent / f"seed-{seed}", key)


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders, the innermost first, as long as they are empty."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _digest(name: str, now: Provenance, find: Callable[[Path], Path | None]) -> str | None:
    """Return the current hash of a file that a run read; None if the file cannot be compared."""
    if name in now.files:
        return now.files[name]
    found = find(Path(name))
    return sha256(found) if found is not None and is_file(found) else None


def can_resume(path: Path) -> bool:
    """Return whether there is a state to resume from."""
    return path.is_file() or previous_of(path).is_file()


def previous_of(path: Path) -> Path:
    """Return the path at which ``save_state`` keeps the previous state."""
    return path.with_stem(f"{path.stem}.previous")
