"""Utterances that are made to lack modalities: which, where, and that nothing of them is left."""

import json
import tomllib

import numpy as np
import pytest

from ercfw.contract.conversation import ConversationStream
from ercfw.contract.stored_streams import gather, presence
from ercfw.data.load import load_data, read_dataset
from ercfw.data.missing_modalities import keep_mask, mask_stream
from ercfw.experiment.plan import Selection, plan_jobs
from ercfw.recipe.missing_modalities import missing_variants
from ercfw.recipe.recipe_file import read_toml
from ercfw.recipe.schema import Missing

IDS = [(f"train/{number // 10}", str(number % 10)) for number in range(20_000)]


def missing(**settings):
    return Missing.model_validate_json(json.dumps(settings))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.7])
def test_the_share_is_met_and_modalities_and_seeds_are_apart(share):
    text, audio = (keep_mask(IDS, name, missing(share=share)) for name in ("text", "audio"))
    other = keep_mask(IDS, "text", missing(share=share, seed=1))
    assert (~text).mean() == pytest.approx(share, abs=0.012)  # four deviations
    assert (~text & ~audio).mean() == pytest.approx(share**2, abs=0.012)
    assert (~text & ~other).mean() == pytest.approx(share**2, abs=0.012)


def test_the_order_does_not_matter_and_more_take_away_what_less_did():
    few, many = (keep_mask(IDS, "text", missing(share=share)) for share in (0.2, 0.5))
    assert not (many & ~few).any()
    assert (keep_mask(IDS[::-1], "text", missing(share=0.2))[::-1] == few).all()


def load(path, *overrides):
    from ercfw.recipe.overrides import parse_overrides

    (job,) = plan_jobs(read_toml(path), Selection(overrides=parse_overrides(list(overrides))))
    dataset, _ = read_dataset(job.parts.dataset)
    return load_data(job.recipe, job.parts.extractors, dataset, lambda *_: None)


def test_what_is_taken_away_is_absent_and_zero_in_the_splits_named(tiny_recipe):
    path = tiny_recipe()
    whole = load(path)
    less = load(path, "data.missing.share=0.5", 'data.missing.splits=["train", "test"]')
    for split, conversations in less.splits.items():
        ids = [id for conversation in conversations for id in conversation.ids]
        for modality in ("text", "audio"):
            before = gather(whole.splits[split], [modality])[modality]
            after = gather(conversations, [modality])[modality]
            keeps = keep_mask(ids, modality, missing(share=0.5)) if split != "dev" else np.ones(len(ids), bool)
            assert (after.present == (before.present & keeps)).all()
            assert (after.values == before.values * after.present[:, None]).all()
            assert after.present.any()
            assert after.present.all() == (split == "dev")


def test_a_modality_can_be_lacked_wholly(tiny_recipe):
    data = load(tiny_recipe(), "data.missing.lacking=['audio']", "data.missing.splits=['dev', 'test']")
    there = {split: presence(conversations, "audio").any() for split, conversations in data.splits.items()}
    assert there == {"train": True, "dev": False, "test": False}
    assert not gather(data.splits["test"], ["audio"])["audio"].values.any()
    assert presence(data.splits["test"], "text").all()


def test_features_from_a_file_are_taken_away_too(tiny_recipe, tmp_path):
    rows = ["conversation,utterance,split,speaker,text,label"]
    rows += [f"{c},{u},{split},A,x,{'ab'[u % 2]}" for c, split in enumerate(["train", "dev", "test"]) for u in range(6)]
    (tmp_path / "utterances.csv").write_text("\n".join(rows) + "\n")
    np.save(tmp_path / "text.npy", np.ones((18, 3), "f4"))
    path = tiny_recipe()
    settings = [
        "data.use=table",
        f"data.root={tmp_path}",
        'data.modalities=["text"]',
        f"features.text.file={tmp_path}/text.npy",
    ]
    data = load(path, *settings, "features.text.fitted_on=nothing", "data.missing.share=0.5")
    stream = gather(data.splits["train"], ["text"])["text"]
    keeps = keep_mask([id for c in data.splits["train"] for id in c.ids], "text", missing(share=0.5))
    assert (stream.present == keeps).all()
    assert (stream.values[:, 0] == keeps).all()
    assert 0 < keeps.sum() < 6


def test_frames_of_what_is_taken_away_have_no_length():
    stream = ConversationStream(np.ones((3, 4, 2), "f4"), np.array([True, True, False]), np.array([4, 2, 0]))
    left = mask_stream(stream, np.array([False, True, True]))
    assert left.lengths.tolist() == [0, 2, 0]
    assert left.present.tolist() == [False, True, False]
    assert left.values.sum((1, 2)).tolist() == [0, 8, 8]
    assert left.values.dtype == np.float32


def test_three_modalities_have_eight_shares_and_seven_subsets():
    variants = {
        table["name"]: table["set"]["data"]["missing"] for table in missing_variants(["text", "audio", "visual"])
    }
    assert [v["share"] for v in variants.values() if "share" in v] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    lacking = [set(v["lacking"]) for v in variants.values() if "lacking" in v]
    assert len(lacking) == len({frozenset(names) for names in lacking}) == 6  # the seventh lacks nothing: share 0
    assert variants["audio at scoring"] == {"lacking": ["text", "visual"], "splits": ["dev", "test"]}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.missing.share=1.0", "[data.missing] share"),
        ("data.missing.share=-0.1", "[data.missing] share"),
        ("data.missing.lacking=['smell']", "[data.missing] lacking: there is no modality 'smell'..audio, text"),
        ("data.missing.splits=[]", "[data.missing] splits"),
        ("data.missing.shar=0.1", "there is no such key..share"),
        ("data.missing=0.3", "[data] missing"),
    ],
)
def test_settings_that_cannot_be(cli, tiny_recipe, setting, message):
    cli("validate", tiny_recipe(), setting).check(2, message)


def test_a_modality_that_all_of_train_lacks_is_refused(cli, tiny_recipe):
    cli("run", tiny_recipe(), "data.missing.lacking=['audio']").check(
        2, "'audio' is absent from every utterance of train"
    )


@pytest.mark.slow
@pytest.mark.usefixtures("forked_workers")
def test_one_command_makes_the_grid_and_the_subsets(cli, tiny_recipe, tmp_path):
    ended = cli("missing", tiny_recipe(), "train.lr=3e-3", "--seeds", "1", "run.workers=2", "--json")
    assert ended.code == 0, ended.err
    (table,) = json.loads(ended.out)["tables"]
    names = [line["name"] for line in table["lines"]]
    assert names == [f"share 0.{n}" for n in range(8)] + ["text at scoring", "audio at scoring"]
    assert ended.err.count("No real data") == 1
    written = tomllib.loads((tmp_path / "runs/tiny-missing.toml").read_text())
    assert written["train"]["lr"] == 3e-3
    assert cli("validate", tmp_path / "runs/tiny-missing.toml").code == 0
    whole = json.loads(cli("run", tiny_recipe(), "train.lr=3e-3", "--json", "--out", "alone").out)[0]
    share_0 = json.loads((tmp_path / "runs/tiny-missing/share-0-0/seed-0/metrics.json").read_text())
    assert share_0["scores"] == whole["scores"]
