"""Public feature files to the feature store, once it is proven which utterance each row is."""

import csv
import dataclasses
import io
import warnings
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import SPLITS, UtteranceId
from ercfw.contract.feature_table import FeatureTable
from ercfw.contract.interfaces import Dataset, FileLayout
from ercfw.contract.published import Key, Published
from ercfw.data.exchange.keys import ANYBODYS
from ercfw.data.exchange.manifest import Card, read_card
from ercfw.data.exchange.proof import Matched, match
from ercfw.errors import InputError, shown
from ercfw.recipe.schema import Part
from ercfw.registry.catalog import Catalog
from ercfw.registry.make import make_part
from ercfw.system.files import is_folder, sha256, write_text

COLUMNS = ("conversation", "utterance", "speaker", "text", "label", "split")


@dataclass(frozen=True)
class ImportedFeatures:
    """What was imported.

    Attributes:
        corpus: the dataset's name.
        proof: how many labels agree with the corpus', or why that proves nothing.
        rows: of each file that was written what it holds, for a table.
        warnings: what a reader should know.
    """

    corpus: str
    proof: str
    rows: tuple[Mapping[str, Any], ...]
    warnings: tuple[str, ...]


def import_features(
    catalog: Catalog, layout: str, path: Path, to: Path, corpus: str | None = None, replace: bool = False
) -> ImportedFeatures:
    """Read files of a layout, prove their rows against the corpus at ``to``, and write a feature store a stream.

    Nothing is written before everything is proven. A corpus whose annotations are in the files too
    (``Dataset.table_to_make``) gets its table of utterances from them.

    Args:
        catalog: the plugins.
        layout: a layout's name.
        path: the folder of the files, or one of them.
        to: the corpus' folder.
        corpus: the dataset's name; None = as the files tell.
        replace: whether feature files that are at ``to`` may be replaced; those with the same values stay otherwise.

    Raises:
        InputError: the files are damaged, hostile, another corpus', or not proven; or files at ``to`` are in the way.
    """
    reader: FileLayout = make_part(catalog, "layout", "layout", Part(use=layout))
    published = reader.read(path)
    told: list[str] = []
    card = read_card(published.paths, told)
    name = corpus or (card.corpus if card else published.corpus) or ANYBODYS
    if card or name != published.corpus:  # numbers for names are MELD's way, but anybody may count
        published = dataclasses.replace(published, classes=card.classes if card else ())
    table = catalog.find("dataset", name, "--corpus").made_by.table_to_make(to)
    text = None if table is None else table_of(published, set(card.dev if card else ()))
    dataset = (
        _annotated(catalog, name, to, told) if table is None else _from_table(catalog, name, table, str(text), told)
    )
    matched = match(published, dataset)
    proof = "not compared"
    if matched.agreeing:
        proof = f"{matched.agreeing} of {matched.agreeing} agree" if table is None else "made from the same files"
    made_by = {"layout": layout, "files": {p.name: sha256(p) for p in published.paths}, "labels": proof}
    stores = _stores(published, dataset, matched, card, made_by)
    paths = {to / f"{modality}.safetensors": store for modality, store in stores.items()}
    _check_free(paths, replace)
    rows: list[Mapping[str, Any]] = []
    if table is not None:
        write_text(table, str(text))
        utterances = sum(len(labels) for labels in published.labels.values())
        rows.append({"file": str(table), "rows": utterances, "width": "", "absent": ""})
    for target, store in paths.items():
        if replace or not target.exists():
            store.save(target)
        absent = int((~store.present).sum())
        rows.append({"file": str(target), "rows": len(store.ids), "width": store.dim, "absent": absent})
    return ImportedFeatures(name, f"labels: {proof}", tuple(rows), (*told, *matched.warnings))


def _annotated(catalog: Catalog, name: str, root: Path, told: list[str]) -> Dataset:
    """The corpus whose annotations are there."""
    if not is_folder(root):
        where, mend = f"--to {root}", f"the annotations of '{name}' are needed there"
        raise InputError.at(where, "there is no such folder", mend)
    return _dataset(catalog, name, root, told)


def _from_table(catalog: Catalog, name: str, table: Path, text: str, told: list[str]) -> Dataset:
    """The corpus as the files themselves annotate it; its table is not in its place yet."""
    with TemporaryDirectory() as folder:
        write_text(Path(folder) / table.name, text)
        return _dataset(catalog, name, Path(folder), told)


