"""Speakers' names at the beginning of a caption's lines, in the ways in which captions write them."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

OFTEN = 2
"""Minimum number of lines that must begin with a name in small letters for it to count as a speaker's name."""
FEW = 5
"""Minimum number of lines from which it can be seen that all captions are in capitals."""
LONGEST_CASELESS = 8
"""Maximum number of characters of a name in a script without capitals that counts at its first occurrence."""
_TURN = re.compile(r"((?:>{2,}|»)\s*|[-‐‑–](?!-)\s*|[—−•]\s+)+(?=\S)")
ARROWS = (">", "»")
_NEXT_TURN = re.compile(r"(?<=\S)\s+(?=>{2,}\s*\S)")
_ASIDE = r"(?:\s*[(\[（][^)\]）]{0,40}[)\]）])?"
_BEFORE_COLON = re.compile(rf"([^\W\d_][^:：!?,;()\[\]<>（）【】]{{0,39}}?){_ASIDE}\s*(?::(?![/\d:])|：)\s*")
_IN_BRACKETS = re.compile(r"[\[(（【［]\s*([^\W\d_][^\[\]()（）【】［］:：!?,;]{0,39}?)\s*[\])）】］]\s*([:：]?)\s*")
_ABBREVIATION = re.compile(
    r"(?:[^\W\d_]\.)+[^\W\d_]?|(?:mrs?|ms|mx|dr|st|prof|sgt|lt|capt|cpt|col|gen|rev|sen|gov|det|insp|jr|sr|mme|mlle)\.",
    re.IGNORECASE,
)
_NO_NAMES = frozenset({
    "note", "notes", "warning", "attention", "important", "remember", "caution", "example", "question", "answer",
    "update", "subject", "date", "time", "place", "chapter", "part", "episode", "scene", "act", "step", "lesson", "day",
    "figure", "table", "translation", "subtitles", "captions", "ps", "re",
    "注意", "注", "例", "例如", "比如", "备注", "警告", "提示", "问题", "结果", "原因", "時間", "結果", "주의", "참고",
})  # fmt: skip
"""Words before a colon that introduce a text and do not name its speaker."""
_SAYING = "说說道是如下即为為曰"
"""Last characters of Chinese clauses that introduce a text: 'he says', 'the answer is', 'as follows'."""
_SOUND = re.compile(r"(?i).*(?:s|ing|ed|ly)|music|applause|laughter|silence|inaudible|indistinct|crosstalk|chatter")
"""Descriptions of sounds, which captions also write in brackets: LAUGHS, MUSIC PLAYING, APPLAUSE."""
_MANNER = frozenset({"in", "on", "over", "with", "to", "from", "off", "through", "speaking", "both", "all"})


@dataclass(frozen=True)
class Spoken:
    """Lines of one cue, without the marks and names at their beginnings.

    Attributes:
        speaker: the name at the beginning; empty if there is none.
        text: the words.
        turns: the number of lines at which somebody begins to speak, as marks and names show.
    """

    speaker: str
    text: str
    turns: int


@dataclass(frozen=True)
class _Line:
    """Line of a cue: the mark of a turn, a possible name, whether brackets alone show it, and the rest."""

    mark: str
    name: str
    bracketed: bool
    whole: str
    rest: str


def find_speakers(cues: Sequence[Sequence[str]], voices: Iterable[str]) -> list[Spoken]:
    """Find the speaker of each cue.

    ``ANN: ...`` counts if the name is in capitals and the captions are not, ``Ann: ...`` if at least two lines begin
    with it, and ``>> Ann: ...`` always. ``[ANN] ...`` counts if the brackets do not describe a sound, or if the name
    is known from other lines. A name may be followed by a remark in brackets. Its spelling is that of its first line.

    Args:
        cues: the lines of each cue, without tags.
        voices: names that tags give to cues.
    """
    split = [[part for line in lines for part in _NEXT_TURN.split(line)] for lines in cues]
    parsed = [[_parse(line, last=n == len(lines)) for n, line in enumerate(lines, 1)] for lines in split]
    judge = _Judge([line for lines in parsed for line in lines], voices)
    return [_spoken(lines, judge) for lines in parsed]


class _Judge:
    """Decides which possible names are names."""

    def __init__(self, lines: Sequence[_Line], voices: Iterable[str]) -> None:
        self._times = Counter(line.name.casefold() for line in lines if line.name)
        cased = [line.rest for line in lines if line.rest.upper() != line.rest.lower()]
        self._all_capitals = len(cased) >= FEW and 2 * sum(map(str.isupper, cased)) > len(cased)
        self._spelling = {voice.casefold(): voice for voice in voices}
        for line in lines:
            if line.name and not line.bracketed and self._is_before_colon(line):
                self._spelling.setdefault(line.name.casefold(), line.name)
        for line in lines:
            if line.bracketed and self._is_in_brackets(line.name):
                self._spelling.setdefault(line.name.casefold(), line.name)

    def name_of(self, line: _Line) -> str:
        """Return the speaker that a line names; empty if it names none."""
        return self._spelling.get(line.name.casefold(), "")

    def _is_before_colon(self, line: _Line) -> bool:
        name = line.name
        words = name.split()
        if words[0].casefold() in _NO_NAMES:
            return False
        if self._times[name.casefold()] >= OFTEN or (name.isupper() and not self._all_capitals):
            return True
        if name.upper() == name.lower():  # no script with capitals
            return len(name) <= LONGEST_CASELESS and name[-1] not in _SAYING
        return line.mark.startswith(ARROWS) and all(word[0].isupper() or not word[0].isalpha() for word in words)

    def _is_in_brackets(self, name: str) -> bool:
        if _SOUND.fullmatch(name) or name.split()[0].casefold() in _MANNER | _NO_NAMES or name[0].islower():
            return False
        return self._times[name.casefold()] >= OFTEN or (name.isupper() and not self._all_capitals)


def _parse(line: str, last: bool) -> _Line:
    """Split a line; a name without words after it is one only if another line follows."""
    line = line.strip()
    turn = _TURN.match(line)
    mark, whole = (turn[0], line[turn.end() :]) if turn else ("", line)
    bracket = _IN_BRACKETS.match(whole)
    found = bracket or _BEFORE_COLON.match(whole)
    if found is None or (last and found.end() == len(whole)) or not _may_be_name(found[1]):
        return _Line(mark, "", False, whole, whole)
    name = " ".join(found[1].split())
    return _Line(mark, name, bracket is not None and not bracket[2], whole, whole[found.end() :])


def _may_be_name(name: str) -> bool:
    """Return whether every full stop ends an abbreviation, such as MR. or J.R."""
    return all(_ABBREVIATION.fullmatch(word) for word in name.split() if "." in word)


def _spoken(lines: Sequence[_Line], judge: _Judge) -> Spoken:
    names = [judge.name_of(line) if line.name else "" for line in lines]
    arrows = [line.mark.startswith(ARROWS) for line in lines]
    turns = [bool(line.mark or name) for line, name in zip(lines, names, strict=True)]
    # Without a name, the dashes of a dialogue are all that shows who says what, so they stay.
    keep_dashes = sum(turns) > 1 and not any(names)
    words = []
    for line, name, arrow in zip(lines, names, arrows, strict=True):
        dash = line.mark if keep_dashes and not arrow else ""
        words.append(dash + (line.rest if name else line.whole))
    spoke_before = not turns[0] and (any(names) or any(arrows))
    return Spoken(names[0], " ".join(" ".join(words).split()), sum(turns) + spoke_before)
