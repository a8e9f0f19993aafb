"""Cross-fitting: every training conversation is left out once, and its vectors come from who has not seen it."""

import json
from pathlib import Path

import numpy as np
import pytest

from ercfw.contract.conversation import Conversation, fingerprint
from ercfw.data.cross_fit import without_part
from ercfw.errors import InputError
from ercfw.predict.saved_run import read_run
from ercfw.recipe.queries import part_of
from ercfw.results.cross_fit_runs import runs_without_parts
from ercfw.testing import check_part
from ercfw_basics.trained_encoder import TrainedEncoder

PLUGIN = '''
import hashlib
import numpy as np
from ercfw import hookimpl
from ercfw.contract.interfaces import Extractor


class Letters(Extractor):
    """Numbers that depend on the text alone."""

    reads = "text"
    dim = 4
    fingerprint = "f" * 64

    def extract(self, conversation):
        return [np.frombuffer(hashlib.sha256(t.encode()).digest()[:4], np.uint8) / np.float32(255) if t else None
                for t in conversation.texts]


@hookimpl
def provide_extractors():
    return {"letters": Letters}
'''
RECIPE = """
schema = 1
title = "Letters"
plugins = ["./letters.py"]
[data]
use = "table"
root = "."
modalities = ["text"]
[features.text]
use = "letters"
[encoder.text]
use = "linear"
width = 3
[head.emotion]
use = "linear"
[loss.cross-entropy]
[train]
epochs = 1
device = "cpu"
"""


def conversation(name, split="train", utterances=2):
    numbers = tuple(map(str, range(utterances)))
    texts = tuple(f"{name} {number}" for number in numbers)
    return Conversation(name, split, numbers, ("A",) * utterances, texts, {})


@pytest.fixture
def corpus(tmp_path, plugin_file):
    lines = ["conversation,utterance,speaker,text,label,split"]
    splits = {"train": 11, "dev": 2, "test": 2}
    for split, count in splits.items():
        for number in range(count):
            lines += [f"{split}{number},{u},A,{split}{number} {u},{'ab'[(number + u) % 2]},{split}" for u in range(2)]
    (tmp_path / "utterances.csv").write_text("\n".join(lines) + "\n")
    plugin_file(PLUGIN, "letters")
    recipe = tmp_path / "letters.toml"
    recipe.write_text(RECIPE)
    return recipe


@pytest.mark.parametrize(("conversations", "parts"), [(11, 3), (10, 5), (2, 2)])
def test_every_conversation_is_left_out_once_in_parts_of_like_size(conversations, parts):
    train = [conversation(f"c{number}") for number in range(conversations)]
    left_out = []
    for part in range(1, parts + 1):
        kept = without_part(train, f"{part}/{parts}")
        left_out.append({c.id for c in train} - {c.id for c in kept})
        assert [c for c in train if c in kept] == kept
    assert sorted(name for part in left_out for name in part) == sorted(c.id for c in train)
    assert max(map(len, left_out)) - min(map(len, left_out)) <= 1
    backwards = without_part(train[::-1], f"1/{parts}")
    assert {c.id for c in train} - {c.id for c in backwards} == left_out[0]


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/1", "a/b", "1", "1/2/3", "01/3"])
def test_what_names_no_part(text):
    with pytest.raises(InputError, match=f"'{text}' is not a part"):
        part_of(text)


def test_more_parts_than_conversations():
    with pytest.raises(InputError, match="names one of 3 parts, but train has only 2 conversations"):
        without_part([conversation("a"), conversation("b")], "1/3")


@pytest.fixture
def runs(corpus, cli, once):
    """The metrics of the runs, by variant."""

    def run():
        result = cli("run", corpus, "--cross-fit", "3", "--quiet", "--json")
        assert result.code == 0, result.err
        return {metrics["variant"]: metrics for metrics in json.loads(result.out)}

    return once(run)


def test_the_command_runs_the_whole_and_each_part_left_out(runs):
    assert list(runs) == ["base", *(f"base, part {part} of 3 left out" for part in (1, 2, 3))]
    sizes = [metrics["sizes"]["train"]["conversations"] for metrics in runs.values()]
    assert sizes[0] == 11
    assert sorted(sizes[1:]) == [7, 7, 8]
    folders = runs_without_parts(_base(runs))
    assert folders == [Path(metrics["folder"]).resolve() for metrics in list(runs.values())[1:]]


def test_vectors_come_from_runs_that_have_not_seen_the_conversation(runs):
    base = _base(runs)
    plain, crossed = (
        TrainedEncoder(run=base, plugin_files=True),
        TrainedEncoder(run=base, cross_fit=True, plugin_files=True),
    )
    of_base = read_run(base, True)
    parts = [read_run(folder, True) for folder in runs_without_parts(base)]
    for c in [conversation(f"train{n}") for n in range(11)] + [conversation("test0", "test")]:
        raw = np.stack(of_base.catalog.find("extractor", "letters", "").factory().extract(c))
        unseen = [run for run in parts if fingerprint(c) not in run.trained_on]
        assert len(unseen) == (1 if c.split == "train" else 3)
        np.testing.assert_allclose(np.stack(plain.extract(c)), _linear(of_base, raw), atol=1e-6)
        np.testing.assert_allclose(
            np.stack(crossed.extract(c)), np.mean([_linear(run, raw) for run in unseen], 0), atol=1e-6
        )
    assert plain.dim == crossed.dim == 3
    assert plain.fingerprint != crossed.fingerprint


