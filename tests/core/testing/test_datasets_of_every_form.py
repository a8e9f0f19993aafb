"""``ercfw check`` on datasets from outside with labels of every form, right and wrong."""

import pytest

from ercfw.testing.fixtures import TARGETS

DATASET = '''
import numpy as np
from dataclasses import replace
from ercfw import Dataset, Provenance, Target, hookimpl
from ercfw.testing.fixtures import make_conversations
class Made(Dataset):
    """Made up."""
    def __init__(self):
        self.targets = {"emotion": TARGET}
        self.modalities = ("text",)
        self.provenance = Provenance("made up", simulated=True)
    def split(self, name):
        made = make_conversations({"text": "vector"}, target=TARGET)
        changed = [replace(c, labels={"emotion": CHANGE(c.labels["emotion"])}) for c in made]
        return [replace(c, id=f"{name}/{c.id}", split=name) for c in changed]
@hookimpl
def provide_datasets():
    return {"made": Made}
'''
CHANGES = [
    ("regression", "x", None),
    ("multilabel", "x", None),
    ("soft-classes", "x", None),
    ("soft-multilabel", "x", None),
    ("regression", "x + 9", "for 'valence'; they must be numbers from -3 to 3"),
    ("regression", "x.astype(float)", "are float64"),
    ("regression", "np.where(np.arange(2) == 0, np.nan, x).astype('f4')", "are NaN in a part of an utterance"),
    ("regression", "x[:, 0]", "they must be float32 [U, C]"),
    ("multilabel", "x / 2", "0 or 1; shares of annotators need soft = True"),
    ("soft-classes", "x / 2", "have shares that do not add up to 1"),
    ("soft-multilabel", "-x", "numbers from 0 to 1"),
]


@pytest.mark.parametrize(("form", "change", "says"), CHANGES)
def test_the_command_checks_datasets_of_every_form(cli, plugin_file, form, change, says):
    target = TARGETS[form]
    plugin_file(DATASET.replace("TARGET", repr(target)).replace("CHANGE", f"(lambda x: {change})"))
    result = cli("check", "made", "--plugin", "mine.py")
    assert result.code == (0 if says is None else 1), result
    assert "0 failed" in result.out if says is None else says in result.out
