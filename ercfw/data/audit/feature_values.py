"""Check the values of a stream."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import Conversation, Split, UtteranceId
from ercfw.contract.feature_table import FeatureTable
from ercfw.data.audit.finding import Finding, Level, first

BLOCK = 4096
"""The number of rows that are read at once."""
LARGE = 1e4
UNEVEN = 1e3
"""A column whose standard deviation is more than this many times the median of all columns dominates the others."""
REPEATED = 0.05
"""The share of rows equal to the row of another utterance from which a finding is reported."""


@dataclass(frozen=True)
class Columns:
    """The least and greatest value, standard deviation and hash of each of the D columns of a stream."""

    least: NDArray[np.float64]
    greatest: NDArray[np.float64]
    spread: NDArray[np.float64]
    hashes: tuple[bytes, ...]


def check_table(
    name: str, table: FeatureTable, rows: Sequence[UtteranceId], splits: Mapping[Split, Sequence[Conversation]]
) -> Iterator[Finding]:
    """Yield all findings about one stream except those about label leakage."""
    about = f"stream '{name}'"
    yield from _rows(about, table, rows, splits)
    yield _proof(about, table)
    if table.lengths is None and len(table.values):
        yield from _columns(about, table)
        yield from _same_rows(about, table)


def _proof(about: str, table: FeatureTable) -> Finding:
    """Report whether it is known that the rows belong to their utterances."""
    labels, extractor = str(table.provenance.get("labels", "")), table.provenance.get("extractor")
    if labels.endswith("agree"):
        return Finding("fine", about, f"rows were verified by their labels when they were imported: {labels}")
    if extractor:
        return Finding("fine", about, f"made by extractor '{extractor}'")
    return Finding("note", about, "it is not verified that its rows belong to these utterances")


def _rows(
    about: str, table: FeatureTable, rows: Sequence[UtteranceId], splits: Mapping[Split, Sequence[Conversation]]
) -> Iterator[Finding]:
    known, there = set(rows), set(table.ids)
    needed = {split: [id for c in conversations for id in c.ids] for split, conversations in splits.items()}
    missing = [id for ids in needed.values() for id in ids if id not in there]
    foreign = [id for id in table.ids if id not in known]
    if missing:
        yield Finding("wrong", about, f"utterances without a row: {len(missing)} ({first(missing)})")
    if foreign:
        yield Finding(
            "doubtful", about, f"rows of utterances that are not in the corpus: {len(foreign)} ({first(foreign)})"
        )
    if not missing and not foreign:
        yield Finding("fine", about, f"{len(table.ids)} rows of width {table.dim}, one for every utterance")
    present = dict(zip(table.ids, table.present.tolist(), strict=True))
    for split, ids in needed.items():
        absent = sum(not present.get(id, True) for id in ids)
        if absent:
            level: Level = "doubtful" if absent > len(ids) / 2 else "note"
            yield Finding(level, f"{about}, {split}", f"utterances that lack it: {absent} of {len(ids)}")


def _blocks(table: FeatureTable) -> Iterator[NDArray[np.float64]]:
    """Yield the rows that are present, in blocks ``[n, D]``."""
    for start in range(0, len(table.values), BLOCK):
        block = np.asarray(table.values[start : start + BLOCK], dtype=np.float64)
        yield block[table.present[start : start + BLOCK]]


def _measure(table: FeatureTable) -> Columns:
    width = table.values.shape[1]
    least, greatest = np.full(width, np.inf), np.full(width, -np.inf)
    total, squares, count = np.zeros(width), np.zeros(width), 0
    digests = [hashlib.blake2b(digest_size=16) for _ in range(width)]
    shift = None
    for block in _blocks(table):
        if not len(block):
            continue
        shift = block[0] if shift is None else shift  # [D], keeps a large mean from cancelling the small spread
        least, greatest = np.minimum(least, block.min(0)), np.maximum(greatest, block.max(0))
        total += (block - shift).sum(0)
        squares += ((block - shift) ** 2).sum(0)
        count += len(block)
        for digest, column in zip(digests, np.ascontiguousarray(block.T), strict=True):
            digest.update(column.tobytes())
    variance = squares / max(1, count) - (total / max(1, count)) ** 2
    return Columns(least, greatest, np.sqrt(np.maximum(variance, 0)), tuple(digest.digest() for digest in digests))


def _columns(about: str, table: FeatureTable) -> Iterator[Finding]:
    """Find columns that are constant, duplicate, or out of scale."""
    if not table.present.any():
        return
    found = _measure(table)
    constant = np.flatnonzero(found.least == found.greatest)
    groups: dict[bytes, list[int]] = {}
    for column, digest in enumerate(found.hashes):
        groups.setdefault(digest, []).append(column)
    varying = set(range(len(found.hashes))) - set(constant.tolist())
    duplicates = [f"{g[0]} = {g[1]}" for g in groups.values() if len(g) > 1 and g[0] in varying]
    middle = float(np.median(found.spread[found.spread > 0])) if (found.spread > 0).any() else 0.0
    uneven = np.flatnonzero(found.spread > UNEVEN * middle) if middle else np.zeros(0, np.int64)
    largest = float(max(abs(found.least.min()), abs(found.greatest.max())))
    kinds = {
        f"constant columns: {len(constant)} ({first(constant.tolist())})": len(constant),
        f"duplicate columns: {len(duplicates)} ({first(duplicates)})": len(duplicates),
        f"columns whose standard deviation is over {UNEVEN:g} times the median: {len(uneven)} "
        f"({first(uneven.tolist())}); use an encoder with standardise = true": len(uneven),
        f"values up to {largest:.3g}; use an encoder with standardise = true": largest > LARGE,
    }
    for what, applies in kinds.items():
        if applies:
            yield Finding("doubtful", about, what)
    if not any(kinds.values()):
        yield Finding("fine", about, "columns: none constant, none duplicate, all of similar scale")


def _same_rows(about: str, table: FeatureTable) -> Iterator[Finding]:
    counts: Counter[bytes] = Counter()
    zeros = 0
    for block in _blocks(table):
        zeros += int((~block.any(1)).sum())
        counts.update(hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in block if row.any())
    rows = counts.total()
    repeated = rows - len(counts)
    if zeros:
        yield Finding("doubtful", about, f"rows of zeros that are not marked absent: {zeros}")
    if rows and repeated > REPEATED * rows:
        yield Finding("doubtful", about, f"rows equal to the row of another utterance: {repeated} of {rows}")