@pytest.mark.parametrize("crossed", [False, True])
def test_it_keeps_the_promises_of_an_extractor(runs, crossed):
    options = {"run": _base(runs), "cross_fit": crossed, "plugin_files": True}
    report = check_part("extractor", TrainedEncoder, options)
    assert [outcome.status for outcome in report.outcomes] == ["passed"] * 4, report


def test_what_it_was_fitted_on_is_known(runs):
    train, test = conversation("train3"), conversation("test0", "test")
    for crossed in (False, True):
        encoder = TrainedEncoder(run=_base(runs), cross_fit=crossed, plugin_files=True)
        assert encoder.fitted_on([train, test]) == frozenset(train.ids)


def test_a_later_recipe_takes_the_vectors_and_may_not_be_judged_by_what_they_were_fitted_on(runs, corpus, cli):
    named = ["features.text.use=trained-encoder", f"features.text.run={_base(runs)}", "features.text.plugin_files=true"]
    assert cli("run", corpus, *named, "features.text.cross_fit=true", "--out", "later", "--quiet").code == 0
    text = corpus.with_name("utterances.csv").read_text()
    corpus.with_name("utterances.csv").write_text(text.replace(",train\ntrain10,1,", ",test\ntrain10,1,").replace(
        "train10,1,A,train10 1,b,train", "train10,1,A,train10 1,b,test"
    ))  # fmt: skip
    moved = cli("run", corpus, *named, "--out", "moved", "--quiet")
    moved.check(2, "[features.text] fitted_on: stream 'text' was fitted on 2 utterances of test")


def test_an_utterance_without_text_stays_absent(runs):
    silent = Conversation("x", "test", ("0", "1"), ("A", "A"), ("", "said"), {})
    found = TrainedEncoder(run=_base(runs), plugin_files=True).extract(silent)
    assert found[0] is None
    assert found[1] is not None


def test_what_is_no_run_and_what_has_no_parts(runs, corpus, cli, tmp_path):
    with pytest.raises(InputError, match="run: is not set"):
        TrainedEncoder()
    with pytest.raises(InputError, match="holds no trained model"):
        TrainedEncoder(run=tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"has no '?audio|computes 'audio'"):
        TrainedEncoder(run=_base(runs), modality="audio", plugin_files=True)
    assert cli("run", corpus, "--out", "alone", "--quiet").code == 0
    with pytest.raises(InputError, match=r"no complete set of --cross-fit runs.*--cross-fit 5"):
        TrainedEncoder(run=tmp_path / "alone/letters/base/seed-0", cross_fit=True, plugin_files=True)
    (runs_without_parts(_base(runs))[0] / "model.safetensors").unlink()
    with pytest.raises(InputError, match="no complete set of --cross-fit runs"):
        TrainedEncoder(run=_base(runs), cross_fit=True, plugin_files=True)


@pytest.mark.parametrize("inside", [".", "seed-0"])
def test_the_runs_are_found_from_within_their_folder(runs, monkeypatch, inside):
    base = _base(runs)
    named = runs_without_parts(base)
    monkeypatch.chdir(base if inside == "." else base.parent)
    assert runs_without_parts(Path(inside)) == [folder.resolve() for folder in named]


def test_a_run_whose_text_came_from_a_file_cannot_be_asked_of_new_utterances(tiny_recipe, cli, tmp_path):
    assert cli("run", tiny_recipe(), "--quiet").code == 0
    with pytest.raises(InputError, match="no extractor of the run computes 'text'"):
        TrainedEncoder(run=tmp_path / "runs/tiny/base/seed-0", modality="text")
    with pytest.raises(InputError, match="modality: is not set, and the run has several modalities"):
        TrainedEncoder(run=tmp_path / "runs/tiny/base/seed-0")


def _base(runs):
    from pathlib import Path

    return Path(runs["base"]["folder"])


def _linear(run, raw):
    weights = {name: x.double().numpy() for name, x in run.network.encoders["text"].state_dict().items()}
    (matrix,) = [x for name, x in weights.items() if name.endswith("weight")]
    (bias,) = [x for name, x in weights.items() if name.endswith("bias")]
    return raw @ matrix.T + bias


def test_plugin_files_of_a_run_run_only_by_leave(runs, corpus, cli):
    with pytest.raises(InputError, match=r"needs plugin file .*letters.*plugin_files = true"):
        TrainedEncoder(run=_base(runs))
    named = ["features.text.use=trained-encoder", f"features.text.run={_base(runs)}", "features.text.plugin_files=true"]
    words = ("validate", corpus, *named, "plugins=[]", "--no-plugin-files")
    cli(*words).check(2, "[features.text] plugin_files: is true, but --no-plugin-files forbids it")
