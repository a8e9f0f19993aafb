"""Checks without training: with the data's classes where it is at hand, with stand-ins where it is not."""

import subprocess
import sys

import numpy as np
import pytest

from ercfw.errors import InputError
from ercfw.experiment.plan import Selection, plan_jobs
from ercfw.experiment.validate import STREAMS, check_jobs
from ercfw.recipe.overrides import parse_overrides
from ercfw.recipe.recipe_file import read_toml

NOT_HERE = "data={use='table',root='nowhere',modalities=['text','audio']}"


@pytest.fixture
def found(tiny_recipe):
    def check(*words: str, more: str = "", variants=("base",)):
        choice = Selection(overrides=parse_overrides(words), variants=variants)
        return check_jobs(plan_jobs(read_toml(tiny_recipe(more)), choice))

    return check


def test_streams_are_never_read(found):
    assert found() == found("features.text={file='not-there.npy',fitted_on='nothing'}")
    assert found().unchecked == (STREAMS,)


def test_without_data_the_rest_is_checked_and_the_data_is_named(found):
    unchecked = found(NOT_HERE).unchecked
    assert unchecked[0] == STREAMS
    assert "nowhere" in unchecked[1]
    with pytest.raises(InputError, match="there is no fusion named 'x'"):
        found(NOT_HERE, "fusion.use=x")


def test_what_does_not_fit_a_stand_in_is_no_mistake(found):
    seven = "loss.cross-entropy.class_weights=[1,1,1,1,1,1,1]"
    assert "has 7 numbers for 3 classes" in found(NOT_HERE, seven).unchecked[-1]
    assert found(seven).unchecked == (STREAMS,)
    with pytest.raises(InputError, match=r"\[loss.cross-entropy\] class_weights: has 2 numbers for 7 classes"):
        found("loss.cross-entropy.class_weights=[1,1]")


def test_an_extractor_promises_its_width(found):
    assert found("features.text.use=minilm").warnings == ()


def test_every_variant_is_checked_and_all_mistakes_name_their_variant(found):
    more = "".join(
        f'[[variant]]\nname = "{name}"\nset = {{ {setting} }}\n'
        for name, setting in (
            ("a", 'fusion = { use = "multiattn", heads = 3 }'),
            ("b", "train = { momentum = 0.5 }"),
            ("c", 'head = { mood = { use = "linear" } }, loss = { cross-entropy = { target = "emotion" } }'),
        )
    )
    with pytest.raises(InputError) as raised:
        found(more=more, variants=("base", "a", "b", "c"))
    messages = str(raised.value).splitlines()
    tables = {"a": "[fusion] heads", "b": "[train] momentum", "c": "[head.mood]"}
    for line, (variant, table) in zip(messages, tables.items(), strict=True):
        assert f"(variant '{variant}'): {table}" in line


def test_an_idle_loss_names_its_variant(found):
    more = '[loss.soft-hgr]\nweight = 0.1\n[[variant]]\nname = "text"\nset = { data = { modalities = ["text"] } }\n'
    assert found(more=more).warnings == ()
    messages = found(more=more, variants=("base", "text")).warnings
    assert messages == ("variant 'text': [loss.soft-hgr] has no effect: its gradient is zero",)


def test_without_data_a_mistake_under_any_data_is_an_error(cli, tiny_recipe):
    recipe = tiny_recipe()
    text = recipe.read_text().replace('use = "simulated"\nconversations = 12', 'use = "table"\nroot = "nowhere"')
    recipe.write_text(text.replace("widths = { text = 8, audio = 6, visual = 4 }\n", ""))
    ended = cli("validate", recipe)
    assert ended.code == 0
    assert "not checked: the data" in ended.out
    cli("validate", recipe, "fusion.use=multiattn", "fusion.heads=3").check(2, "[fusion] heads..3")


SCORES = """conversation,utterance,split,text,sentiment
a,0,train,so,{}
a,1,train,well,-1
b,0,dev,oh,2
c,0,test,no,0
"""


