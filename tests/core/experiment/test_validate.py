"""Checks without training: with the data's classes where it is at hand, with stand-ins where it is not."""

import subprocess
import sys

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
