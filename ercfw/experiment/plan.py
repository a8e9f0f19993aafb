"""The plan of a command: each variant and its seeds, checked before anything runs."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ercfw.errors import InputError, Mistake
from ercfw.model.losses import asked_of_teachers
from ercfw.recipe.home_paths import with_home
from ercfw.recipe.identity import HARMLESS, without_keys
from ercfw.recipe.queries import refuse_plugin_files, selected_metric, teacher_runs, variant_name
from ercfw.recipe.recipe_file import RecipeFile, check_variants, resolve_variant
from ercfw.recipe.schema import BASE, Recipe, parse_recipe
from ercfw.recipe.toml import Tables
from ercfw.registry.catalog import Catalog, load_catalog
from ercfw.registry.check_names import check_names
from ercfw.registry.metrics import plain_metrics
from ercfw.registry.options import constructor_arguments
from ercfw.registry.plugin_file import plugin_files
from ercfw.registry.resolve import ByTable, RecipeParts, recipe_parts, resolve_parts, tables_with_defaults
from ercfw.registry.trust import PluginFiles, UntrustedError, admit
from ercfw.results.run_files import RunFiles
from ercfw.system.files import is_file, is_folder, sha256


@dataclass(frozen=True)
class Selection:
    """The variants, seeds and settings that a caller selects.

    Attributes:
        variants: the names of the variants, in order.
        seeds: the seeds; None = those of the recipe.
        overrides: tables laid over every variant.
        dropped: dotted paths removed from every variant.
        plugin_files: what is done with the recipe's plugin files.
        cross_fit: the number of parts into which the training split is cut; each variant is also run without each of
            them; 0 = no parts.
    """

    variants: Sequence[str] = (BASE,)
    seeds: Sequence[int] | None = None
    overrides: Mapping[str, Any] | None = None
    dropped: Sequence[str] = ()
    plugin_files: PluginFiles = PluginFiles.TRUSTED
    cross_fit: int = 0


@dataclass(frozen=True)
class ReadVariant:
    """One variant of a recipe as far as it can be read; its untrusted plugin files are not executed.

    Attributes:
        recipe: the typed recipe.
        written: its tables, under the variant and the overrides.
        where: the recipe's file and the variant, for messages.
        catalog: the installed plugins, and the recipe's plugin files if all of them may run.
        files: the recipe's plugin files.
        found: the parts that the catalog offers, by the names of their tables.
        mistakes: what is wrong. While plugin files may not run, a part that no installed plugin offers is no mistake.
        untrusted: the mistakes that name the plugin files that may not run.
    """

    recipe: Recipe
    written: Tables
    where: str
    catalog: Catalog
    files: tuple[Path, ...]
    found: ByTable
    mistakes: tuple[Mistake, ...]
    untrusted: tuple[Mistake, ...]


Catalogs = dict[tuple[Path, ...], tuple[Catalog, tuple[Mistake, ...]]]
"""The catalog for each choice of plugin files, and the mistakes that name those that may not run."""


@dataclass(frozen=True)
class Job:
    """One variant of a recipe, ready to run with each of its seeds.

    Attributes:
        name: the recipe's name, which is also the name of its folder.
        variant: the variant's name.
        recipe: the typed recipe; its seeds are those to run.
        tables: the resolved recipe, with every default and without the seeds.
        written: the recipe without defaults, as its author wrote it, under the variant and the overrides.
        catalog: the installed plugins and the recipe's plugin files.
        parts: the recipe's parts, found in the catalog, with their options read.
        plugin_files: the plugin files that the recipe names.
        where: the recipe's file and the variant, for messages.
    """

    name: str
    variant: str
    recipe: Recipe
    tables: Tables
    written: Tables
    catalog: Catalog
    parts: RecipeParts
    plugin_files: tuple[Path, ...]
    where: str

    @property
    def key(self) -> str:
        """Return a hash of everything that determines the numbers, except the seed and the data.

        Plugin files and other runs count by what they hold, not by their paths.
        """
        weights = {place: sha256(path) for place, path in self._weights() if is_file(path)}
        files = [sha256(path) for path in self.plugin_files]
        text = json.dumps([without_keys(self.tables, (*HARMLESS, "plugins", *weights)), files, weights], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _weights(self) -> Iterator[tuple[str, Path]]:
        """Yield each key of the recipe that names a run, as a dotted path, and the weights of that run."""
        if self.recipe.train.init_from is not None:
            yield "train.init_from", RunFiles(Path(self.recipe.train.init_from)).model
        for number, run in enumerate(teacher_runs(self.recipe)):
            yield f"teacher.run{f'.{number}' if number else ''}", RunFiles(Path(run)).model
        for part in self.parts.extractors.values():
            for option, value in constructor_arguments(part.options).items():
                if isinstance(value, Path):
                    yield f"{part.table}.{option}", RunFiles(value if is_folder(value) else value.parent).model

    @property
    def shared_data(self) -> str:
        """Return a key that is the same for jobs that read the same conversations and streams."""
        tables = {key: self.tables.get(key) for key in ("data", "features", "plugins", "teacher")}
        return json.dumps([tables, asked_of_teachers(self.parts.losses.values())], sort_keys=True)


def plan_job(source: RecipeFile, selection: Selection) -> Job:
    """Return the job of a single variant.

    Raises:
        InputError: several variants are selected, or the recipe is wrong; the message lists every mistake.
    """
    only_variant(selection)
    (job,) = plan_jobs(source, selection)
    return job


def only_variant(selection: Selection) -> str:
    """Return the variant of a selection that must have a single one.

    Raises:
        InputError: several variants are selected.
    """
    if len(selection.variants) > 1:
        what = f"selects {len(selection.variants)} variants, and one is needed"
        raise InputError.at("--variant", what, f"--variant {selection.variants[0]}")
    return selection.variants[0]


def plan_jobs(source: RecipeFile, selection: Selection) -> list[Job]:
    """Return one job per variant.

    Raises:
        InputError: the recipe is wrong; the message lists the mistakes of all variants.
    """
    mistakes = check_variants(source)
    jobs: list[Job] = []
    catalogs: Catalogs = {}
    for variant in selection.variants:
        try:
            jobs.append(_plan(source, variant, selection, catalogs))
            jobs += _without_parts(source, variant, selection, catalogs)
        except InputError as error:
            mistakes = with_new(mistakes, error.mistakes)
    if mistakes:
        raise InputError(mistakes)
    return jobs


def read_variant(
    source: RecipeFile, variant: str, selection: Selection, catalogs: Catalogs | None = None
) -> ReadVariant:
    """Read a variant and find its parts.

    Raises:
        InputError: the recipe does not have the form of one, or its plugin files are refused.
    """
    tables = resolve_variant(source, variant, selection.overrides, selection.dropped)
    where = str(source.path) if variant == BASE else f"{source.path} (variant '{variant}')"
    recipe, mistakes = parse_recipe(with_home(tables), where)
    if recipe is None:
        raise InputError(mistakes)
    files = tuple(plugin_files(recipe.plugins, source.path.parent, f"{where}: plugins"))
    if selection.plugin_files is PluginFiles.REFUSE:
        refuse_plugin_files(recipe, where)
    catalogs = {} if catalogs is None else catalogs
    if files not in catalogs:
        catalogs[files] = _load(files, selection.plugin_files, source.path)
    catalog, untrusted = catalogs[files]
    if untrusted:  # a name that no installed plugin offers may be that of a part in these files
        found, unresolved = resolve_parts(recipe, catalog, lambda kind, part: part.use in catalog.names(kind))
        metrics = [*plain_metrics(catalog), selected_metric(recipe).rpartition(".")[2]]
    else:
        found, unresolved = resolve_parts(recipe, catalog)
        metrics = [*plain_metrics(catalog), *recipe.metric]
    in_tables = [replace(m, where=f"{where}: {m.where}") for m in [*unresolved, *check_names(recipe, metrics)]]
    mistakes += catalog.broken_files(f"{where}: plugins") or in_tables
    return ReadVariant(recipe, tables, where, catalog, files, found, tuple(mistakes), untrusted)


def _without_parts(source: RecipeFile, variant: str, selection: Selection, catalogs: Catalogs) -> Iterator[Job]:
    """Yield the same variant with each part of the training split left out in turn."""
    for part in range(1, selection.cross_fit + 1):
        data = {**(selection.overrides or {}).get("data", {}), "leave_out": f"{part}/{selection.cross_fit}"}
        without = replace(selection, overrides={**(selection.overrides or {}), "data": data})
        job = _plan(source, variant, without, catalogs)
        yield replace(job, variant=variant_name(variant, part, selection.cross_fit))


def with_new(mistakes: Sequence[Mistake], found: Sequence[Mistake]) -> list[Mistake]:
    """Return ``mistakes`` with those in ``found`` that are new: a mistake in the recipe itself is in every variant."""
    known = {_in_any_variant(mistake) for mistake in mistakes}
    return [*mistakes, *(mistake for mistake in found if _in_any_variant(mistake) not in known)]


def _in_any_variant(mistake: Mistake) -> str:
    return re.sub(r" \(variant '.*?'\)", "", str(mistake))


def _plan(source: RecipeFile, variant: str, selection: Selection, catalogs: Catalogs) -> Job:
    read = read_variant(source, variant, selection, catalogs)
    if read.untrusted:
        raise UntrustedError([*read.untrusted, *read.mistakes])
    if read.mistakes:
        raise InputError(read.mistakes)
    recipe = read.recipe
    if selection.seeds is not None:
        recipe = recipe.model_copy(update={"seeds": tuple(selection.seeds)})
    resolved = tables_with_defaults(recipe, read.found)
    del resolved["seeds"]
    parts = recipe_parts(recipe, read.found)
    name = source.path.stem
    return Job(name, variant, recipe, resolved, read.written, read.catalog, parts, read.files, read.where)


def _load(files: Sequence[Path], policy: PluginFiles, source: Path) -> tuple[Catalog, tuple[Mistake, ...]]:
    """Return the plugins, and the mistakes that name the plugin files that may not run."""
    try:
        return load_catalog(admit(files, policy, f"{source}: plugins", source)), ()
    except UntrustedError as error:
        return load_catalog(), error.mistakes