@pytest.mark.parametrize(
    ("value", "what"), [("abc", "'abc' is not a number"), ("3.5", "3.5 is out of range"), ("1", "")]
)
def test_wrong_labels_of_a_table_are_no_missing_data(cli, tiny_recipe, tmp_path, value, what):
    (tmp_path / "utterances.csv").write_text(SCORES.format(value))
    for modality in ("text", "audio", "visual"):
        np.save(tmp_path / f"{modality}.npy", np.zeros((4, 3), np.float32))
    target = '[data.targets.sentiment]\nkind = "regression"\nrange = [-3, 3]\n'
    text = tiny_recipe(target).read_text()
    changes = {
        'use = "simulated"\nconversations = 12': f'use = "table"\nroot = "{tmp_path}"',
        "widths = { text = 8, audio = 6, visual = 4 }\n": "",
        "head.emotion": "head.sentiment",
        "loss.cross-entropy": "loss.mae",
    }
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    recipe = tmp_path / "scores.toml"
    recipe.write_text(text)
    ended = cli("validate", recipe, "train.select=sentiment.mae")
    assert ended.code == (2 if what else 0)
    assert what in ended.err
    assert "not checked: the data" not in ended.out


@pytest.mark.parametrize("use", ["meld", "emorynlp", "iemocap", "dailydialog", "m3ed", "table"])
def test_data_that_is_not_there_is_missing(found, use):
    unchecked = found(f"data={{use='{use}',root='nowhere',modalities=['text','audio']}}").unchecked
    assert "nowhere" in unchecked[1]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("[callback.swa]\nfrom_epoch = 99", r"\[callback.swa\] from_epoch: is 99, but the training has"),
        ('[callback.freeze]\nparts = ["encoder.txt"]', "there is no part 'encoder.txt'"),
        ('[callback.early-stopping]\nscore = "emotion.mae"', "emotion.mae"),
        ('[train.sampler]\nuse = "balanced"\nlabels = "mood"', r"\[train.sampler\] labels: there is no target 'mood'"),
    ],
)
def test_parts_of_a_training_that_do_not_fit_are_mistakes(found, part, message):
    with pytest.raises(InputError, match=message):
        found(more=part)


SAMPLERS = """
from ercfw import Sampler, hookimpl


class Empty(Sampler):
    def size(self, number):
        return 0

    def epoch(self, number, generator):
        return []


class Streams(Sampler):
    def epoch(self, number, generator):
        return sorted(range(len(self.conversations)), key=lambda i: self.conversations[i].streams["text"].sum())


@hookimpl
def provide_samplers():
    return {"empty": Empty, "streams": Streams}
"""


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("empty", 2, "[train.sampler]: epoch 1 has no conversation"),
        ("streams", 0, "not checked: the sampler, which may need the streams"),
    ],
)
def test_a_sampler_is_asked_for_its_epochs(cli, tiny_recipe, plugin_file, name, code, told):
    plugin_file(SAMPLERS)
    recipe = tiny_recipe(f'[train.sampler]\nuse = "{name}"', top='plugins = ["./mine.py"]\n')
    ended = cli("validate", recipe)
    assert ended.code == code
    assert told in ended.err + ended.out


def test_mistakes_of_the_sampler_and_of_a_callback_are_told_at_once(found):
    sampler = '[train.sampler]\nuse = "balanced"\nlabels = "mood"\n'
    with pytest.raises(InputError) as error:
        found(more=sampler + '[callback.freeze]\nparts = ["encoder.txt"]\n')
    told = str(error.value)
    assert "there is no part 'encoder.txt'" in told
    assert "there is no target 'mood'" in told


def test_the_search_space_is_checked(cli, tiny_recipe):
    space = '[tune]\ntrials = 2\n[tune.space]\n"{}" = {{ low = 1e-3, high = 1e-2 }}\n'
    right = tiny_recipe(space.format("train.lr"))
    assert cli("validate", right).code == 0
    wrong = tiny_recipe(space.format("train.lrr"))
    cli("validate", wrong).check(2, "tiny.toml: [tune.space] train.lrr = 0.001: ")
    assert cli("validate", wrong, "train.protocol=release").code == 0, "a search would choose on test"
    high = tiny_recipe(space.format("train.lr").replace("1e-2", "-1"))
    cli("validate", high).check(2, "[tune.space] train.lr")


LATE = ("accelerate", "rich", "sklearn", "scipy", "matplotlib", "transformers", "optuna", "ercfw.predict", "packaging")
VALIDATE = """
import sys
from ercfw.cli import main
sys.argv = ["ercfw", "validate", sys.argv[1]]
try:
    main()
finally:
    print(*[name for name in {late} if name in sys.modules], file=sys.stderr)
"""


@pytest.mark.slow
def test_validation_imports_only_what_it_uses(tiny_recipe):
    """In a process of its own; each of these libraries would take a tenth of a second or more."""
    command = [sys.executable, "-c", VALIDATE.format(late=LATE), str(tiny_recipe())]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert "valid (variants: 0)" in ended.stdout
    assert ended.stderr.strip() == ""
