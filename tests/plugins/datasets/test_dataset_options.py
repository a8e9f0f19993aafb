"""The corpora's options as a recipe gives them: strict JSON."""

import inspect
from pathlib import Path

import pytest

from ercfw.errors import InputError
from ercfw.registry.options import constructor_arguments, read_options
from ercfw_datasets import provide_datasets

GOOD = {
    "meld": {"root": "data/x", "clips": "data/MELD.Raw", "labels": {"joy": "happy"}, "widths": {"text": 5}, "seed": 1},
    "iemocap": {
        "root": "data/x",
        "test_session": 4,
        "dev": "session1",
        "labels": {"fru": ""},
        "classes": ["anger"],
        "context": "all",
        "parties": "gender",
    },
    "emorynlp": {
        "root": "data/x",
        "labels": {"Scared": "Sad"},
        "classes": ["Joyful", "Sad"],
        "targets": ["sentiment"],
        "widths": {"text": 5},
        "seed": 1,
    },
    "dailydialog": {
        "root": "data/x",
        "labels": {"no emotion": ""},
        "classes": ["anger"],
        "targets": ["act", "emotion"],
        "widths": {"text": 5},
        "seed": 1,
    },
    "m3ed": {
        "root": "data/x",
        "clips": "data/sound",
        "labels": {"Happy": "joy"},
        "classes": ["joy"],
        "targets": ["mixed"],
        "widths": {"text": 5},
        "seed": 1,
    },
    "table": {
        "root": "data/x",
        "columns": {"label": "Emotion", "clip": "video", "start": "from", "end": "to"},
        "labels": {"happy": "joy", "other": ""},
        "classes": ["joy", "anger"],
        "thresholds": [0.5],
        "splits": {"valid": "dev", "unused": ""},
        "dev": ["a"],
        "fold": 1,
    },
    "simulated": {"like": "iemocap", "conversations": 20, "signal": {"text": 0.5}, "widths": {"x": 3}},
}
BAD = [
    ("meld", {"widths": {"text": 0}}, "[data] widths.text"),
    ("meld", {"seed": -1}, "[data] seed"),
    ("iemocap", {"test_session": 6}, "[data] test_session"),
    ("iemocap", {"dev": "session6"}, "[data] dev"),
    ("iemocap", {"context": "some"}, "[data] context"),
    ("iemocap", {"parties": "age"}, "[data] parties"),
    ("emorynlp", {"clips": "data/x"}, "[data] clips"),
    ("emorynlp", {"targets": []}, "[data] targets"),
    ("emorynlp", {"targets": ["mood"]}, "[data] targets"),
    ("dailydialog", {"targets": []}, "[data] targets"),
    ("dailydialog", {"targets": ["topic"]}, "[data] targets"),
    ("m3ed", {"targets": ["votes"]}, "[data] targets"),
    ("m3ed", {"seed": -1}, "[data] seed"),
    ("table", {"columns": {"lable": "Emotion"}}, "[data] columns"),
    ("table", {"folds": 2}, "[data] folds"),
    ("table", {"splits": {"valid": "eval"}}, "[data] splits"),
    ("table", {"columns": {"conversation": []}}, "[data] columns.conversation"),
    ("table", {"thresholds": ["low"]}, "[data] thresholds"),
    ("table", {"rooot": "x"}, "[data] rooot"),
    ("simulated", {"signal": {"text": -1.0}}, "[data] signal.text"),
    ("simulated", {"conversations": 0}, "[data] conversations"),
]


@pytest.mark.parametrize("name", GOOD)
def test_what_a_recipe_may_say(name):
    options = constructor_arguments(read_options(provide_datasets()[name], GOOD[name], "[data]"))
    assert isinstance(options.get("root", Path()), Path)
    assert options.items() >= {k: v for k, v in GOOD[name].items() if isinstance(v, int | dict)}.items()


@pytest.mark.parametrize(("name", "options", "where"), BAD)
def test_what_it_may_not(name, options, where):
    with pytest.raises(InputError) as raised:
        read_options(provide_datasets()[name], options, "[data]")
    (mistake,) = raised.value.mistakes
    assert mistake.where.startswith(where)


@pytest.mark.parametrize("name", GOOD)
def test_every_option_is_explained(name):
    dataset = provide_datasets()[name]
    explained = inspect.getdoc(dataset).split("Options:")[1]
    for option in inspect.signature(dataset).parameters:
        assert f"\n    {option}: " in explained
