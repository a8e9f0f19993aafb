"""Typed requests to a worker process and its typed result; both travel as JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter

from ercfw.experiment.plan import Selection
from ercfw.recipe.overrides import merge
from ercfw.recipe.recipe_file import RecipeFile
from ercfw.recipe.toml import Tables
from ercfw.registry.trust import PluginFiles
from ercfw.system.validation import Strict, as_json


class _Request(Strict):
    """The fields that every request has.

    Attributes:
        recipe: the recipe's file; it names the runs, and plugin files are relative to its folder.
        tables: the content of the file, including variants; the worker does not read the file.
        variant: the variant to run.
        overrides: tables laid over the variant.
        dropped: dotted paths removed from the variant.
        plugin_files: what is done with the recipe's plugin files.
        out: the folder of all runs.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    recipe: Path
    tables: Tables
    variant: str
    overrides: Tables
    dropped: tuple[str, ...]
    plugin_files: PluginFiles
    out: Path

    @classmethod
    def make(cls, source: RecipeFile, selection: Selection, variant: str, out: Path, **more: Any) -> Self:
        """Build a request for one variant of a selection."""
        return cls(
            recipe=source.path,
            tables=_in_json(source.tables),
            variant=variant,
            overrides=_in_json(selection.overrides or {}),
            dropped=tuple(selection.dropped),
            plugin_files=selection.plugin_files,
            out=out,
            **more,
        )

    @property
    def source(self) -> RecipeFile:
        """Return the recipe's file, as the parent process read it."""
        return RecipeFile(self.recipe, self.tables)

    def select(self, seeds: tuple[int, ...] | None) -> Selection:
        """Return the selection of the parent process, narrowed to the variant and these seeds."""
        return Selection((self.variant,), seeds, self.overrides, self.dropped, self.plugin_files)


class RunRequest(_Request):
    """Train and score one variant with one seed, or continue it.

    Attributes:
        seed: the seed of the run.
    """

    kind: Literal["run"] = "run"
    seed: int


class SearchRequest(_Request):
    """Add trials to a search that other workers share.

    Attributes:
        storage: the database with the trials; None = a file in the search's folder.
    """

    kind: Literal["search"] = "search"
    storage: str | None

    def with_seed(self, seed: int) -> "SearchRequest":
        """Return the request to one worker, which draws trials with this seed."""
        overrides = merge(self.overrides, {"run": {"workers": 1}, "tune": {"seed": seed}})
        return self.model_copy(update={"overrides": overrides})


Request = RunRequest | SearchRequest


class WorkerResult(Strict):
    """The result that a worker writes.

    Attributes:
        exit_code: that of the same command: 0, 1 for a failure, 2 for wrong input.
        errors: messages for the user; empty if the worker succeeded or was stopped.
    """

    exit_code: int
    errors: tuple[str, ...] = ()


_REQUEST: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="kind")])


def read_request(text: str) -> Request:
    """Read the request that ``model_dump_json`` wrote."""
    return _REQUEST.validate_json(text)


def _in_json(tables: Mapping[str, Any]) -> Tables:
    """Return tables with every value as JSON has it, as the checks of a recipe read them: dates become strings."""
    plain: Tables = json.loads(as_json(tables))
    return plain
