import json

import pytest

from ercfw.errors import (
    InputError,
    Mistake,
    RunError,
    cause_of,
    did_you_mean,
    in_recipe,
    missing_library,
    warnings_of,
)


def test_a_mistake_says_where_what_and_what_would_be_right():
    assert str(Mistake("a.toml: [fusion] width", "is missing")) == "a.toml: [fusion] width: is missing"
    assert str(Mistake("a.csv", "is empty", "one line an utterance")) == "a.csv: is empty (one line an utterance)"


def test_an_input_error_holds_every_mistake_and_ends_with_2():
    error = InputError([Mistake("a", "is wrong"), Mistake("b", "is wrong too")])
    assert str(error).splitlines() == ["a: is wrong", "b: is wrong too"]
    assert (error.exit_code, RunError("disk full").exit_code) == (2, 1)


def test_the_closest_name_is_guessed_and_all_are_listed():
    assert did_you_mean("concatt", ["sum", "concat"]) == "did you mean 'concat'? known: concat, sum"
    assert did_you_mean("zzz", ["sum"]) == "known: sum"
    assert did_you_mean("sum", []) == "known: none"
    assert did_you_mean("talk1", ["talk2"], summary="there is 1 talk") == "did you mean 'talk2'? there is 1 talk"
    assert did_you_mean("zzz", ["sum"], summary="there is 1 name") == "there is 1 name"


def test_only_mistakes_that_name_a_table_get_the_recipe_in_front():
    with pytest.raises(InputError) as raised, in_recipe("mine.toml"):
        raise InputError([Mistake("[fusion] heads", "no"), Mistake("audio.npy", "no")])
    assert [mistake.where for mistake in raised.value.mistakes] == ["mine.toml: [fusion] heads", "audio.npy"]


def test_a_missing_library_names_the_line_that_installs_it():
    assert "pip install 'ercfw[text]'" in str(missing_library("transformers", "text"))


def test_a_cause_names_the_plugin_s_own_last_line(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text("import json\n\ndef load(text):\n    return json.loads(text)\n")
    space: dict = {}
    exec(compile(mine.read_text(), str(mine), "exec"), space)
    with pytest.raises(json.JSONDecodeError) as raised:
        space["load"]("{")
    assert cause_of(raised.value).endswith("(mine.py, line 4)")
    assert cause_of(raised.value).startswith("JSONDecodeError: Expecting")
    assert cause_of(KeyError()) == "KeyError"


def test_warnings_before_errors_that_cause_each_other():
    """A clean-up that fails raises from the error before it, which a library may raise again from the clean-up's."""
    first, second = RunError("first"), RunError("second")
    first.warnings, second.warnings = ("a", "b"), ("b", "c")
    first.__cause__, second.__cause__ = second, first
    assert warnings_of(first) == ["a", "b", "c"]
