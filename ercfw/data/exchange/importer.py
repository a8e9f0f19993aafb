"""Import public feature files into the feature store after verifying which utterance each row belongs to."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ercfw.contract.feature_table import FeatureTable
from ercfw.contract.file_format import FileFormat
from ercfw.contract.interfaces import Dataset
from ercfw.contract.published_features import Published
from ercfw.data.exchange.annotation_table import table_of
from ercfw.data.exchange.existing_stores import check_other_kinds, with_existing_rows
from ercfw.data.exchange.ignored_rows import ignored_rows
from ercfw.data.exchange.keys import ANYBODYS, splits_of
from ercfw.data.exchange.manifest import read_manifest
from ercfw.data.exchange.match_rows import match_rows
from ercfw.data.exchange.published_stores import stores_of
from ercfw.data.exchange.published_texts import with_repaired_texts
from ercfw.data.load import read_dataset
from ercfw.errors import InputError, recorded_warnings, with_warnings
from ercfw.recipe.part_table import Part
from ercfw.registry.catalog import Catalog
from ercfw.registry.make import make_part
from ercfw.registry.resolve import resolve_part
from ercfw.system.files import is_folder, sha256, write_text


@dataclass(frozen=True)
class ImportedFile:
    """A file that an import wrote.

    Attributes:
        path: the file.
        rows: the number of utterances.
        width: the width of the vectors; None in a table of annotations.
        absent: the number of utterances without a vector; None in a table of annotations.
    """

    path: Path
    rows: int
    width: int | None = None
    absent: int | None = None


@dataclass(frozen=True)
class ImportedFeatures:
    """The result of an import.

    Attributes:
        corpus: the name of the dataset.
        proof: how many labels agree with those of the corpus, or why they prove nothing.
        files: the files that were written.
        warnings: warnings about the files.
        ranges: the lowest and highest number of each target of regression that the files hold.
    """

    corpus: str
    proof: str
    files: tuple[ImportedFile, ...]
    warnings: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def import_features(
    catalog: Catalog, format_name: str, path: Path, to: Path, corpus: str | None = None, replace: bool = False
) -> ImportedFeatures:
    """Read files of a format, verify their rows against the corpus at ``to``, and write one feature store per stream.

    Nothing is written before everything is verified. If the files also hold the annotations of a corpus that keeps
    them in a table (``Dataset.table_to_make``), the table is written from them.

    Args:
        catalog: the plugins.
        format_name: the name of the format in ``ercfw ls format``.
        path: the folder of the files, or one of them.
        to: the folder of the corpus.
        corpus: the name of the dataset; None means the one that the files name.
        replace: replace feature files at ``to`` whose values differ.

    Raises:
        InputError: the files are damaged, hostile, of another corpus, or cannot be verified; or other files are at
            ``to``.
    """
    reader: FileFormat = make_part(resolve_part(catalog, "format", "format", Part(use=format_name)))
    with recorded_warnings() as told:
        published = reader.read(path)
    published, repaired = with_repaired_texts(published)
    manifest, changes = read_manifest(published.paths)
    name = corpus or (manifest.corpus if manifest else published.corpus) or ANYBODYS
    if manifest or name != published.corpus:  # numbered conversations look like MELD, but may be of any corpus
        published = dataclasses.replace(published, classes=manifest.classes if manifest else ())
    table = catalog.find("dataset", name, "--corpus").factory.table_to_make(to)
    text = "" if table is None else table_of(published, set(manifest.dev if manifest else ()))
    dataset, notices = _annotated(catalog, name, to, published, table, text)
    with with_warnings(warnings := [*told, *published.warnings, *changes, *repaired, *notices]):
        matched = match_rows(published, dataset)
        warnings += [*matched.warnings, *ignored_rows(published, dataset)]
    agreement = "not compared"
    if matched.agreeing:
        agreement = f"{matched.agreeing} of {matched.agreeing} agree" if table is None else "made from the same files"
    # The key of the format is "layout", its former name: with another key, importing the same files again would make
    # stores with another sha256, and finished runs would seem to have used other data.
    provenance = {"layout": format_name, "files": {p.name: sha256(p) for p in published.paths}, "labels": agreement}
    with with_warnings(warnings):
        stores = _to_keep(stores_of(published, dataset, matched, manifest, provenance), to, replace)
    files = []
    if table is not None:
        write_text(table, text)
        files.append(ImportedFile(table, sum(map(len, published.labels.values()))))
    files += [_save(path, store) for path, store in stores.items()]
    warnings += _missing_splits(stores, dataset)
    ranges = {score: of.range for score, of in published.scores.items()}
    return ImportedFeatures(name, f"labels: {agreement}", tuple(files), tuple(warnings), ranges)


def _to_keep(stores: Mapping[str, FeatureTable], to: Path, replace: bool) -> dict[Path, FeatureTable]:
    """Return what each file at ``to`` must hold: the store of its modality, and the rows that are there already."""
    paths = {to / f"{modality}.safetensors": store for modality, store in stores.items()}
    for path in paths:
        check_other_kinds(path)
    return paths if replace else {path: with_existing_rows(path, store) for path, store in paths.items()}


def _missing_splits(stores: Mapping[Path, FeatureTable], dataset: Dataset) -> list[str]:
    """Return warnings about splits that the corpus lacks, and about streams that have no value in some splits."""
    splits = splits_of(dataset)
    lacking = [split for split, conversations in splits.items() if not conversations]
    names = " and ".join(lacking)
    warnings = [f"the corpus has no conversation of {names}, but runs need all splits"] if lacking else []
    for path, store in stores.items():
        given = {id for id, present in zip(store.ids, store.present, strict=True) if present}
        needed = {split: {id for c in found for id in c.ids} for split, found in splits.items() if found}
        empty = [split for split, ids in needed.items() if given.isdisjoint(ids)]
        if empty:
            warnings.append(f"the files have no '{path.stem}' for {' and '.join(empty)}: these utterances lack it")
    return warnings


def _save(path: Path, store: FeatureTable) -> ImportedFile:
    """Write a store unless it was read from the same file."""
    if store.where != str(path):
        store.save(path)
    return ImportedFile(path, len(store.ids), store.dim, int((~store.present).sum()))


def _annotated(
    catalog: Catalog, name: str, root: Path, published: Published, table: Path | None, text: str
) -> tuple[Dataset, tuple[str, ...]]:
    """Read the corpus whose annotations are in a folder, or in a table to be written; return it with its warnings."""
    if table is not None:
        return _from_table(catalog, name, table, text, published)
    if not is_folder(root):
        where, hint = f"--to {root}", f"it must hold the annotations of '{name}'"
        raise InputError.at(where, "there is no such folder", hint)
    return _dataset(catalog, name, root, published)


def _from_table(
    catalog: Catalog, name: str, table: Path, text: str, published: Published
) -> tuple[Dataset, tuple[str, ...]]:
    """Read the corpus from a table that is not written to its folder yet; return it with its warnings.

    Raises:
        InputError: the table has a mistake; the message names the table that would have been written.
    """
    with TemporaryDirectory() as folder:
        written = Path(folder) / table.name
        write_text(written, text)
        try:
            return _dataset(catalog, name, Path(folder), published)
        except InputError as error:
            named = [
                dataclasses.replace(m, where=m.where.replace(str(written), f"{table}, as made")) for m in error.mistakes
            ]
            raise InputError(named) from error


def _dataset(catalog: Catalog, name: str, root: Path, published: Published) -> tuple[Dataset, tuple[str, ...]]:
    """Read the corpus; of a table, with the first score of the files if they have scores, else with classes."""
    options: dict[str, Any] = {"use": name, "root": str(root)}
    if name == ANYBODYS and published.scores:
        score, of = next(iter(published.scores.items()))
        options["targets"] = {score: {"kind": "regression", "range": of.range}}
    return read_dataset(resolve_part(catalog, "dataset", "data", Part.model_validate(options)))
