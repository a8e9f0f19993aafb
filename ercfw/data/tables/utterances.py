"""Utterances of any source, grouped into conversations."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ercfw.contract.conversation import Clip, Conversation, UtteranceId
from ercfw.data.tables.ids import repeated_id
from ercfw.errors import InputError

ONE_SPEAKER = "speaker"
"""Speaker of all utterances whose source names none."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance of a corpus or of a transcript, before it is part of a conversation.

    Intern its names: a large corpus repeats them millions of times.

    Attributes:
        where: file and line, for messages.
        id: the conversation, and the utterance id of the source.
        speaker: the speaker's name.
        text: the text; may be empty.
        time: start and end in seconds, if known.
        clip: the utterance's clip, if there is one.
        cues: words that describe how the utterance is said; may be empty.
    """

    where: str
    id: UtteranceId
    speaker: str
    text: str
    time: tuple[float, float] | None = None
    clip: Clip | None = None
    cues: str = ""


def to_conversations(
    utterances: Sequence[Utterance], splits: Mapping[str, str], left_out: Collection[UtteranceId] = ()
) -> tuple[Conversation, ...]:
    """Return conversations without labels, in order of first appearance, with their utterances in the given order.

    Args:
        utterances: the utterances of all conversations.
        splits: the split of each conversation.
        left_out: utterances that are checked, but not in any conversation; a conversation without others is left out.

    Raises:
        InputError: an utterance occurs twice.
    """
    if repeated := repeated_id((utterance.where, utterance.id) for utterance in utterances):
        raise InputError([repeated])
    groups: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        if utterance.id not in left_out:
            groups.setdefault(utterance.id[0], []).append(utterance)
    return tuple(_conversation(name, splits[name], group) for name, group in groups.items())


def _conversation(name: str, split: str, group: Sequence[Utterance]) -> Conversation:
    return Conversation(
        id=name,
        split=split,
        utterances=tuple(utterance.id[1] for utterance in group),
        speakers=tuple(utterance.speaker for utterance in group),
        texts=tuple(utterance.text for utterance in group),
        labels={},
        times=tuple(utterance.time for utterance in group) if any(utterance.time for utterance in group) else (),
        clips=tuple(utterance.clip for utterance in group) if any(utterance.clip for utterance in group) else (),
        cues=tuple(utterance.cues for utterance in group) if any(utterance.cues for utterance in group) else (),
    )
