"""Datasets, extractors, metrics and formats that each break one promise."""

import random
from dataclasses import replace

import numpy as np

from ercfw import Broken, Dataset, Extractor, FeatureTable, FileFormat, InputError, Provenance
from ercfw.testing.fixtures import CLASSES, make_conversations

from . import metric_mutants


class GoodData(Dataset):
    """Made up.

    Options:
        seed: of it.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.targets = {"emotion": CLASSES}
        self.modalities = ("text", "sound")
        self.provenance = Provenance("made up", simulated=True)
        self._seed = seed

    def split(self, name):
        made = make_conversations({"text": "vector"}, seed=[self._seed, len(name)][-1])
        return [replace(c, id=f"{name}/{c.id}", split=name) for c in made]

    def features(self, modality):
        ids = tuple(id for name in ("train", "dev", "test") for c in self.split(name) for id in c.ids)
        return FeatureTable(ids, np.ones((len(ids), 2), "f4"), np.ones(len(ids), bool))


class UndocumentedData(GoodData):
    """Nothing."""

    def __init__(self, *, secret: int = 0) -> None:
        super().__init__()


class Overlapping(GoodData):
    def split(self, name):
        return [replace(c, id=c.id.partition("/")[2]) for c in super().split(name)]


class OfAnotherSplit(GoodData):
    def split(self, name):
        return [replace(c, split="train") for c in super().split(name)]


class UnknownClass(GoodData):
    def split(self, name):
        return [replace(c, labels={"emotion": c.labels["emotion"] + 4}) for c in super().split(name)]


class OtherTargets(GoodData):
    def split(self, name):
        return [replace(c, labels={"mood": c.labels["emotion"]}) for c in super().split(name)]


class FewerSpeakers(GoodData):
    def split(self, name):
        return [replace(c, speakers=c.speakers[1:]) for c in super().split(name)]


class FewerCues(GoodData):
    def split(self, name):
        return [replace(c, cues=("loud",) * (len(c) - 1)) for c in super().split(name)]


class LacksRows(GoodData):
    def features(self, modality):
        table = super().features(modality)
        return FeatureTable(table.ids[1:], table.values[1:], table.present[1:])


class Ragged(GoodData):
    def split(self, name):
        found = super().split(name)
        stream = found[0].streams["text"]
        return [found[0].with_streams({"text": replace(stream, values=stream.values[:, 1:])}), *found[1:]]


class Shuffled(GoodData):
    def split(self, name):
        found = super().split(name)
        random.SystemRandom().shuffle(found)
        return found * 1


class GoodExtractor(Extractor):
    """How long a text is.

    Options:
        scale: its unit.
    """

    reads = "text"
    dim = 1

    def __init__(self, *, scale: float = 1.0) -> None:
        self._scale = scale

    @property
    def fingerprint(self):
        return f"length {self._scale}"

    def extract(self, conversation):
        return [np.array([len(text) * self._scale], np.float32) if text else None for text in conversation.texts]


class UndocumentedExtractor(GoodExtractor):
    """Nothing."""

    def __init__(self, *, secret: int = 0) -> None:
        super().__init__()


class OtherWidth(GoodExtractor):
    dim = 2


class OtherKind(GoodExtractor):
    kind = "frames"


class OtherType(GoodExtractor):
    def extract(self, conversation):
        return [array if array is None else array.astype(float) for array in super().extract(conversation)]


class ZerosForNothing(GoodExtractor):
    def extract(self, conversation):
        return [np.zeros(1, np.float32) if array is None else array for array in super().extract(conversation)]


class Fewer(GoodExtractor):
    def extract(self, conversation):
        return super().extract(conversation)[1:]


class ReadsNothing(GoodExtractor):
    def extract(self, conversation):
        return [Broken("no ears") for _ in conversation.texts]


class SelectsOther(GoodExtractor):
    def source(self):
        return GoodExtractor(scale=2.0)

    def select(self, features):
        return features


class SourceOfMore(GoodExtractor):
    def source(self):
        return ZerosForNothing()

    def select(self, features):
        return features


class OwnFingerprint(GoodExtractor):
    @property
    def fingerprint(self):
        return str(id(self))


class OwnValues(GoodExtractor):
    def extract(self, conversation):
        return [
            array if array is None else array + np.float32(random.random()) for array in super().extract(conversation)
        ]


class OfSound(GoodExtractor):
    reads = "audio"

    def extract(self, conversation):
        return [None if clip is None else np.ones(1, np.float32) for clip in conversation.clips]


class GoodFormat(FileFormat):
    """A numpy file."""

    slots = ("text",)

    def read(self, path):
        try:
            with np.load(path / "all.npz" if path.is_dir() else path, allow_pickle=True) as held:
                return held["all"].item()
        except Exception as error:
            raise InputError.at(path, "is none of ours") from error

    def write(self, published, folder):
        np.savez(folder / "all.npz", all=np.array(published, dtype=object))
        return [folder / "all.npz"]


class UndocumentedFormat(GoodFormat):
    """Nothing."""

    def __init__(self, *, secret: int = 0) -> None:
        super().__init__()


class OtherLabels(GoodFormat):
    def read(self, path):
        found = super().read(path)
        return replace(found, labels={key: [n + 1 for n in labels] for key, labels in found.labels.items()})


class OtherOrder(GoodFormat):
    def read(self, path):
        found = super().read(path)
        return replace(found, lists={"train": found.lists["test"], "test": found.lists["train"]})


class OtherValues(GoodFormat):
    def read(self, path):
        found = super().read(path)
        return replace(found, streams={slot: {k: v * 2 for k, v in of.items()} for slot, of in found.streams.items()})


class RaisesAnything(GoodFormat):
    def read(self, path):
        with np.load(path / "all.npz" if path.is_dir() else path, allow_pickle=True) as held:
            return held["all"].item()


class ReadsAnything(GoodFormat):
    def read(self, path):
        try:
            return super().read(path)
        except InputError:
            return None


MUTANTS = {
    "dataset": {
        "options are documented": [UndocumentedData],
        "splits are apart": [Overlapping, OfAnotherSplit],
        "labels are classes": [UnknownClass, OtherTargets, FewerSpeakers, FewerCues],
        "streams are as declared": [LacksRows, Ragged],
        "same dataset twice": [Shuffled],
    },
    "extractor": {
        "options are documented": [UndocumentedExtractor],
        "gives what it promises": [OtherWidth, OtherKind, OtherType, ZerosForNothing, Fewer, ReadsNothing],
        "same features twice": [OwnFingerprint, OwnValues],
        "selects from its source": [SelectsOther, SourceOfMore],
    },
    "metric": metric_mutants.MUTANTS,
    "format": {
        "options are documented": [UndocumentedFormat],
        "goes out and in": [OtherLabels, OtherOrder, OtherValues],
        "other files are refused": [RaisesAnything, ReadsAnything],
    },
}
GOOD = {"dataset": GoodData, "extractor": GoodExtractor, "metric": metric_mutants.AfterItself, "format": GoodFormat}
