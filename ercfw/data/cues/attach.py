"""The cues of a file, put into conversations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ercfw.contract.conversation import Conversation, UtteranceId
from ercfw.contract.interfaces import Dataset, Extractor
from ercfw.contract.optional_parts import SupportsCues
from ercfw.data.tables.read import Read
from ercfw.data.tables.rows import TableRow, read_table
from ercfw.errors import InputError, Mistake, in_table, with_warnings
from ercfw.registry.make import make_part
from ercfw.registry.resolve import ResolvedPart

COLUMNS = ("conversation", "utterance", "cues")
NEEDED = "a file of cues has the columns conversation, utterance and cues"
KEY = "[data] cues"
Split = TypeVar("Split", bound=str)
Splits = Mapping[Split, Sequence[Conversation]]


def add_cues(splits: Splits[Split], file: str | None, dataset: Dataset) -> Read[dict[Split, Sequence[Conversation]]]:
    """Return the conversations of each split with the cues of a file, in place of those that they have.

    An utterance without a row has no cues; a warning counts such utterances.

    Args:
        splits: the conversations.
        file: the CSV file with the columns ``COLUMNS``; None = the conversations stay as they are.
        dataset: the dataset that they are from.

    Raises:
        InputError: the data is simulated, or the file cannot be read, lacks a column, or names an utterance that the
            corpus does not have, or twice. All mistakes of the rows are reported at once.
    """
    if file is None:
        return Read(dict(splits))
    if dataset.provenance.simulated:
        what = f"is set, but the data is {dataset.provenance.source}"
        raise InputError.at(KEY, what, "set data.root to a real corpus")
    path = Path(file)
    with in_table(KEY):
        read = read_table(path, {name: name for name in COLUMNS}, dict.fromkeys(COLUMNS, NEEDED))
        with with_warnings(read.warnings):
            ids = [id for conversations in splits.values() for c in conversations for id in c.ids]
            _check_ids(path, read.value, ids, dataset)
    cues = {row.id: row.fields["cues"].strip() for row in read.value}
    lacking = [id for id in ids if id not in cues]
    warnings = list(read.warnings)
    if lacking:
        what = f"utterances without a row, and so without cues: {len(lacking)} of {len(ids)}"
        warnings.append(f"{path}: {what} ({' '.join(lacking[0])} first)")
    found: dict[Split, Sequence[Conversation]] = {
        split: [_with(c, cues) for c in conversations] for split, conversations in splits.items()
    }
    return Read(found, tuple(warnings))


def _check_ids(path: Path, rows: Sequence[TableRow], ids: Sequence[UtteranceId], dataset: Dataset) -> None:
    """Check that the corpus has every utterance of the rows; utterances that it leaves out may have one."""
    known = {*ids, *dataset.rows}
    unknown = [row for row in rows if row.id not in known]
    if len(unknown) == len(rows):
        theirs, ours = "/".join(rows[0].id), "/".join(ids[0]) if ids else "missing"
        what = f"has no row for any utterance: its first id is {theirs}, that of the corpus is {ours}"
        raise InputError.at(path, what, "ids are those of the corpus, as 'ercfw data cues' writes them")
    if unknown:
        raise InputError([Mistake(row.where, f"the corpus has no utterance {'/'.join(row.id)}") for row in unknown])


def _with(conversation: Conversation, cues: Mapping[UtteranceId, str]) -> Conversation:
    return replace(conversation, cues=tuple(cues.get(id, "") for id in conversation.ids))


def lacks_cues(extractor: Extractor, conversations: Sequence[Conversation]) -> bool:
    """Return whether an extractor reads cues, and no utterance has any."""
    reads = isinstance(extractor, SupportsCues) and bool(extractor.cues_option)
    return reads and not any(cues.strip() for conversation in conversations for cues in conversation.cues)


def check_cues(part: ResolvedPart[Extractor], conversations: Sequence[Conversation]) -> None:
    """Check that there are cues for an extractor that reads them.

    Raises:
        InputError: no utterance has any.
    """
    extractor = make_part(part)
    if lacks_cues(extractor, conversations):
        assert isinstance(extractor, SupportsCues)
        where = f"[{part.table}] {extractor.cues_option}"
        hint = "set [data] cues = \"cues.csv\" to a file that 'ercfw data cues' writes, or remove this option"
        raise InputError.at(where, "reads cues, but the data has none", hint)
