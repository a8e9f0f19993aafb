"""Plugins: a broken one harms only those who need it, and says why it is broken."""

import importlib.metadata
import json
from pathlib import Path

import pytest

from ercfw.errors import InputError
from ercfw.registry import catalog
from ercfw.registry.catalog import KINDS, load_catalog
from ercfw.registry.plugin_file import plugin_files, read_plugin_file

FUSION = """\
import torch
from ercfw import FusionBlock, hookimpl

class Mine(FusionBlock):
    def __init__(self, dims, info{options}) -> None:
        super().__init__(dims, info)
        self.out_dim = sum(dims.values())

    def forward(self, xs, inputs):
        return torch.cat(list(xs.values()), -1)

@hookimpl
def {hook}():
    return {returned}
"""


def fusion(options: str = "", hook: str = "provide_fusions", returned: str = '{"mine": Mine}') -> str:
    return FUSION.format(options=options, hook=hook, returned=returned)


BROKEN = {
    "import": (
        "import nothing_there",
        "No module named 'nothing_there' (broken.py, line 1); install the package that provides 'nothing_there'",
    ),
    "name of a newer ercfw": (
        "from ercfw import Tokenizer",
        "(broken.py, line 1); ercfw 0.1.0 has no such name: use another version of ercfw or of the plugin",
    ),
    "module of a newer ercfw": ("import ercfw.tokenizers", "ercfw 0.1.0 has no such name"),
    "hook of a newer ercfw": (
        fusion(hook="provide_tokenizers"),
        "there is no hook 'provide_tokenizers' in ercfw 0.1.0",
    ),
    "syntax": ("def f(:", "SyntaxError"),
    "exit": ("import sys\nsys.exit(3)", "SystemExit: 3 (broken.py, line 2)"),
    "no hook": ("x = 1", "implements no hook of ercfw (is @hookimpl missing?)"),
    "misspelt hook": (
        fusion(hook="provide_fusion"),
        "there is no hook 'provide_fusion' in ercfw 0.1.0 (did you mean 'provide_fusions'? known: add_commands, ",
    ),
    "argument of a hook": (
        fusion(hook="provide_fusions").replace("fusions()", "fusions(app)"),
        "hook 'provide_fusions': Argument(s) {'app'} are declared",
    ),
    "returns a list": (fusion(returned="[Mine]"), "provide_fusions returned list"),
    "returns an object": (
        fusion(returned='{"mine": Mine({}, None)}'),
        "'mine' is not a subclass of FusionBlock: derive it",
    ),
    "another kind": (fusion(hook="provide_heads"), "head 'mine' is not a subclass of Head"),
    "name": (fusion(returned='{"My_Fusion": Mine}'), "the name must be kebab-case"),
    "no text": (fusion(returned="{3: Mine}"), "the name must be kebab-case"),
    "raises": (fusion(returned="1 / 0"), "ZeroDivisionError: division by zero (broken.py, line 14)"),
    "no forward": (fusion().replace("def forward", "def foward"), "fusion 'mine' does not implement forward"),
    "positional option": (fusion(options=", width=3"), "must be constructed with (dims, info, *, options)"),
    "untyped option": (fusion(options=", *, width=3"), "option 'width' has no type hint"),
    "core's name": (fusion(options=", *, weight: float = 1.0"), "an option cannot be named 'weight'"),
    "pydantic's name": (fusion(options=", *, schema: str = ''"), "an option cannot be named 'schema'"),
    "metric": (fusion(hook="provide_metrics", returned='{"mine": 3}'), "metric 'mine' is not callable"),
    "abstract": (
        "from ercfw import Dataset, hookimpl\nclass Mine(Dataset): ...\n"
        "@hookimpl\ndef provide_datasets():\n    return {'mine': Mine}\n",
        "dataset 'mine' does not implement split",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_says_why_and_the_others_work(case, plugin_file):
    code, reason = BROKEN[case]
    files = [plugin_file(code, "broken"), plugin_file(fusion(), "works")]
    found = load_catalog(map(read_plugin_file, files))
    broken, works = found.plugins[-2:]
    assert reason in broken.failure
    assert not broken.components
    assert works.failure is None
    assert found.find("fusion", "mine", "").plugin == "works"


def test_every_kind_has_a_hook_and_all_of_ercfw_s_own_plugins_work():
    found = load_catalog()
    assert [plugin.failure for plugin in found.plugins if plugin.origin == "ercfw"] == [None] * 6
    assert all(found.names(kind) for kind in KINDS if kind != "model")


class Entry:
    """What importlib.metadata finds of somebody's package."""

    dist = None

    def __init__(self, name: str, path: Path) -> None:
        self.name, self._path = name, path

    def load(self) -> object:
        return read_plugin_file(self._path).execute()


@pytest.fixture
def installed(monkeypatch, plugin_file):
    """Makes these the only further installed plugins, by name."""
    own = list(importlib.metadata.entry_points(group="ercfw"))

    def install(**code: str) -> None:
        entries = [Entry(name, plugin_file(text, name)) for name, text in code.items()]
        monkeypatch.setattr(catalog, "_entry_points", lambda: [*own, *entries])

    return install


def test_a_broken_installed_plugin_is_named_and_fatal_only_to_who_needs_it(installed, cli, tiny_recipe):
    installed(bad="import nothing_there")
    listed = cli("plugins")
    assert listed.code == 0
    assert "BROKEN: ModuleNotFoundError: No module named 'nothing_there'" in listed.out
    assert cli("validate", tiny_recipe()).code == 0
    needs = cli("validate", tiny_recipe(), "fusion.use=mine")
    assert needs.code == 2
    assert "there is no fusion named 'mine'" in needs.err
    assert "(plugin 'bad' is broken: ModuleNotFoundError: No module named 'nothing_there'" in needs.err


def test_two_plugins_of_one_name(installed, cli, tiny_recipe):
    installed(one=fusion(), two=fusion())
    assert cli("validate", tiny_recipe()).code == 0
    ended = cli("validate", tiny_recipe(), "fusion.use=mine")
    assert ended.code == 2
    assert "fusion 'mine' is offered by 'one' and 'two'" in ended.err
    assert "or block one with ERCFW_PLUGINS=-two" in ended.err
    listed = cli("plugins", "--strict")
    assert listed.code == 1
    assert "CLAIMED TWICE: fusion 'mine' is offered by 'one' and 'two'" in listed.out


@pytest.mark.parametrize(
    ("choice", "there"),
    [
        ("-two", ["baselines", "basics", "datasets", "formats", "media", "multiemo", "one"]),
        ("basics, one", ["basics", "one"]),
        ("basics,-one", ["basics"]),
        ("", ["baselines", "basics", "datasets", "formats", "media", "multiemo", "one", "two"]),
    ],
)
def test_the_environment_chooses_plugins(installed, monkeypatch, choice, there):
    installed(one=fusion(), two=fusion())
    monkeypatch.setenv("ERCFW_PLUGINS", choice)
    found = load_catalog()
    assert [plugin.name for plugin in found.plugins] == there
    if "one" in there and "two" not in there:
        assert found.find("fusion", "mine", "").plugin == "one"


def test_the_environment_names_no_plugin(monkeypatch, cli):
    monkeypatch.setenv("ERCFW_PLUGINS", "basic")
    cli("ls").check(2, "ERCFW_PLUGINS: there is no plugin 'basic'..did you mean 'basics'?")


def test_strict_is_for_continuous_integration(installed, cli):
    assert cli("plugins", "--strict").code == 0
    installed(bad="import nothing_there")
    assert cli("plugins", "--strict").code == 1
    assert cli("plugins", "--strict", "--json").code == 1
    assert cli("plugins").code == 0


def test_components_leaves_out_what_two_plugins_claim(plugin_file):
    metric = "from ercfw import hookimpl\n@hookimpl\ndef provide_metrics():\n    return {'mine': max}\n"
    found = load_catalog([read_plugin_file(plugin_file(metric, "one")), read_plugin_file(plugin_file(metric, "two"))])
    assert "mine" in found.names("metric")
    assert "mine" not in [component.name for component in found.components("metric")]


@pytest.mark.parametrize(
    ("needs", "fits"),
    [
        ("ercfw>=0.1", True),
        ("ercfw", True),
        ("torch>=99", True),
        ("ercfw>=9; python_version < '3'", True),
        ("ercfw[media]>=9; extra == 'dev'", True),
        ("ercfw>=0.9", False),
        ("Ercfw[text]<0.1", False),
        ("ercfw >> 1", False),
    ],
)
def test_a_plugin_for_another_version_is_not_loaded(needs, fits, installed, plugin_file, monkeypatch, tmp_path):
    folder = tmp_path / "somebody-2.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Name: somebody\nVersion: 2.0\nRequires-Dist: {needs}\n")
    monkeypatch.setattr(Entry, "dist", importlib.metadata.Distribution.at(folder))
    installed(mine=fusion())
    (found,) = [plugin for plugin in load_catalog().plugins if plugin.name == "mine"]
    assert bool(found.components) is fits
    if not fits:
        wanted = (
            f"somebody 2.0 requires {needs}, but ercfw 0.1.0 is installed"
            if ">>" not in needs
            else "InvalidRequirement"
        )
        assert wanted in found.failure


EVENTS = """\
from ercfw import hookimpl

@hookimpl
def {hook}({argument}):
    {body}
"""


def test_a_command_of_a_plugin_and_one_that_raises(installed, cli):
    adds = 'app.command("hello")(lambda: print("hello from afar"))'
    installed(
        bad=EVENTS.format(hook="add_commands", argument="app", body="1 / 0"),
        good=EVENTS.format(hook="add_commands", argument="app", body=adds),
    )
    ended = cli("hello")
    assert (ended.code, ended.out) == (0, "hello from afar\n")
    assert "warning: plugin 'bad': add_commands failed: ZeroDivisionError" in ended.err


@pytest.mark.parametrize(
    ("hook", "argument", "key"), [("epoch_finished", "epoch", "selected"), ("run_finished", "metrics", "scores")]
)
def test_events_reach_every_plugin_whoever_raises(hook, argument, key, installed, cli, tiny_recipe, tmp_path):
    writes = f'open(r"{tmp_path}/reported", "a").write(f"{{folder.name}} {{\'{key}\' in {argument}}}\\n")'
    arguments = f"folder, {argument}"
    installed(
        aaa=EVENTS.format(hook=hook, argument=arguments, body="raise RuntimeError('no luck')"),
        zzz=EVENTS.format(hook=hook, argument=arguments, body=writes),
    )
    ended = cli("run", tiny_recipe(), "train.epochs=2", "--json")
    assert ended.code == 0
    assert len(json.loads(ended.out)) == 1
    assert f"warning: plugin 'aaa': {hook} failed: RuntimeError: no luck" in ended.err
    times = 2 if hook == "epoch_finished" else 1
    assert (tmp_path / "reported").read_text() == "seed-0 True\n" * times


def test_plugin_files_are_found_beside_the_recipe_and_all_that_are_not_are_reported(tmp_path, plugin_file):
    path = plugin_file("")
    assert plugin_files(["./mine.py", "mine.py"], tmp_path, "r.toml: plugins") == [path]
    with pytest.raises(InputError) as raised:
        plugin_files(["no.py", "neither.py"], tmp_path, "r.toml: plugins")
    assert [mistake.where for mistake in raised.value.mistakes] == ["r.toml: plugins"] * 2
