"""The annotations in the files of another project, as a CSV table of utterances."""

import csv
import io
from collections.abc import Set

import numpy as np

from ercfw.contract.published_features import Published
from ercfw.errors import InputError

COLUMNS = ("conversation", "utterance", "speaker", "text", "label", "split")


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
    scores = [of.values for of in published.scores.values()]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, *published.scores])
    for split, keys in published.lists.items():
        for key in keys:
            fields = (published.utterances, published.speakers, published.sentences, published.labels, *scores)
            columns = [table.get(key, ()) for table in fields]
            if len({len(column) for column in columns}) != 1:
                raise InputError.at(where, f"conversation {key}: ids, speakers, texts and labels differ in number")
            for utterance, speaker, text, label, *numbers in zip(*columns, strict=True):
                if not 0 <= label < len(classes):
                    raise InputError.at(where, f"conversation {key}: there is no class {label}")
                own_split = "dev" if str(key) in dev else split
                cells = [key, utterance, speaker, text, classes[label], own_split]
                writer.writerow([*cells, *map(_shortest, numbers)])
    return out.getvalue()


def _shortest(number: float) -> str:
    """Return the shortest text of a number that is read as the same float32."""
    return np.format_float_positional(np.float32(number) + np.float32(0), trim="-")  # -0 becomes 0
