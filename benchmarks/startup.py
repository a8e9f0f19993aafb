"""Measure how long the command line takes to start, compared with Python itself and with importing torch.

    python benchmarks/startup.py

Two more plugins are installed in a separate folder. Their modules import torch.
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
    "ercfw validate, one model": ["-m", "ercfw", "validate", "baselines/bc_lstm_meld"],
    "ercfw validate, all variants": ["-m", "ercfw", "validate", "multiemo_meld"],
}
AIMS = {"ercfw --help": "0.4 s", "ercfw ls": "2.5 s", "ercfw validate, one model": "2 s"}


def install(folder: Path, name: str) -> None:
    """Install a package as pip does: a module, and metadata with an entry point."""
    (folder / f"{name}.py").write_text(PLUGIN.replace("NAME", name))
    metadata = folder / f"ercfw_{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: ercfw-{name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[ercfw]\n{name} = {name}\n")


def main() -> None:
    arguments = bench.parse(bench.make_parser(__doc__, rounds=6))
    with tempfile.TemporaryDirectory() as temporary:
        for name in ("one", "two"):
            install(Path(temporary), name)
        environment = {**os.environ, "PYTHONPATH": temporary}
        listed = subprocess.run(
            [sys.executable, "-m", "ercfw", "ls", "fusion"], env=environment, capture_output=True, text=True, check=True
        )
        assert "one" in listed.stdout
        assert "two" in listed.stdout

        def run(command: list[str]) -> None:
            subprocess.run([sys.executable, *command], env=environment, capture_output=True, check=True)

        clocks = {name: bench.timed(lambda command=command: run(command)) for name, command in COMMANDS.items()}
        seconds = bench.medians(clocks, arguments.rounds)
    bench.print_seconds(seconds, *COMMANDS)
    for name, aim in AIMS.items():
        print(f"  {name}: {seconds[name]:.2f} s   (aim: {aim})")
    bench.print_ratio(seconds, "ercfw --help", "python")
    for name in ("ercfw ls", "ercfw plugins", "ercfw validate, one model", "ercfw validate, all variants"):
        bench.print_ratio(seconds, name, "import torch")


if __name__ == "__main__":
    main()