def _dataset(catalog: Catalog, name: str, root: Path, told: list[str]) -> Dataset:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        dataset: Dataset = make_part(catalog, "dataset", "data", Part.model_validate({"use": name, "root": str(root)}))
    told += [str(warning.message) for warning in caught]
    return dataset


def table_of(published: Published, dev: Set[str]) -> str:
    """The files' annotations as a table of utterances, a CSV file's text.

    Args:
        published: what they hold.
        dev: conversations of dev that stand in the list of train.

    Raises:
        InputError: they lack something.
    """
    classes = published.classes
    needed = {"utterance ids": published.utterances, "labels": published.labels, "classes' names": classes,
              "speakers": published.speakers, "texts": published.sentences}  # fmt: skip
    lacking = [name for name, values in needed.items() if not values]
    where = str(published.paths[0])
    if lacking:
        raise InputError.at(
            where, f"has no {', '.join(lacking)}", "put the corpus' annotations into the folder of --to"
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
                named = "dev" if str(key) in dev else split
                writer.writerow([key, utterance, speaker, text.replace("\x00", ""), classes[label], named])
    return out.getvalue()


def _check_free(paths: Mapping[Path, FeatureTable], replace: bool) -> None:
    """No file is in the way of another kind, and none of other content without leave."""
    for path, store in paths.items():
        others = [path.with_suffix(suffix) for suffix in (".npy", ".npz") if path.with_suffix(suffix).exists()]
        if others:
            raise InputError.at(others[0], f"holds '{path.stem}' already", "move it away: one file a modality")
        if path.exists() and not replace and not _same(path, store):
            raise InputError.at(path, "is there already, with other values", "--replace writes over it")


def _same(path: Path, store: FeatureTable) -> bool:
    try:
        there = FeatureTable.load(path)
    except InputError:
        return False
    return there.ids == store.ids and np.array_equal(there.values, store.values)


def _stores(
    published: Published, dataset: Dataset, matched: Matched, card: Card | None, made_by: Mapping[str, Any]
) -> dict[str, FeatureTable]:
    """A store a stream, its rows in the order of the corpus."""
    stores: dict[str, FeatureTable] = {}
    for slot, values in published.streams.items():
        found = _by_utterance(published, slot, values, matched)
        stores |= _store(slot, found, dataset, card, {**made_by, "stream": slot})
    for slot, splits in published.rows.items():
        found = _by_row(published, slot, splits, dataset)
        stores |= _store(slot, found, dataset, card, {**made_by, "stream": slot})
    return stores


def _store(
    slot: str,
    found: Mapping[UtteranceId, NDArray[np.generic]],
    dataset: Dataset,
    card: Card | None,
    made_by: Mapping[str, Any],
) -> dict[str, FeatureTable]:
    """One stream's store by its modality; none where the stream is nothing but zeros."""
    needed = {id for split in SPLITS for c in dataset.split(split) for id in c.ids}
    ids = tuple(id for id in dataset.rows if id in found or id in needed)
    first = next(iter(found.values()))
    nothing = np.zeros(first.shape, first.dtype)
    values = np.stack([found.get(id, nothing) for id in ids])
    if not values.any():
        return {}
    about = card.streams.get(slot) if card else None
    absent = set(about.absent) if about else {id for id, row in zip(ids, values, strict=True) if not row.any()}
    return {
        about.modality if about else slot: FeatureTable(
            ids=ids,
            values=values,
            present=np.array([id not in absent for id in ids]),
            made_by=about.made_by if about else made_by,
            fitted_on=about.fitted_on if about else "unknown",
            where=f"stream '{slot}'",
        )
    }


def _by_utterance(
    published: Published, slot: str, values: Mapping[Key, NDArray[np.generic]], matched: Matched
) -> dict[UtteranceId, NDArray[np.generic]]:
    found: dict[UtteranceId, NDArray[np.generic]] = {}
    widths: dict[int, Key] = {}
    for key, ids in matched.ids.items():
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
    """Rows in the order of the annotations, with or without those whose clips are known to be broken."""
    found: dict[UtteranceId, NDArray[np.generic]] = {}
    for split, values in splits.items():
        ids: Sequence[UtteranceId] = [id for c in dataset.split(split) for id in c.ids]  # type: ignore[arg-type]
        whole = [id for id in ids if id not in dataset.broken]
        fitting = next((names for names in (ids, whole) if len(names) == len(values)), None)
        if fitting is None:
            what = f"has {len(values)} rows of {split}, the corpus {len(ids)}, or {len(whole)} without broken clips"
            raise InputError.at(f"{published.paths[0]}: '{slot}'", shown(what))
        found.update(zip(fitting, values, strict=True))
    return found
