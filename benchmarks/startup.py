"""How long the command line takes to start, against Python itself and against importing torch.

    python benchmarks/startup.py

Two further plugins are installed for it, in a folder of their own, whose modules import torch.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import bench

PLUGIN = """\
import torch

from ercfw import FusionBlock, hookimpl


class Mine(FusionBlock):
    \"\"\"Reads the first modality.\"\"\"

    def __init__(self, dims, info):
        super().__init__(dims, info)
        self.out_dim = next(iter(dims.values()))

    def forward(self, xs, inputs):
        return torch.as_tensor(next(iter(xs.values())))


@hookimpl
def provide_fusions():
    return {"NAME": Mine}
"""
COMMANDS = {
    "python": ["-c", "pass"],
    "import torch": ["-c", "import torch"],
    "ercfw --help": ["-m", "ercfw", "--help"],
    "ercfw ls": ["-m", "ercfw", "ls"],
    "ercfw plugins": ["-m", "ercfw", "plugins"],
    "ercfw validate": ["-m", "ercfw", "validate", "multiemo_meld"],
}
AIMS = {"ercfw --help": "0.4 s", "ercfw ls": "2.5 s"}


def install(folder: Path, name: str) -> None:
    """A package as pip leaves it: a module, and metadata with an entry point."""
    (folder / f"{name}.py").write_text(PLUGIN.replace("NAME", name))
    about = folder / f"ercfw_{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: ercfw-{name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[ercfw]\n{name} = {name}\n")


def main() -> None:
    said = bench.begin(bench.parser(__doc__, rounds=5))
    with tempfile.TemporaryDirectory() as temporary:
        for name in ("one", "two"):
            install(Path(temporary), name)
        environment = {**os.environ, "PYTHONPATH": temporary}
        listed = subprocess.run(
            [sys.executable, "-m", "ercfw", "ls", "fusion"], env=environment, capture_output=True, text=True, check=True
        )
        assert "one" in listed.stdout
        assert "two" in listed.stdout

        def run(words: list[str]) -> None:
            subprocess.run([sys.executable, *words], env=environment, capture_output=True, check=True)

        clocks = {name: bench.timed(lambda words=words: run(words)) for name, words in COMMANDS.items()}
        seconds = bench.medians(clocks, said.rounds + 1)
    bench.print_seconds(seconds, *COMMANDS)
    for name, aim in AIMS.items():
        print(f"  {name}: {seconds[name]:.2f} s   (aim: {aim})")
    bench.print_ratio(seconds, "ercfw --help", "python")
    for name in ("ercfw ls", "ercfw plugins", "ercfw validate"):
        bench.print_ratio(seconds, name, "import torch")


if __name__ == "__main__":
    main()
