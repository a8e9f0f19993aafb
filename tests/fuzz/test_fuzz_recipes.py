"""Recipes: rubbish, damaged ones, changed tables, settings of the command line; what was found by them stands first."""

import json
import tomllib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from ercfw.experiment.plan import Job, Selection, plan_jobs
from ercfw.recipe.overrides import parse_overrides
from ercfw.recipe.recipe_file import read_toml
from ercfw.recipe.shipped import shipped_recipes
from ercfw.registry.plugin_file import read_plugin_file
from ercfw.registry.trust import PluginFiles, trust

MANY = 100_000
EVERY_KEY = b"""
schema = 1
title = "Every key"
seeds = [1, 2]
plugins = ["./harmless.py"]
data = { use = "table", root = "own", utterances = "u.csv", columns = { label = "Emotion" }, labels = { happy = "joy" },
 classes = ["joy"], dev = ["a"], test = ["b"], folds = 5, modalities = ["text", "audio"], batch_size = 4 }
features = { text = { use = "minilm" }, audio = { file = "audio.npy", fitted_on = "train" } }
encoder.default = { use = "linear", width = 8 }
context.joint = { use = "gru" }
fusion = { use = "concat" }
head.emotion = { use = "linear" }
loss.cross-entropy = { weight = "rest", class_weights = [1, 2.5] }
loss.other = { use = "supcon", target = "emotion", weight = 0.5 }
[train]
epochs = 3
clip = 1.0
patience = 2
precision = "bf16"
select = "emotion.weighted-f1"
init_from = "runs/other/base/seed-0"
groups.text = { lr = 1e-5, weight_decay = 0.0 }
[[variant]]
name = "w/o other"
drop = ["loss.other"]
[[variant]]
name = "one"
set = { data.modalities = ["text"], train.epochs = 1 }
[[grid]]
loss.other.use = ["supcon", "focal"]
"train.lr" = [0.1, 0.2]
""".replace(b",\n", b",")
RECIPES = {name: path.read_bytes() for name, path in shipped_recipes().items()} | {"every key": EVERY_KEY}
NAME = st.sampled_from(list(RECIPES))


@pytest.fixture(autouse=True)
def files() -> Iterator[None]:
    """A plugin's file that a recipe may name, and one that no case may run."""
    Path("harmless.py").write_text("from ercfw import hookimpl\n\n@hookimpl\ndef provide_metrics():\n    return {}\n")
    trust([read_plugin_file(Path("harmless.py"))])
    Path("planted.py").write_text("from pathlib import Path\n\nPath('ran').touch()\n")
    Path("loop.py").symlink_to("loop.py")
    yield
    assert not Path("ran").exists()


def plan(content: bytes, words: Sequence[str] = (), **choice: Any) -> list[Job]:
    path = Path("fuzzed.toml")
    path.write_bytes(content)
    jobs = plan_jobs(read_toml(path), Selection(overrides=parse_overrides(words), **choice))
    assert all(len(job.key) == 64 for job in jobs)
    return jobs


