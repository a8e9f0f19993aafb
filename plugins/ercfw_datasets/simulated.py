"""Simulated conversations in the shape of a public corpus, for experiments without its files."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ercfw import SPLITS, FeatureTable, InputError, Provenance, Size, UtteranceId, did_you_mean
from ercfw_datasets.annotations import TARGET, Annotations, Record, to_annotated
from ercfw_datasets.class_choice import ClassChoice, choose_classes
from ercfw_datasets.corpus import Corpus
from ercfw_datasets.iemocap_labels import iemocap_classes
from ercfw_datasets.shapes import SHAPES, WIDTHS, Shape
from ercfw_datasets.simulated_targets import SimulatedTarget, with_simulated_targets

Seed = Annotated[int, Field(ge=0)]
Signal = Annotated[float, Field(ge=0)]
Numbers = NDArray[np.int64]

SIGNAL: Mapping[str, float] = {"text": 1.2, "audio": 0.8, "visual": 0.6}
"""Chosen so that a linear classifier scores about as well as on real streams, and best on text."""

OTHER_SIGNAL = 0.8
AMBIENT = 0.5
USUAL_WORDS = 8
TELLING_WORDS = 0.15
WORDS_OF_A_CLASS = 20


class Simulated(Corpus):
    """Simulated conversations; everything that a run on them writes is stamped ``SIMULATED``.

    Lengths, speakers, class shares and the persistence of emotions follow the published numbers of the corpus
    (``ercfw_datasets.shapes``), so context helps. Every modality carries the class under separate noise, so each adds
    to the others. Texts carry no emotion. DailyDialog has texts only.

    Options:
        like: the corpus.
        conversations: number of train conversations, to make the dataset smaller or larger; dev and test change in
            proportion.
        labels: the class for a label of the corpus, to rename or merge classes (``disgust = "anger"``), or ``""`` to
            leave its utterances out of their conversations.
        classes: the classes in order; utterances of other classes are left out of their conversations, with a warning.
        widths: the width of each modality's vectors; may also name further modalities.
        signal: the distance between the classes of each modality, in standard deviations of its noise.
        targets: targets besides, or in place of, ``emotion``: ``sentiment`` (three classes), ``affect`` (the numbers
            valence, activation and dominance), ``moods`` (several labels at once), ``votes`` (shares of annotators).
        seed: seed of the conversations and their streams; the seed of a run does not change them.

    Raises:
        InputError: if ``signal`` names a modality without a width, or ``labels`` or ``classes`` name an unknown class.
    """

    def __init__(
        self,
        *,
        like: Literal["meld", "iemocap", "emorynlp", "dailydialog", "m3ed"] = "meld",
        conversations: Size | None = None,
        labels: dict[str, str] | None = None,
        classes: tuple[str, ...] | None = None,
        widths: dict[str, Size] | None = None,
        signal: dict[str, Signal] | None = None,
        targets: Annotated[tuple[SimulatedTarget, ...], Field(min_length=1)] | None = None,
        seed: Seed = 0,
    ) -> None:
        shape = SHAPES[like]
        choice = (
            iemocap_classes(labels, classes) if like == "iemocap" else choose_classes(shape.classes, labels, classes)
        )
        super().__init__(
            *simulate(
                shape,
                choice,
                seed=seed,
                widths=widths,
                signal=signal,
                conversations=conversations,
                targets=targets,
            )
        )


class SimulatedStreams:
    """Streams drawn from the classes.

    The hidden vector of an utterance of class c is ``signal * e_c + noise``, with one entry per class. A stream is a
    fixed random linear map of it to D numbers, with a little noise on each. Tokens are drawn as often as words occur
    (Zipf's law); some of an utterance's tokens come from a list of its class.

    Args:
        ids: R utterances.
        classes: ``[R]``, the class of each utterance.
        widths: modality -> D of ``features``.
        signal: modality -> its signal.
        seed: seed of the streams.
    """

    def __init__(
        self,
        ids: tuple[UtteranceId, ...],
        classes: Numbers,
        widths: Mapping[str, int],
        signal: Mapping[str, float],
        seed: int,
    ) -> None:
        self.modalities = tuple(widths)
        self.files: Mapping[str, str] = {}
        self._ids, self._classes = ids, classes
        self._widths, self._signal, self._seed = widths, signal, seed

    def features(self, modality: str) -> FeatureTable:
        """Return the stream in its own width.

        Raises:
            InputError: if there is no such modality.
        """
        if modality not in self._widths:
            raise InputError.at(
                f"[data] modalities: {modality}",
                "there is no such simulated stream",
                f"set its width in [data] widths; {did_you_mean(modality, self._widths)}",
            )
        return self.draw(modality, self._widths[modality])

    def draw(self, modality: str, width: int, tokens: bool = False) -> FeatureTable:
        """Return the stream in any width, or as tokens from a vocabulary of that size."""
        rng = np.random.default_rng([self._seed, zlib.crc32(modality.encode())])
        if tokens:
            return self._draw_tokens(modality, width, rng)
        rows, places = len(self._ids), int(self._classes.max()) + 1
        hidden = rng.standard_normal((rows, places), dtype=np.float32)  # [R, C]
        hidden[np.arange(rows), self._classes] += self._signal.get(modality, OTHER_SIGNAL)
        seen_as = rng.standard_normal((places, width), dtype=np.float32) / np.sqrt(places, dtype=np.float32)
        values = rng.standard_normal((rows, width), dtype=np.float32)  # [R, D]
        values *= AMBIENT
        values += hidden @ seen_as
        return self._table(modality, width, values)

    def _draw_tokens(self, modality: str, kinds: int, rng: np.random.Generator) -> FeatureTable:
        lengths = 1 + rng.poisson(USUAL_WORDS - 1, len(self._ids))  # [R]
        telling = rng.random(int(lengths.sum())) < TELLING_WORDS  # [F]
        plain = (rng.zipf(1.5, len(telling)) - 1) % kinds  # [F]
        classes = int(self._classes.max()) + 1
        own = rng.integers(kinds, size=(classes, WORDS_OF_A_CLASS))  # [C, words]
        of_class = own[np.repeat(self._classes, lengths), rng.integers(WORDS_OF_A_CLASS, size=len(telling))]  # [F]
        return self._table(modality, kinds, np.where(telling, of_class, plain), lengths)

    def _table(self, modality: str, width: int, values: NDArray[Any], lengths: Numbers | None = None) -> FeatureTable:
        return FeatureTable(
            ids=self._ids,
            values=values,
            present=np.ones(len(self._ids), dtype=bool),
            lengths=lengths,
            provenance={"simulated": {"modality": modality, "width": width, "seed": self._seed}},
            fitted_on="nothing",
            vocabulary=None if lengths is None else width,
            where=f"simulated {modality}",
        )


def simulate(
    shape: Shape,
    choice: ClassChoice,
    *,
    seed: int,
    widths: Mapping[str, int] | None = None,
    signal: Mapping[str, float] | None = None,
    conversations: int | None = None,
    targets: Sequence[SimulatedTarget] | None = None,
    instead_of: str = "",
) -> tuple[Annotations, SimulatedStreams]:
    """Return conversations of this shape and these classes, and their streams.

    Raises:
        InputError: if ``signal`` names a modality without a width.
    """
    widths = {**{modality: WIDTHS[modality] for modality in shape.modalities}, **(widths or {})}
    for modality in signal or {}:
        if modality not in widths:
            raise InputError.at(
                f"[data] signal: {modality}", "there is no such modality", did_you_mean(modality, widths)
            )
    sizes = _in_proportion(shape.conversations, conversations)
    records = _draw_records(shape, sizes, np.random.default_rng(seed))
    split_of = {record.id[0]: record.id[0].split("/")[0] for record in records}
    ids = tuple(record.id for record in records)
    annotations = Annotations(
        conversations=to_annotated(choice.of(records), split_of, choice.classes),
        targets={TARGET: choice.classes},
        rows=ids,
        source_train=frozenset(id for id in ids if split_of[id[0]] == "train"),
        provenance=Provenance(
            f"simulated conversations in the shape of {shape.corpus}" + (f" ({instead_of})" if instead_of else ""),
            simulated=True,
        ),
    )
    emotions = {record.id: record.label or "" for record in records}
    annotations = with_simulated_targets(annotations, emotions, targets, seed)
    classes = np.array([shape.classes.index(emotion) for emotion in emotions.values()], dtype=np.int64)
    return annotations, SimulatedStreams(ids, classes, widths, {**SIGNAL, **(signal or {})}, seed)


def _in_proportion(sizes: tuple[int, int, int], train: int | None) -> tuple[int, ...]:
    return sizes if train is None else tuple(max(1, round(size * train / sizes[0])) for size in sizes)


def _draw_records(shape: Shape, sizes: tuple[int, ...], rng: np.random.Generator) -> list[Record]:
    lengths = np.concatenate([_spread(shape.lengths, size, rng) for size in sizes])  # [B]
    speakers = _draw_speakers(shape, lengths, rng)  # [B, U]
    classes = _draw_classes(shape, speakers, rng)  # [B, U]
    names = [f"{split}/{place}" for split, size in zip(SPLITS, sizes, strict=True) for place in range(size)]
    return [
        Record(
            where="simulated",
            id=(name, str(place)),
            speaker=f"speaker {speakers[row, place]}",
            text=f"Simulated utterance {place} of {name}.",
            label=shape.classes[classes[row, place]],
        )
        for row, name in enumerate(names)
        for place in range(lengths[row])
    ]


def _spread(histogram: Mapping[int, int], size: int, rng: np.random.Generator) -> Numbers:
    """Return ``[size]`` values at even steps through the histogram, shuffled, so that its shape is exact."""
    values = np.repeat(list(histogram), list(histogram.values()))
    places = ((np.arange(size) + 0.5) / size * len(values)).astype(np.int64)
    return rng.permutation(values[places]).astype(np.int64)


def _draw_speakers(shape: Shape, lengths: Numbers, rng: np.random.Generator) -> Numbers:
    """Return who speaks, ``[B, U]``; longer conversations tend to have more speakers."""
    casts = np.sort(_spread(shape.casts, len(lengths), rng))
    order = np.argsort(lengths + rng.normal(0, lengths.std() + 1e-9, len(lengths)))
    cast = np.empty_like(lengths)
    cast[order] = casts
    speakers = np.zeros((len(lengths), int(lengths.max())), dtype=np.int64)
    for place in range(1, speakers.shape[1]):
        step = 1 + np.floor(rng.random(len(lengths)) * (cast - 1)).astype(np.int64)  # to another speaker
        moved = (speakers[:, place - 1] + np.minimum(step, cast - 1)) % cast
        stays = rng.random(len(lengths)) < shape.stay
        speakers[:, place] = np.where(stays, speakers[:, place - 1], moved)
    return speakers


def _draw_classes(shape: Shape, speakers: Numbers, rng: np.random.Generator) -> Numbers:
    """Return the classes ``[B, U]``: the speaker's own last one, the last one of anybody, or one drawn by share."""
    rows = np.arange(len(speakers))
    share = np.array(shape.counts) / sum(shape.counts)
    classes = rng.choice(len(share), size=speakers.shape, p=share)
    own = np.full((len(speakers), int(speakers.max()) + 1), -1)
    for place in range(speakers.shape[1]):
        speaker, draw = speakers[:, place], rng.random(len(speakers))
        last_own = own[rows, speaker]
        keeps = (draw < shape.inertia) & (last_own >= 0)
        catches = (draw >= shape.inertia) & (draw < shape.inertia + shape.contagion) & (place > 0)
        classes[:, place] = np.select([keeps, catches], [last_own, classes[:, place - 1]], classes[:, place])
        own[rows, speaker] = classes[:, place]
    return classes
