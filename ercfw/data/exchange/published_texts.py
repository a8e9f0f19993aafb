"""Texts of public feature files: checked, and repaired like those of every other file that is read."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from ercfw.contract.published_features import Key, Published
from ercfw.data.tables.control_characters import Repair, check_text


def with_repaired_texts(published: Published) -> tuple[Published, list[str]]:
    """Return the files' content without control characters in names and texts, and warnings that count them.

    Raises:
        InputError: a name or a text is no text; the message names its place.
    """
    _check(published)
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
        frames={
            name: dataclasses.replace(of, lengths={key_of(key): n for key, n in of.lengths.items()})
            for name, of in published.frames.items()
        },
        scores={
            name: dataclasses.replace(of, values={key_of(key): n for key, n in of.values.items()})
            for name, of in published.scores.items()
        },
    )
    return repaired, repair.warnings(published.paths[0])


def _each(table: Mapping[Key, Sequence[str]], key_of: Callable[[Key], Key], repair: Repair) -> dict[Key, Sequence[str]]:
    return {key_of(key): [repair(text) for text in texts] for key, texts in table.items()}


def _check(published: Published) -> None:
    where = published.paths[0]
    for name, keys in published.lists.items():
        for key in keys:
            check_text(f"{where}: {name} list", str(key))
    tables = {"utterance id": published.utterances, "speaker": published.speakers, "text": published.sentences}
    for what, table in tables.items():
        for key, texts in table.items():
            check_text(f"{where}: {what}s", str(key))
            for number, text in enumerate(texts, 1):
                check_text(f"{where}: conversation {key}, {what} of utterance {number}", text)
