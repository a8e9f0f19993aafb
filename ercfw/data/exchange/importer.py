"""Import public feature files into the feature store after verifying which utterance each row belongs to."""

import csv
import dataclasses
import io
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import UtteranceId
from ercfw.contract.feature_table import FeatureTable
from ercfw.contract.file_format import FileFormat
from ercfw.contract.interfaces import Dataset
from ercfw.contract.published_features import Key, Published
from ercfw.data.exchange.existing_stores import check_other_kinds, with_existing_rows
from ercfw.data.exchange.ignored_rows import ignored_rows
from ercfw.data.exchange.keys import ANYBODYS, splits_of
from ercfw.data.exchange.manifest import Manifest, read_manifest
from ercfw.data.exchange.match_rows import RowMatch, match_rows
from ercfw.data.exchange.published_texts import with_repaired_texts
from ercfw.data.load import read_dataset
from ercfw.errors import InputError, shown, with_warnings
from ercfw.recipe.part_table import Part
from ercfw.registry.catalog import Catalog
from ercfw.registry.make import make_part
from ercfw.registry.resolve import resolve_part
from ercfw.system.files import is_folder, sha256, write_text

COLUMNS = ("conversation", "utterance", "speaker", "text", "label", "split")


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
    """

    corpus: str
    proof: str
    files: tuple[ImportedFile, ...]
    warnings: tuple[str, ...]


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
    published, repaired = with_repaired_texts(reader.read(path))
    manifest, changes = read_manifest(published.paths)
    name = corpus or (manifest.corpus if manifest else published.corpus) or ANYBODYS
    if manifest or name != published.corpus:  # numbered conversations look like MELD, but may be of any corpus
        published = dataclasses.replace(published, classes=manifest.classes if manifest else ())
    table = catalog.find("dataset", name, "--corpus").factory.table_to_make(to)
    if table is None:
        text, (dataset, notices) = "", _annotated(catalog, name, to)
    else:
        text = table_of(published, set(manifest.dev if manifest else ()))
        dataset, notices = _from_table(catalog, name, table, text)
    with with_warnings(warnings := [*published.warnings, *changes, *repaired, *notices]):
        matched = match_rows(published, dataset)
        warnings += [*matched.warnings, *ignored_rows(published, dataset)]
    agreement = "not compared"
    if matched.agreeing:
        agreement = f"{matched.agreeing} of {matched.agreeing} agree" if table is None else "made from the same files"
    # The key of the format is "layout", its former name: with another key, importing the same files again would make
    # stores with another sha256, and finished runs would seem to have used other data.
    provenance = {"layout": format_name, "files": {p.name: sha256(p) for p in published.paths}, "labels": agreement}
    with with_warnings(warnings):
        stores = _to_keep(_stores(published, dataset, matched, manifest, provenance), to, replace)
    files = []
    if table is not None:
        write_text(table, text)
        files.append(ImportedFile(table, sum(map(len, published.labels.values()))))
    files += [_save(path, store) for path, store in stores.items()]
    warnings += _missing_splits(stores, dataset)
    return ImportedFeatures(name, f"labels: {agreement}", tuple(files), tuple(warnings))


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


def _annotated(catalog: Catalog, name: str, root: Path) -> tuple[Dataset, tuple[str, ...]]:
    """Read the corpus whose annotations are in a folder; return it with its warnings."""
    if not is_folder(root):
        where, hint = f"--to {root}", f"it must hold the annotations of '{name}'"
        raise InputError.at(where, "there is no such folder", hint)
    return _dataset(catalog, name, root)


def _from_table(catalog: Catalog, name: str, table: Path, text: str) -> tuple[Dataset, tuple[str, ...]]:
    """Read the corpus from a table that is not written to its folder yet; return it with its warnings."""
    with TemporaryDirectory() as folder:
        write_text(Path(folder) / table.name, text)
        return _dataset(catalog, name, Path(folder))


def _dataset(catalog: Catalog, name: str, root: Path) -> tuple[Dataset, tuple[str, ...]]:
    part = Part.model_validate({"use": name, "root": str(root)})
    return read_dataset(resolve_part(catalog, "dataset", "data", part))


def table_of(published: Published, dev: Set[str]) -> str:
    """Return the annotations of the files as the text of a CSV table of utterances.

    Args:
        published: the content of the files.
        dev: the conversations of dev that are in the list of train.

    Raises:
        InputError: an annotation is missing.
    """
    classes = published.classes
    needed = {"utterance ids": published.utterances, "labels": published.labels, "classes' names": classes,
              "speakers": published.speakers, "texts": published.sentences}  # fmt: skip
    lacking = [name for name, values in needed.items() if not values]
    where = str(published.paths[0])
    if lacking:
        raise InputError.at(
            where, f"has no {', '.join(lacking)}", "put the annotations of the corpus into the folder of --to"
        )
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for split, keys in published.lists.items():
        for key in keys:
            fields = (published.utterances, published.speakers, published.sentences, published.labels)
            columns = [table.get(key, ()) for table in fields]
            if len({len(column) for column in columns}) != 1:
                raise InputError.at(where, f"conversation {key}: ids, speakers, texts and labels differ in number")
            for utterance, speaker, text, label in zip(*columns, strict=True):
                if not 0 <= label < len(classes):
                    raise InputError.at(where, f"conversation {key}: there is no class {label}")
                own_split = "dev" if str(key) in dev else split
                writer.writerow([key, utterance, speaker, text, classes[label], own_split])
    return out.getvalue()


def _stores(
    published: Published, dataset: Dataset, matched: RowMatch, manifest: Manifest | None, provenance: Mapping[str, Any]
) -> dict[str, FeatureTable]:
    """Return one store per stream, with rows in the order of the corpus."""
    stores: dict[str, FeatureTable] = {}
    for slot, values in published.streams.items():
        found = _by_utterance(published, slot, values, matched)
        stores |= _store(slot, found, dataset, manifest, {**provenance, "stream": slot})
    for slot, splits in published.rows.items():
        found = _by_row(published, slot, splits, dataset)
        stores |= _store(slot, found, dataset, manifest, {**provenance, "stream": slot})
    for slot, vectors in published.named.items():
        stores |= _store(slot, vectors, dataset, manifest, {**provenance, "stream": slot})
    return stores


def _store(
    slot: str,
    found: Mapping[UtteranceId, NDArray[np.generic]],
    dataset: Dataset,
    manifest: Manifest | None,
    provenance: Mapping[str, Any],
) -> dict[str, FeatureTable]:
    """Return the store of a stream under its modality; nothing for a stream that holds only zeros."""
    needed = {id for conversations in splits_of(dataset).values() for c in conversations for id in c.ids}
    ids = tuple(id for id in dataset.rows if id in found or id in needed)
    first = next(iter(found.values()))
    zeros = np.zeros(first.shape, first.dtype)  # [D]
    values = np.stack([found.get(id, zeros) for id in ids])  # [N, D]
    if not values.any():
        return {}
    exported = manifest.streams.get(slot) if manifest else None
    absent = set(exported.absent) if exported else {id for id, row in zip(ids, values, strict=True) if not row.any()}
    return {
        exported.modality if exported else slot: FeatureTable(
            ids=ids,
            values=values,
            present=np.array([id not in absent for id in ids]),
            provenance=exported.made_by if exported else provenance,
            fitted_on=exported.fitted_on if exported else "unknown",
            where=f"stream '{slot}'",
        )
    }


def _by_utterance(
    published: Published, slot: str, values: Mapping[Key, NDArray[np.generic]], matched: RowMatch
) -> dict[UtteranceId, NDArray[np.generic]]:
    """Return the row of each utterance from a format that names conversations."""
    found: dict[UtteranceId, NDArray[np.generic]] = {}
    widths: dict[int, Key] = {}
    for key, ids in matched.ids.items():
        if key not in values:  # the stream lacks this split
            continue
        array = values[key]
        where = f"{published.paths[0]}: '{slot}', conversation {key} ({ids[0][0]})"
        if array.ndim != 2 or len(array) != len(ids):
            raise InputError.at(where, f"has values of shape {list(array.shape)} for {len(ids)} utterances")
        if widths and array.shape[1] not in widths:
            raise InputError.at(where, f"is {array.shape[1]} wide, but conversation {next(iter(widths.values()))} "
                                       f"{next(iter(widths))}")  # fmt: skip
        widths.setdefault(array.shape[1], key)
        found.update(zip(ids, array, strict=True))
    return found


def _by_row(
    published: Published, slot: str, splits: Mapping[str, NDArray[np.generic]], dataset: Dataset
) -> dict[UtteranceId, NDArray[np.generic]]:
    """Return the row of each utterance from a format whose rows are in the order of the annotations.

    The rows may leave out the utterances whose clips are known to be broken.
    """
    found: dict[UtteranceId, NDArray[np.generic]] = {}
    corpus = splits_of(dataset)
    for split, values in splits.items():
        ids = [id for c in corpus[split] for id in c.ids]  # type: ignore[index]
        whole = [id for id in ids if id not in dataset.broken]
        fitting = next((names for names in (ids, whole) if len(names) == len(values)), None)
        if fitting is None:
            what = f"has {len(values)} rows of {split}; the corpus has {len(ids)}, or {len(whole)} without broken clips"
            raise InputError.at(f"{published.paths[0]}: '{slot}'", shown(what))
        found.update(zip(fitting, values, strict=True))
    return found