FOUND = {
    "very many keys": (b"".join(b"k%d = 1\n" % n for n in range(20_000)) + EVERY_KEY, "and 19950 more mistakes"),
    "very many parts": (b"".join(b"head.h%d.use = 'x'\n" % n for n in range(5_000)) + EVERY_KEY, " more mistakes"),
    "a long key": (b"k" * MANY + b" = 1\n" + EVERY_KEY, "kkk ... kkk"),
    "a long value": (EVERY_KEY.replace(b'"table"', b"'%s'" % (b"x" * MANY)), "xxx ... xxx"),
    "a key in two lines": (rb'"a\nb" = 1' + EVERY_KEY, "a b: there is no such key"),
    "a key that steers the terminal": (rb'"\u001b[2J" = 1' + EVERY_KEY, r"\x1b[2J: there is no such key"),
    "thousands of digits": (b"x = " + b"9" * 5000, "holds a number that is too long"),
    "thousands of digits in hex": (b"x = 0x" + b"f" * 5000, "x: is a whole number that does not fit in 64 bits"),
    "a key of very many parts": (b"a." * 500_000 + b"a = 1", "has a key of more than 32 parts"),
    "a quoted key of very many parts": (b'"a" . ' * MANY + b"a = 1", "has a key of more than 32 parts"),
    "lists in lists": (b"x = " + b"[" * MANY, "is nested more than 32 deep"),
    "tables in tables": (b"x = " + b"{a.a.a.a.a.a.a.a.a=" * 9 + b"1" + b"}" * 9, "is nested more than 32 deep"),
    "nul in a name": (EVERY_KEY.replace(b"audio.npy", rb"\u0000"), "features.audio.file: contains a character"),
    "a long name of a plugin": (EVERY_KEY.replace(b"harmless", b"x" * 5000), "plugins: there is no file"),
    "a link to itself": (EVERY_KEY.replace(b"harmless", b"loop"), "plugins loop.py: cannot be read: Too many levels"),
    "a long name of a modality": (EVERY_KEY.replace(b'"audio"]', b"'%s']" % (b"x" * 300)), "is not a valid name"),
    "a long name of a variant": (EVERY_KEY.replace(b'"one"', b"'%s'" % (b"x" * 300)), "too long to name a folder"),
    "a warm-up without end": (EVERY_KEY.replace(b"epochs = 3", b"warmup = 1e308"), "[train] warmup: should be less"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_found_in_a_file(name, bearable):
    content, expected = FOUND[name]
    reported = bearable(lambda: plan(content), names="fuzzed.toml")
    assert expected in str(reported)


def test_a_long_name_of_a_run_is_that_of_no_model(bearable):
    """Its weights would be part of the run's key."""
    assert bearable(lambda: plan(EVERY_KEY, ["train.init_from=" + "x" * 5000])) is None


FOUND_SETTINGS = {
    "no UTF-8": ("title=\udcff", "override: title: contains a character that cannot be written to a file"),
    "no UTF-8 in a key": ("data.\udcff=1", "contains a character that cannot be written to a file"),
    "a key of very many parts": ("a." * MANY + "a=1", "is nested more than 32 deep"),
    "tables in tables": ("train.epochs=" + "{a=" * MANY, "[train] epochs: should be a valid integer"),
    "thousands of digits": ("train.epochs=" + "9" * 5000, "[train] epochs: should be a valid integer"),
    "two settings in one": ("train.epochs=1\ntitle = 'x'", "[train] epochs: should be a valid integer"),
}


@pytest.mark.parametrize("name", FOUND_SETTINGS)
def test_found_in_a_setting(name, bearable):
    word, expected = FOUND_SETTINGS[name]
    assert expected in str(bearable(lambda: plan(EVERY_KEY, [word])))


WORDS = [
    b"\0", b"\xff", b"\xef\xbb\xbf", b"\r\n", b"\r", b"\xe2\x80\xa8", b"[", b"]", b"[[", b"]]", b"{", b"}", b"=",
    b".", b",", b'"', b"'", b'"""', b"'''", b"#", b"\\", b"\\u0000", b"\\uD800", b"\\u001b[2J", b"\n[train]\n",
    b"\n[[variant]]\n", b"\n[variant]\n", b"\nuse = 'x'\n", b"\nplugins = ['./planted.py']\n", b"inf", b"-nan",
    b"1e999", b"9" * 30, b"9" * 5000, b"0x" + b"f" * 5000, b"-1", b"1979-05-27T07:32:00Z", b"07:32:00", b"true",
    "ｕｓｅ".encode(), "uѕe".encode(), b"[" * 3000, b"a." * 3000 + b"a=1", b"{a=" * 2000, b"x" * 70_000,
    b"\n" + b"".join(b"k%d=1\n" % n for n in range(3000)),
]  # fmt: skip
PIECES = st.one_of(
    st.sampled_from(WORDS),
    st.text(max_size=12).map(lambda text: text.encode("utf-8", "replace")),
    NAME.flatmap(lambda name: st.sampled_from(RECIPES[name].splitlines(keepends=True))),
)


@pytest.mark.slow
@pytest.mark.cases(300)
@given(data=st.data())
def test_bytes(data, bearable, damaged, planted):
    whole = NAME.flatmap(lambda name: damaged(RECIPES[name], [*WORDS, planted]))
    content = data.draw(whole | st.lists(PIECES, max_size=20).map(b"".join))
    bearable(lambda: plan(content, plugin_files=PluginFiles.REFUSE), names="fuzzed.toml")


def as_toml(value: Any) -> str:
    """A value in one line of TOML."""
    match value:
        case dict():
            return "{" + ", ".join(f"{quoted(key)} = {as_toml(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(as_toml, value)) + "]"
        case str():
            return quoted(value)
        case date() | time():
            return value.isoformat()
    return repr(value).lower()


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


TABLES = {name: tomllib.loads(content.decode()) for name, content in RECIPES.items()}
for tables in TABLES.values():
    del tables.setdefault("variant", [])[2:]  # places are drawn evenly, and half of them would be variants
KNOWN = sorted({key for tables in TABLES.values() for key, table in tables.items() if isinstance(table, dict)})
MORE = ["use", "weight", "target", "file", "fitted_on", "root", "groups", "lr", "text", "default", "emotion", "name",
        "set", "drop", "width", "select", "seeds", "plugins", "variant", "__class__",
        "k" * 300, "k" * 90_000]  # fmt: skip
ODD = ["\0", "/", "..", "./harmless.py", "x" * 300, "x" * 5000, "~", "a\nb", "\x1b[2J", "o\N{COMBINING TILDE}", ""]
PARTS = [
    "linear",
    "concat",
    "table",
    "meld",
    "focal",
    "rest",
    "minilm",
    "gru",
    "text",
    "emotion",
    "emotion.weighted-f1",
]
TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
KEYS = st.sampled_from([*KNOWN, *MORE]) | TEXT
LEAVES = st.one_of(
    st.booleans(),
    st.integers() | st.just(2**1000),
    st.floats(),
    TEXT,
    st.sampled_from(PARTS),
    st.sampled_from(ODD),
    st.sampled_from([date(1, 1, 1), datetime(2000, 1, 1, tzinfo=UTC), time(1, 2, 3)]),
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))


@pytest.mark.slow
@pytest.mark.cases(300)
@given(data=st.data(), name=NAME)
def test_tables(data, name, bearable, changed):
    """What is planned, written out and planned again is the same."""
    tables = data.draw(changed(TABLES[name], VALUES, KEYS))
    content = "".join(f"{quoted(key)} = {as_toml(value)}\n" for key, value in tables.items()).encode()

    def plan_twice() -> None:
        (job,) = plan(content)
        written = tomlkit.dumps({**job.tables, "seeds": list(job.recipe.seeds)})
        assert plan(written.encode())[0].tables == job.tables

    bearable(plan_twice, names="fuzzed.toml")


INNER = [f"{table}.{key}" for tables in TABLES.values() for table in KNOWN for key in tables.get(table, {})]
PATHS = st.sampled_from(INNER) | st.lists(KEYS.filter(lambda key: len(key) < 10), min_size=1, max_size=4).map(".".join)
SIDES = VALUES.map(as_toml) | st.text(max_size=8) | st.sampled_from(["{a=" * 3000, "[" * 5000, "9" * 5000, "1\nb = 2"])
SETTINGS = st.builds("{}={}".format, PATHS, SIDES) | st.text(max_size=20).map("train.{}".format)


@pytest.mark.slow
@pytest.mark.cases(150)
@given(data=st.data(), name=NAME, words=st.lists(SETTINGS, max_size=3), dropped=st.lists(PATHS, max_size=2))
def test_settings_drops_and_variants(data, name, words, dropped, bearable):
    known = st.sampled_from(["base", *(variant["name"] for variant in TABLES[name].get("variant", []))])
    variants = data.draw(st.lists(known | st.text(max_size=5), min_size=1, max_size=2))
    bearable(lambda: plan(RECIPES[name], words, dropped=dropped, variants=variants))


SMALL = st.one_of(
    st.integers(-2, 9).map(str) | st.floats(-2, 2).map(repr),
    st.sampled_from(["nan", "true", "[]", "{}", "1979-05-27", "[1, 'a']", "{a = 1}", "\udcff", "\x1b[2J", "é\n"]),
    st.text(st.characters(exclude_characters="\0"), max_size=4) | st.sampled_from(PARTS),
)
LISTS = st.lists(st.integers(0, 2**32), max_size=3).map(lambda seeds: str(seeds)[1:-1])
SEEDS = (st.integers() | LISTS | st.text(max_size=4)).map("--seeds={}".format)
VERBS = st.one_of(
    st.sampled_from([["show"], ["show", "--json"], ["validate"], ["validate", "--json"]]),
    SEEDS.map(lambda seeds: ["run", "--variant", "of no name", seeds]),
)


@pytest.mark.slow
@pytest.mark.cases(50)
@given(verb=VERBS, words=st.lists(st.builds("{}={}".format, PATHS, SMALL), max_size=3))
def test_the_command_line(verb, words, bearable, cli, tiny_recipe):
    """Settings of sizes that a test can build: who asks for a width of a milliard is given it."""
    recipe, ended = tiny_recipe(), []
    bearable(lambda: ended.append(cli(*verb, "--no-plugin-files", "--", recipe, *words)))
    assert ended[0].code in (0, 1, 2)
    assert (ended[0].code == 0) == (not ended[0].errors)
