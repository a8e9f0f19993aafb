"""What a language model is handed for an utterance: the utterance, its conversation, and perhaps a question."""

from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ercfw import Conversation, did_you_mean

Turns = Annotated[int, Field(ge=0)] | Literal["all"]
MostTokens = Annotated[int, Field(ge=0)]
EVERY = 1_000_000
"""More turns than any conversation has."""
FIELDS = ("speaker", "mask", "cues")
"""The fields that a question may have."""


class Prompt(BaseModel):
    """How an utterance is written for a language model; the table ``prompt`` of an extractor.

    Attributes:
        speakers: what each turn begins with: its speaker's name, a number by order of appearance in the conversation
            (``Speaker 1``), or nothing.
        before: number of turns before the utterance that are read with it, or ``all``.
        after: number of turns after it, or ``all``.
        before_tokens: largest number of tokens of the turns before it; None = as many as fit.
        after_tokens: largest number of tokens of the turns after it; None = as many as fit.
        separators: where the model's separator stands: on either side of the ``utterance``, which marks it, or between
            all ``turns``. Without a mark, the utterances of a conversation that is read whole share one pass of the
            model.
        question: words after the last turn, in which ``{speaker}`` stands for the speaker and ``{mask}`` for the mask
            token of the model.
        cues: where the cues of an utterance stand, which describe in words how it is said: in all ``turns``, as
            ``NAME (CUES): text``, or where the ``question`` has the field ``{cues}``. None = nowhere. An utterance
            without cues has none there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    speakers: Literal["names", "numbers", "none"] = "names"
    before: Turns = 0
    after: Turns = 0
    before_tokens: MostTokens | None = None
    after_tokens: MostTokens | None = None
    separators: Literal["utterance", "turns"] = "utterance"
    question: str | None = None
    cues: Literal["turns", "question"] | None = None

    @field_validator("question")
    @classmethod
    def _fields_are_known(cls, question: str | None) -> str | None:
        for name in _fields(question):
            if name not in FIELDS:
                raise ValueError(f"has no field '{{{name}}}' ({did_you_mean(name, FIELDS)})")
        return question

    @model_validator(mode="after")
    def _cues_have_a_place(self) -> Self:
        has_field = "cues" in _fields(self.question)
        if has_field and self.cues != "question":
            raise ValueError('question has the field {cues}, so cues must be "question"')
        if self.cues == "question" and not has_field:
            raise ValueError('cues is "question", so question must have the field {cues}, such as "{speaker}: {cues}?"')
        return self

    @property
    def turns_before(self) -> int:
        """Return the largest number of turns before the utterance."""
        return EVERY if self.before == "all" else self.before

    @property
    def turns_after(self) -> int:
        """Return the largest number of turns after the utterance."""
        return EVERY if self.after == "all" else self.after

    def speaker(self, conversation: Conversation, place: int) -> str:
        """Return how the speaker of an utterance is called."""
        if self.speakers == "numbers":
            return f"Speaker {conversation.speaker_numbers[place] + 1}"
        return conversation.speakers[place]

    def turn(self, conversation: Conversation, place: int) -> str:
        """Return an utterance as it is read; empty without text."""
        text = conversation.texts[place]
        if not text.strip():
            return text
        cues = f"({told})" if self.cues == "turns" and (told := cues_of(conversation, place)) else ""
        if self.speakers == "none":
            return f"{cues} {text}" if cues else text
        return f"{self.speaker(conversation, place)}{cues and ' '}{cues}: {text}"

    def asked(self, conversation: Conversation, place: int, mask: str) -> str:
        """Return the question about an utterance; empty without one."""
        speaker, cues = self.speaker(conversation, place), cues_of(conversation, place)
        return (self.question or "").format(speaker=speaker, mask=mask, cues=cues)


def cues_of(conversation: Conversation, place: int) -> str:
    """Return the cues of an utterance; empty if it has none."""
    return conversation.cues[place].strip() if conversation.cues else ""


def _fields(question: str | None) -> list[str]:
    """Return the names of the fields of a question.

    Raises:
        ValueError: a brace is not closed.
    """
    return [name for _, name, *_ in Formatter().parse(question or "") if name is not None]
