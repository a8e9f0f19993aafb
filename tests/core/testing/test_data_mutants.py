"""Every check of datasets, extractors, metrics and formats catches one that breaks its promise."""

import wave

import pytest

from ercfw.testing import CHECKS, check_part, conformance

from .data_mutants import GOOD, MUTANTS, OfSound


@pytest.mark.parametrize("kind", GOOD)
def test_good_ones_pass_all(kind):
    report = conformance(kind, GOOD[kind])
    assert [outcome.status for outcome in report.outcomes] == ["passed"] * len(CHECKS[kind])


@pytest.mark.parametrize("kind", MUTANTS)
def test_every_check_has_a_mutant(kind):
    assert list(MUTANTS[kind]) == [check.__name__.replace("_", " ") for check in CHECKS[kind]]


@pytest.mark.filterwarnings("ignore:invalid value")  # a share of no utterance
@pytest.mark.parametrize(
    ("kind", "check", "mutant"),
    [(kind, check, mutant) for kind, checks in MUTANTS.items() for check, found in checks.items() for mutant in found],
)
def test_the_check_catches_it(kind, check, mutant):
    assert check in {outcome.check for outcome in check_part(kind, mutant).of("failed")}


def test_extractors_of_clips_need_one(tmp_path):
    skipped = check_part("extractor", OfSound).of("skipped")
    assert "pass a clip with conformance(..., clip=path)" in skipped[0].reason
    path = tmp_path / "clip.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(1600))
    assert not check_part("extractor", OfSound, clip=path).of("skipped")


def test_every_kind_has_checks():
    from ercfw.registry.catalog import KINDS

    assert set(CHECKS) == set(KINDS)
