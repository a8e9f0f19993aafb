"""Every part that ercfw ships passes the kit; how many checks of each kind there were is counted."""

import json
from collections import Counter

import numpy as np
import pytest

from ercfw.registry.catalog import load_catalog
from ercfw.testing import check_part

OURS = {"baselines", "basics", "datasets", "formats", "media", "multiemo"}
PARTS = [
    component
    for kind in ("encoder", "context", "fusion", "head", "loss", "metric", "format", "dataset")
    for component in load_catalog().components(kind)
    if component.plugin in OURS
]
ELSEWHERE = {"language-model"}
"""Needs a model's folder: tests/plugins/media/test_media_conformance.py."""
EXPECTED = {
    "encoder": 3, "context": 8, "fusion": 8, "head": 9, "loss": 24, "metric": 26, "format": 8, "dataset": 7,
}  # fmt: skip
SKIPPED = {
    "one modality": {"encoder": 3, "context": 8, "head": 9},
    "causal": {"encoder": 3, "context": 5, "fusion": 3, "head": 3},
    "explained": {"encoder": 3, "context": 7, "fusion": 6, "head": 9},
    "parameter groups": {"encoder": 3, "context": 8, "fusion": 7, "head": 9},
    "together": {"context": 7},
    "two processes": {"context": 2, "fusion": 1},
    "unlabelled rows": {"loss": 4},
    "scale is as declared": {"metric": 5},
    "short conversations": {"metric": 26},
    "goes out and in": {"format": 4},
    "streams are as declared": {},
}
"""How many parts of a kind a check skips."""
OF_ITS_OWN_CONTEXT = {
    "one finite number", "nothing labelled", "few rows", "large values", "each row its label", "any order",
    "finite differences", "any device",
}  # fmt: skip
"""The checks that mixup-cross-entropy skips, because it reads extras of the context mixup."""
SKIPPED |= {check: {"loss": 1} for check in OF_ITS_OWN_CONTEXT}
OPTIONAL = ("explained", "parameter groups")
"""Checks of methods that a part need not offer."""


def small_dailydialog(folder):
    """The simulated one has a hundred thousand utterances, whose checks take most of a minute."""
    folder.mkdir()
    for split in ("train", "validation", "test"):
        (folder / f"dialogues_{split}.txt").write_text("Why ? __eou__ It rains . __eou__\n" * 3)
        (folder / f"dialogues_emotion_{split}.txt").write_text("0 4 \n" * 3)
    np.save(folder / "text.npy", np.ones((18, 2), np.float32))
    return folder


def options_of(component, folder):
    """What has no default."""
    if component.name == "extra":
        return {"name": "penalty"}
    if component.name == "dailydialog":
        return {"root": small_dailydialog(folder / "dailydialog")}
    if component.name != "table":
        return {"conversations": 20} if component.name == "simulated" else {}
    lines = [
        "conversation,utterance,label,split",
        *(f"{s},{n},{'ab'[n]},{s}" for s in ("train", "dev", "test") for n in (0, 1)),
    ]
    (folder / "utterances.csv").write_text("\n".join([*lines, ""]))
    return {"root": folder}


def test_none_is_overlooked():
    assert Counter(component.kind for component in PARTS if component.name not in ELSEWHERE) == EXPECTED


@pytest.mark.slow
@pytest.mark.parametrize("kind", EXPECTED)
def test_all_of_a_kind_pass(kind, tmp_path):
    skipped = Counter()
    for component in PARTS:
        if component.kind == kind and component.name not in ELSEWHERE:
            report = check_part(
                kind, component.factory, options_of(component, tmp_path), slow=kind in ("context", "fusion")
            )
            assert not report.of("failed"), f"{component.name}\n{report}"
            skipped.update(outcome.check for outcome in report.of("skipped"))
    assert skipped == Counter(
        {check: of[kind] for check, of in SKIPPED.items() if kind in of} | brought_by_nobody(kind)
    )


def brought_by_nobody(kind):
    """The table of this test brings no streams."""
    return {"streams are as declared": 1} if kind == "dataset" else {}


def test_the_command(cli, tmp_path):
    result = cli("check", "fusion/gated-sum", "width=4", "--json")
    assert result.code == 0
    (report,) = json.loads(result.out)
    assert report["part"] == "fusion GatedSum"
    assert {outcome["status"] for outcome in report["outcomes"] if outcome["check"] not in OPTIONAL} == {"passed"}
    both = cli("check", "multiemo")
    assert "head MultiEMOHead: 14 checks ran, 0 failed, 3 skipped" in both.out
    assert "format MultiEmo: 3 checks ran, 0 failed, 0 skipped" in both.out


def test_the_command_on_a_file(cli, tmp_path):
    path = tmp_path / "wide.py"
    path.write_text('''
from ercfw import FusionBlock, hookimpl
class Wide(FusionBlock):
    """Says one width and gives another."""
    def __init__(self, dims, info):
        super().__init__(dims, info)
        self.out_dim = 3
    def forward(self, xs, inputs):
        return sum(x.mean(-1, keepdim=True) for x in xs.values())
@hookimpl
def provide_fusions():
    return {"wide": Wide}
''')
    result = cli("check", "wide", "--plugin", path)
    assert result.code == 1
    assert "failed  shapes: it returns a width of 1, but out_dim is 3" in result.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("gated",), "check gated: there is no such part..did you mean 'gated-sum'?"),
        (("fussion/sum",), "there is no kind 'fussion'..did you mean 'fusion'?"),
        (("fusion/gated",), "there is no fusion named 'gated'..did you mean 'gated-sum'?"),
        (("gated-sum", "widht=3"), "check gated-sum widht: there is no such key..did you mean 'width'?"),
        (
            ("metric/accuracy", "width=3"),
            "check metric/accuracy width: there is no such key..has no options",
        ),
        (("linear", "width=3"), "options apply to one part, but several have this name..encoder/linear, head/linear"),
        (("sum", "--plugin", "no.py"), "--plugin: there is no file no.py"),
    ],
)
def test_commands_that_cannot_be(cli, words, says):
    cli("check", *words).check(2, says)


@pytest.mark.slow
def test_as_tests_of_pytest(tmp_path):
    """In a process of its own: each check is a test, and an unknown part is an error."""
    import subprocess
    import sys

    def run(*parts):
        words = [word for part in parts for word in ("--ercfw-check", part)]
        command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    good = run("fusion/concat", "loss/soft-hgr")
    assert good.returncode == 0, good.stdout
    assert "24 passed, 3 skipped" in good.stdout
    assert "it reads no labels" in good.stdout
    bad = run("fusion/conact")
    assert bad.returncode == 4
    assert "did you mean 'concat'?" in bad.stderr
