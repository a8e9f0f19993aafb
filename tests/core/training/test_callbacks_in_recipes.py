"""Callbacks in recipes and from outside: errors, settings, and what another table changes."""

import pytest

RAISES = """
from ercfw import Callback, hookimpl

class Mine(Callback):
    '''Fails.

    Options:
        method: where.
    '''
    def __init__(self, info, *, method: str):
        super().__init__(info)
        def fail(*arguments):
            if arguments[0].epoch == 2 and arguments[0].step == 3:
                raise ValueError("no more")
        setattr(self, method, fail)

@hookimpl
def provide_callbacks():
    return {"mine": Mine}
"""


@pytest.mark.parametrize(
    ("method", "where"),
    [
        ("before_step", "epoch 2, batch 3"),
        ("after_step", "epoch 2, batch 3"),
        ("before_scoring", "epoch 2, scoring"),
        ("after_scoring", "epoch 2"),
        ("after_epoch", "epoch 2"),
    ],
)
def test_a_callback_that_raises_is_named_with_epoch_and_batch(cli, tiny_recipe, plugin_file, method, where):
    plugin_file(RAISES)
    recipe = tiny_recipe(top='plugins = ["./mine.py"]\n')
    ended = cli("run", recipe, "train.epochs=3", f"callback.mine.method={method}")
    ended.check(1, f"{where}: [callback.mine] callback 'mine' failed: ValueError: no more (mine.py, line ")


AGAIN = """
from ercfw import Callback, hookimpl

class Again(Callback):
    '''Computes the gradients again.'''
    def after_backward(self, view, backward):
        view.optimizer.zero_grad()
        backward()

@hookimpl
def provide_callbacks():
    return {"again": Again}
"""


@pytest.mark.parametrize("more", [(), ("train.accumulate=2", "data.batch_size=2")], ids=["at once", "in parts"])
def test_gradients_computed_again_are_the_same_to_the_bit(cli, tiny_recipe, plugin_file, tmp_path, more):
    """With dropout: the same random numbers."""
    plugin_file(AGAIN)
    recipe = tiny_recipe(top='plugins = ["./mine.py"]\n')
    words = ("run", recipe, "train.epochs=2", "encoder.default.dropout=0.5", *more)
    assert cli(*words, "--out", "once").code == 0
    assert cli(*words, "callback.again={}", "--out", "twice").code == 0
    once, twice = (tmp_path / out / "tiny/base/seed-0/predictions.csv" for out in ("once", "twice"))
    assert once.read_bytes() == twice.read_bytes()


@pytest.mark.parametrize("table", ["callback.ema={}", "train.sampler.use=balanced", "train.optimizer.use=adam"])
def test_a_run_with_another_table_is_another_run(cli, tiny_recipe, tmp_path, table):
    recipe = tiny_recipe()
    assert cli("run", recipe).code == 0
    assert cli("run", recipe, table).code == 0
    assert len(list((tmp_path / "runs/tiny").iterdir())) - len(list((tmp_path / "runs/tiny").glob("*.*"))) >= 2


def test_a_recipe_without_these_tables_is_written_as_ever(cli, tiny_recipe, tmp_path):
    assert cli("run", tiny_recipe(), "train.optimizer=adamw").code == 0
    written = (tmp_path / "runs/tiny/base/seed-0/recipe.toml").read_text()
    assert 'optimizer = "adamw"' in written
    assert not any(word in written for word in ("callback", "sampler", "layer_decay", "betas"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["callback.emma={}"], "[callback.emma] use: there is no callback named 'emma' (did you mean 'ema'?"),
        (["callback.mine.use=ema", "callback.mine.decay=2"], "[callback.mine] decay: should be less than 1, not 2"),
        (["callback.ema=3"], "[callback] ema: should be a table, not 3"),
        (["callback=3"], "[callback]: should be a table, not 3"),
        (["train.sampler=balanced"], "[train] sampler: should be a table, not 'balanced'"),
        (["train.sampler.use=balanse"], "[train.sampler] use: there is no sampler named 'balanse' (did you mean"),
        (["train.optimizer=3"], "[train] optimizer: should be a valid string or a table, not 3"),
        (["train.optimizer.betas=[0.9, 0.9]"], "[train.optimizer] use: is missing"),
        (['train.schedule={ use = "steplr", step_size = 2, each = "batch" }'], "[train.schedule] each: should be"),
        (["train.groups.text.layer_decay=0.9"], "[train.groups.text]: no part has this group"),
        (["train.groups.text.layer_decay=2"], "[train.groups.text] layer_decay: should be less than or equal to 1"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_one_message(cli, tiny_recipe, words, says):
    for command in ("validate", "run"):
        cli(command, tiny_recipe(), *words).check(2, says)
