"""Statistics of the public corpora, from which simulated conversations are drawn."""

from collections.abc import Mapping
from dataclasses import dataclass

MODALITIES = ("text", "audio", "visual")
WIDTHS: Mapping[str, int] = {"text": 768, "audio": 512, "visual": 1000}
"""The widths of the public feature files."""


@dataclass(frozen=True)
class Shape:
    """Statistics of a corpus.

    Attributes:
        corpus: its name.
        classes: C class names.
        counts: C, the number of train utterances of each class.
        conversations: the number of conversations in train, dev and test.
        lengths: number of utterances -> number of train conversations with that length.
        casts: number of speakers -> number of train conversations with that many.
        stay: the share of utterances by the same speaker as the utterance before.
        inertia: the probability that an emotion is copied from the speaker's own last utterance.
        contagion: the probability that it is copied from the last utterance of any speaker; otherwise it is drawn by
            ``counts``.
        modalities: the modalities of the corpus.
    """

    corpus: str
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    conversations: tuple[int, int, int]
    lengths: Mapping[int, int]
    casts: Mapping[int, int]
    stay: float
    inertia: float
    contagion: float
    modalities: tuple[str, ...] = MODALITIES


MELD = Shape(
    corpus="MELD",
    classes=("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"),
    counts=(4710, 1205, 268, 683, 1743, 271, 1109),
    conversations=(1038, 114, 280),
    lengths={
        1: 70, 2: 60, 3: 54, 4: 48, 5: 67, 6: 61, 7: 74, 8: 67, 9: 50, 10: 57, 11: 55, 12: 54,
        13: 36, 14: 41, 15: 43, 16: 51, 17: 30, 18: 28, 19: 27, 20: 20, 21: 20, 22: 13, 23: 7, 24: 5,
    },
    casts={1: 96, 2: 463, 3: 264, 4: 122, 5: 58, 6: 25, 7: 8, 8: 1, 9: 1},
    stay=0.224,
    # In train, 44.2 % of the utterances have the emotion of their speaker's last one (28.6 % by chance), and
    # 35.8 % that of the utterance before by another speaker. These two values give 44.5 % and 35.7 %.
    inertia=0.19,
    contagion=0.09,
)  # fmt: skip

IEMOCAP = Shape(
    corpus="IEMOCAP",
    classes=("happiness", "sadness", "neutral", "anger", "excitement", "frustration"),
    counts=(504, 839, 1324, 933, 742, 1468),
    conversations=(108, 12, 31),
    # Published: 7433 utterances of 151 conversations, 49 each, from 8 to 110. The distribution between is a guess.
    lengths={8: 3, 18: 7, 26: 13, 34: 17, 42: 19, 50: 20, 58: 15, 68: 11, 80: 9, 95: 4, 110: 2},
    casts={2: 120},
    # Nothing is published on these three. They are guesses, and high, because the emotion of an acted scene lasts.
    stay=0.3,
    inertia=0.6,
    contagion=0.1,
)

EMORYNLP = Shape(
    corpus="EmoryNLP",
    classes=("Joyful", "Mad", "Neutral", "Peaceful", "Powerful", "Sad", "Scared"),
    counts=(1677, 785, 2485, 638, 551, 474, 941),
    conversations=(659, 89, 79),
    lengths={
        1: 8, 2: 7, 3: 17, 4: 22, 5: 34, 6: 44, 7: 48, 8: 47, 9: 38, 10: 31, 11: 49, 12: 54, 13: 29,
        14: 32, 15: 34, 16: 29, 17: 33, 18: 23, 19: 28, 20: 23, 21: 13, 22: 8, 23: 4, 24: 2, 25: 2,
    },
    casts={1: 15, 2: 239, 3: 154, 4: 104, 5: 66, 6: 42, 7: 26, 8: 11, 9: 2},
    stay=0.09,
    # In train, 36.1 % of the utterances have the emotion of their speaker's last one (20.0 % by chance), and
    # 32.9 % that of the utterance before by another speaker. These two values give 36.3 % and 33.2 %.
    inertia=0.17,
    contagion=0.15,
)  # fmt: skip
DAILYDIALOG = Shape(
    corpus="DailyDialog",
    classes=("no emotion", "anger", "disgust", "fear", "happiness", "sadness", "surprise"),
    counts=(72143, 827, 303, 146, 11182, 969, 1600),
    conversations=(11118, 1000, 1000),
    # Published: 7.84 utterances each, 4.0 standard deviation, from 2 to 35. The distribution between is a guess.
    lengths={
        2: 60, 3: 60, 4: 160, 5: 120, 6: 180, 7: 90, 8: 150, 9: 75, 10: 110, 11: 50, 12: 65, 13: 30,
        14: 38, 15: 17, 16: 20, 17: 8, 18: 10, 20: 7, 22: 5, 24: 3, 27: 2, 31: 1, 35: 1,
    },
    casts={2: 11118},
    stay=0.0,
    # Nothing is published on these two. They are guesses.
    inertia=0.3,
    contagion=0.1,
    modalities=("text",),
)  # fmt: skip

M3ED = Shape(
    corpus="M3ED",
    classes=("happy", "neutral", "sad", "disgust", "anger", "fear", "surprise"),
    counts=(1626, 7130, 2734, 1145, 3816, 280, 696),
    conversations=(685, 126, 179),
    # Published: 25.4 utterances each. The distribution is a guess.
    lengths={6: 2, 10: 5, 14: 10, 18: 15, 22: 20, 26: 18, 30: 14, 34: 9, 40: 7, 50: 3, 70: 1},
    casts={2: 685},
    # Published: 6505 turns of 17427 utterances in 685 conversations.
    stay=0.652,
    # Nothing is published on these two. They are guesses.
    inertia=0.5,
    contagion=0.1,
)
SHAPES: Mapping[str, Shape] = {
    "meld": MELD,
    "iemocap": IEMOCAP,
    "emorynlp": EMORYNLP,
    "dailydialog": DAILYDIALOG,
    "m3ed": M3ED,
}
