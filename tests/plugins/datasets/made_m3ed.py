"""Made annotations in the form of M3ED, and its lists of splits."""

import json
from pathlib import Path

import pytest

from ercfw.errors import InputError
from ercfw_datasets.m3ed import M3ed

SERIES = {"train": "chuntian", "val": "xiatian", "test": "qiutian"}


def turn(text="你好", speaker="A", start="00:00:00:01", end="00:00:01:04", main="Neutral", mixed=None) -> dict:
    emotions = {"EmoAnnotator1": main, "final_mul_emo": main if mixed is None else mixed, "final_main_emo": main}
    return {"StartTime": start, "EndTime": end, "Text": text, "Speaker": speaker, "EmoAnnotation": emotions}


def dialogue(name, *turns, names=("王小明", "李小红")) -> dict:
    about = {letter: {"Name": of, "Age": "mid", "OtherName": []} for letter, of in zip("AB", names, strict=True)}
    return {"SpeakerInfo": about, "Dialog": {f"{name}_{number}": each for number, each in enumerate(turns, 1)}}


def write_m3ed(root: Path, content, **lists) -> Path:
    """Write the annotations and the lists of the splits to a folder, and return it."""
    (root / "splitInfo").mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False, indent=1).encode()
    (root / "annotation.json").write_bytes(text)
    for split, name in SERIES.items():
        (root / "splitInfo" / f"movie_list_{split}.txt").write_text(lists.get(split, name))
    return root


def mistakes_of(root, **options) -> list[str]:
    with pytest.raises(InputError) as raised:
        M3ed(root=root, **options)
    return [str(mistake).replace(f"{root}/", "") for mistake in raised.value.mistakes]
