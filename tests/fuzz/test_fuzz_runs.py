"""Runs' folders: files that somebody has changed before the same command is given again."""

import json
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

RUN = Path("runs/tiny/base/seed-0")
SUFFIXES = (".json", ".jsonl", ".txt", ".toml", ".safetensors")
WAYS = [[], ["--json"], ["--resume"], ["--force"], ["--seeds", "0,1"]]


@pytest.fixture
def recipe(cli, tiny_recipe, once, monkeypatch):
    """A recipe, what two runs of it have left in ``done`` at their end, and in ``stopped`` just before."""
    monkeypatch.setattr("ercfw.results.environment._revision", lambda: None)
    path = tiny_recipe("save_seconds = 1000")

    def run():
        with monkeypatch.context() as patch:
            patch.setattr("ercfw.results.run_folder.RunFolder.finish", lambda *_: None)
            assert cli("run", path, "--seeds", "0,1").code == 0
        shutil.copytree("runs", "stopped")
        assert cli("run", path, "--seeds", "0,1", "--resume").code == 0
        shutil.copytree("runs", "done")

    once(run)
    return path


FOUND = {
    "key.txt": b"\xff",
    "metrics.json": b"[" * 100_000,
    "metrics.json, scores": b'{"scores": {"dev": 3}}',
    "metrics.json, title": b'{"scores": {}, "title": 3}',
    "environment.json": b'{"data": 3}',
    "environment.json, files": b'{"data": {"source": "x", "simulated": true, "files": ["a"]}}',
    "environment.json, name": b'{"data": {"source": "x", "simulated": true, "files": {"%s": "0"}}}' % (b"x" * 5000),
}


@pytest.mark.parametrize("name", FOUND)
def test_found(name, recipe, bearable, cli):
    path = RUN / name.split(",")[0]
    path.write_bytes(FOUND[name])
    ended = []
    bearable(lambda: ended.append(cli("run", recipe)))
    if path.name == "key.txt":  # as one of another recipe would be
        assert ended[0].code == 0, ended[0].err
    else:
        ended[0].check(2, f"{RUN}..--force")


def test_two_thousand_cases():
    """Each test is held to its own number by ``bearable``."""
    texts = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    declared = [int(number) for text in texts for number in re.findall(r"^@pytest\.mark\.cases\((\d+)\)", text, re.M)]
    assert sum(declared) >= 2000


WORDS = [
    b"\xff", b"\0", b"[" * 5000, b"{" * 5000, b"9" * 5000, b"\x1b[2J", b"NaN", b"1e999", b"x" * 100_000, b'"\\ud800"',
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.cases(40)
@given(data=st.data(), state=st.sampled_from(["done", "stopped"]), way=st.sampled_from(WAYS))
def test_folders(data, state, way, recipe, cli, bearable, damaged, changed, anything):
    shutil.rmtree("runs")
    shutil.copytree(state, "runs")
    path = data.draw(st.sampled_from(sorted(path for path in RUN.iterdir() if path.suffix in SUFFIXES)))
    content = path.read_bytes()
    if path.suffix == ".json" and data.draw(st.booleans()):
        content = json.dumps(data.draw(changed(json.loads(content), anything, st.text(max_size=3)))).encode()
    else:
        content = data.draw(damaged(content, WORDS))
    path.write_bytes(content)
    ended = []
    bearable(lambda: ended.append(cli("run", recipe, *way)))
    assert (ended[0].code == 0) == (not ended[0].errors)
    assert len(ended[0].err) < 10_000
