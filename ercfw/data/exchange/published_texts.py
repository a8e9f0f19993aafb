"""Texts of public feature files: repaired like those of every other file that is read."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from ercfw.contract.published_features import Key, Published
from ercfw.data.tables.control_characters import Repair


def with_repaired_texts(published: Published) -> tuple[Published, list[str]]:
    """Return the files' content without control characters in names and texts, and warnings that count them."""
    repair, rename = Repair(), Repair()  # a name occurs in every table, and is not counted each time

    def key_of(key: Key) -> Key:
        return rename(key) if isinstance(key, str) else key

    repaired = dataclasses.replace(
        published,
        lists={name: [key_of(key) for key in keys] for name, keys in published.lists.items()},
        utterances=_each(published.utterances, key_of, repair),
        speakers=_each(published.speakers, key_of, repair),
        sentences=_each(published.sentences, key_of, repair),
        labels={key_of(key): labels for key, labels in published.labels.items()},
        sentiments={key_of(key): labels for key, labels in published.sentiments.items()},
        streams={
            name: {key_of(key): values for key, values in table.items()} for name, table in published.streams.items()
        },
    )
    return repaired, repair.warnings(published.paths[0])


def _each(table: Mapping[Key, Sequence[str]], key_of: Callable[[Key], Key], repair: Repair) -> dict[Key, Sequence[str]]:
    return {key_of(key): [repair(text) for text in texts] for key, texts in table.items()}
