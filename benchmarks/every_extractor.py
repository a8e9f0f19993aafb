"""Measure `ercfw extract` with every shipped extractor in one command, and the same command again from the cache.

    python benchmarks/every_extractor.py ../shared/data/meld_clips/dev --identity vladmandic-face-api-1.7.15.tgz

The clips are one conversation of two speakers with made-up texts. The first command starts with an empty cache, except
for the files of mpnet, and is run once. Without a folder, the benchmark uses a synthetic clip. Without the archive of
the npm package @vladmandic/face-api, the benchmark leaves out face-identity.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import bench
from media import write_clip

from ercfw import cache_folder

TEXT: dict[str, dict[str, object]] = {
    "minilm": {},
    "mpnet": {},
    "roberta": {"model": "mpnet", "before": 2},
    "tokens": {},
    "words": {},
    "trained-encoder": {"run": "runs/first/base/seed-0"},
}
CLIP: dict[str, dict[str, object]] = {
    "whisper": {},
    "prosody": {},
    "speaker-embedding": {},
    "opensmile": {},
    "face-expression": {},
    "face-identity": {},
    "visextnet": {"weights": "random"},
}
FEW = ("minilm", "tokens", "words", "trained-encoder", "whisper")
"""What is extracted to check that the benchmark runs."""
ENCODERS = {"tokens": "language-model", "words": "identity"}
"""Encoders of what is no vector; that of all others is a linear layer."""
AIM = "3 s"
RECIPE = """
schema = 1
title = "TITLE"
[data]
use = "table"
root = "."
modalities = MODALITIES
[encoder.default]
use = "linear"
width = 8
[fusion]
use = "concat"
[head.emotion]
use = "linear"
[loss.cross-entropy]
[train]
epochs = 1
device = "cpu"
"""


def write_recipe(path: Path, modalities: Mapping[str, Mapping[str, object]]) -> None:
    """Write a recipe whose modalities have the names of their extractors."""
    text = RECIPE.replace("TITLE", path.stem).replace("MODALITIES", json.dumps(list(modalities)))
    for name, options in modalities.items():
        text += f"[features.{name}]\n"
        text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in {"use": name, **options}.items())
        if name in ENCODERS:
            text += f'[encoder.{name}]\nuse = "{ENCODERS[name]}"\n'
    path.write_text(text)


def write_table(folder: Path, clips: list[Path]) -> None:
    rows = [f"train,talk,{n},{'AB'[n % 2]},What is number {n}?,joy,{clip.resolve()}" for n, clip in enumerate(clips)]
    rows += [f"{split},{split},0,A,Some words.,joy," for split in ("dev", "test")]
    header = "split,conversation,utterance,speaker,text,label,clip"
    (folder / "utterances.csv").write_text("\n".join([header, *rows]) + "\n")


def measure(folder: Path, clips: list[Path], arguments: argparse.Namespace) -> None:
    write_table(folder, clips)
    chosen = {name: options for name, options in {**TEXT, **CLIP}.items() if not arguments.quick or name in FEW}
    if arguments.identity is None:
        chosen.pop("face-identity", None)
    else:
        chosen["face-identity"] = {"identity": str(arguments.identity.resolve())}
    write_recipe(folder / "first.toml", {"minilm": {}})
    write_recipe(folder / "every.toml", chosen)
    cache = folder / "cache"
    cache.mkdir()
    (cache_folder() / "models").mkdir(parents=True, exist_ok=True)
    (cache / "models").symlink_to(cache_folder() / "models")
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if arguments.device == "cpu" else {}  # extractors use any GPU that is visible
    environment = {**os.environ, **hidden, "ERCFW_CACHE": str(cache)}

    def python(*words: str, cache: Path = cache) -> None:
        here = {**environment, "ERCFW_CACHE": str(cache)}
        subprocess.run([sys.executable, *words], cwd=folder, env=here, capture_output=True, check=True)

    python("-m", "ercfw", "run", "first.toml", "--quiet", cache=folder / "first")
    extract = ("-m", "ercfw", "extract", "every.toml")
    began = time.perf_counter()
    python(*extract)
    made = {"from an empty cache": time.perf_counter() - began}
    commands = {
        "from the cache": extract,
        "ercfw --version": ("-m", "ercfw", "--version"),
        "import torch": ("-c", "import torch"),
    }
    clocks = {name: bench.timed(lambda words=words: python(*words)) for name, words in commands.items()}
    seconds = {**made, **bench.medians(clocks, arguments.rounds)}
    print(f"{len(clips)} clips, {len(chosen)} extractors: {', '.join(chosen)}")
    bench.print_seconds(seconds, *seconds)
    print(f"  from the cache: {seconds['from the cache']:.2f} s   (aim: {AIM})")
    bench.print_ratio(seconds, "from an empty cache", "from the cache")
    bench.print_ratio(seconds, "from the cache", "import torch")


def main() -> None:
    parser = bench.make_parser(__doc__, rounds=6)
    parser.add_argument("folder", nargs="?", type=Path, help="a folder of clips; by default, a synthetic clip")
    parser.add_argument("--identity", type=Path, help="the archive of @vladmandic/face-api; by default, no identity")
    arguments = bench.parse(parser)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        given = sorted(arguments.folder.iterdir()) if arguments.folder else [write_clip(folder).path]
        measure(folder, given, arguments)


if __name__ == "__main__":
    main()
