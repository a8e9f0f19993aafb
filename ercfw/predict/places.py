"""Where the paths in a run's recipe lead after the run has moved, or in another working folder."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ercfw.errors import InputError
from ercfw.recipe.schema import Recipe
from ercfw.registry.options import constructor_arguments
from ercfw.registry.resolve import Made, NetworkParts, ResolvedPart
from ercfw.results.environment import read_environment

KEY = "places"
"""Key of the metadata of models that an earlier ercfw wrote."""


@dataclass(frozen=True)
class Places:
    """The folders from which the paths in a run's recipe may start.

    Attributes:
        folder: the folder of the run now.
        working: the working folder of its training; None = unknown.
        trained: the run's own folder in training; None = unknown.
    """

    folder: Path
    working: Path | None = None
    trained: Path | None = None

    @classmethod
    def read(cls, folder: Path, about: Mapping[str, Any]) -> "Places":
        """Return the places of a run in ``folder``, by its ``environment.json`` or the metadata of its model."""
        try:
            environment = read_environment(folder)
        except InputError:
            environment = None
        if environment is not None and environment.working_folder and environment.run_folder:
            return cls(folder.absolute(), Path(environment.working_folder), Path(environment.run_folder))
        found = about.get(KEY)
        kept = found if isinstance(found, dict) else {}
        working, trained = (Path(kept[key]) if isinstance(kept.get(key), str) else None for key in ("working", "run"))
        return cls(folder.absolute(), working, trained)

    def find(self, path: Path) -> Path | None:
        """Return the file or folder that a path of the recipe means; None if it is nowhere."""
        return next((place for place in self._candidates(path) if _is_there(place)), None)

    def _candidates(self, path: Path) -> Iterator[Path]:
        """Yield the absolute path itself, the same place seen from the run, and the path from each likely folder."""
        if path.is_absolute():
            yield path
        if self.working is not None and self.trained is not None:
            yield Path(os.path.normpath(self.folder / os.path.relpath(self.working / path, self.trained)))
            yield self.working / path
        if not path.is_absolute():
            yield from (parent / path for parent in (self.folder, *self.folder.parents))
            yield path

    def located(self, part: ResolvedPart[Made]) -> ResolvedPart[Made]:
        """Return a part whose options lead to the files and folders that they meant in training.

        Raises:
            InputError: one of them is nowhere.
        """
        for option, path in _paths(part):
            if isinstance(path, Path) and self.find(path) is None:
                there = self.working or "a folder above the run"
                what = f"{path} is neither in {there} nor where it was beside the run"
                raise InputError.at(f"[{part.table}] {option}", what, "put it back, or move it together with the run")
        return self.located_if_there(part)

    def located_if_there(self, part: ResolvedPart[Made]) -> ResolvedPart[Made]:
        """Return a part whose options lead to the files and folders that they meant; those that are nowhere stay."""
        found = {option: type(path)(place) for option, path in _paths(part) if (place := self.find(Path(path)))}
        return replace(part, options=part.options.model_copy(update=found)) if found else part

    def source_as_written(self, part: ResolvedPart[Made], source: str) -> str:
        """Return what a located dataset says of its source, with the paths as the run's recipe writes them."""
        for _, path in _paths(part):
            if place := self.find(Path(path)):
                source = source.replace(str(place), str(path))
        return source

    def located_network(self, parts: NetworkParts) -> NetworkParts:
        """Return the parts of a network, located.

        Raises:
            InputError: a file or folder is nowhere.
        """

        def each(mapping: Mapping[str, ResolvedPart[Made]]) -> dict[str, ResolvedPart[Made]]:
            return {name: self.located(part) for name, part in mapping.items()}

        def one(part: ResolvedPart[Made] | None) -> ResolvedPart[Made] | None:
            return None if part is None else self.located(part)

        return NetworkParts(
            model=one(parts.model),
            encoders=each(parts.encoders),
            contexts=each(parts.contexts),
            fusion=one(parts.fusion),
            joint=one(parts.joint),
            heads=each(parts.heads),
        )

    def with_feature_files(self, recipe: Recipe) -> Recipe:
        """Return a recipe whose files of features and cues are those of training, if they are still there."""
        features = {
            name: part.model_copy(update={"file": str(self.find(Path(part.file)) or part.file)}) if part.file else part
            for name, part in recipe.features.items()
        }
        cues = recipe.data.cues and str(self.find(Path(recipe.data.cues)) or recipe.data.cues)
        data = recipe.data.model_copy(update={"cues": cues})
        return recipe.model_copy(update={"features": features, "data": data})


def _is_there(place: Path) -> bool:
    """Return whether anything is at a place; what cannot be reached does not count, because others follow."""
    try:
        return place.exists()
    except (OSError, ValueError):
        return False


def _paths(part: ResolvedPart[Any]) -> Iterator[tuple[str, Path | str]]:
    """Yield the options that are paths, or texts that may be paths, such as ``models/roberta``."""
    for option, value in constructor_arguments(part.options).items():
        if isinstance(value, Path) or (isinstance(value, str) and ("/" in value or Path(value).suffix)):
            yield option, value
