"""Rows of public files that name utterances which the corpus does not have."""

from ercfw.contract.interfaces import Dataset
from ercfw.contract.published_features import Published
from ercfw.errors import InputError, shown


def ignored_rows(published: Published, dataset: Dataset) -> list[str]:
    """Return warnings about rows that name utterances which are not in the corpus; they are ignored.

    Raises:
        InputError: no row of a stream names an utterance of the corpus, or its rows differ in width.
    """
    known = set(dataset.rows)
    warnings = []
    for slot, vectors in published.named.items():
        where = f"{published.paths[0]}: '{slot}'"
        widths = {vector.shape for vector in vectors.values()}
        if len(widths) > 1 or any(len(shape) != 1 for shape in widths):
            raise InputError.at(where, f"has rows of different shapes: {sorted(map(list, widths))[:3]}")
        unknown = [id for id in vectors if id not in known]
        if len(unknown) == len(vectors):
            raise InputError.at(where, "names no utterance of this corpus", "check that the files belong to it")
        if unknown:
            first = shown(f"conversation {unknown[0][0]}, utterance {unknown[0][1]}")
            warnings.append(f"{where}: rows of utterances that the corpus lacks are ignored: {len(unknown)}; "
                            f"the first is {first}")  # fmt: skip
    return warnings
