"""A plugin outlives a version of ercfw: unknown hooks and deprecated ones are warnings, a newer API is one failure."""

import importlib.metadata
import json
import warnings

import pytest

from ercfw import PLUGIN_API
from ercfw.contract import hooks
from ercfw.contract.deprecated import deprecation
from ercfw.registry import catalog
from ercfw.registry.catalog import load_catalog
from ercfw.registry.plugin_file import read_plugin_file

METRIC = """\
from ercfw import hookimpl

def mine(true, probabilities, classes):
    return 0.5

@hookimpl{arguments}
def {hook}():
    return {{"mine": mine}}
"""
UNKNOWN = """
@hookimpl{arguments}
def {hook}():
    return {{}}
"""


def metric(hook: str = "provide_metrics", arguments: str = "", more: str = "") -> str:
    return METRIC.format(hook=hook, arguments=arguments) + more


def unknown(hook: str = "provide_tokenizers", arguments: str = "") -> str:
    return UNKNOWN.format(hook=hook, arguments=arguments)


@pytest.fixture
def loaded(plugin_file):
    def load(code: str):
        return load_catalog([read_plugin_file(plugin_file(code))]).plugins[-1]

    return load


def test_an_unknown_hook_is_a_warning_and_the_plugin_works(loaded):
    plugin = loaded(metric(more=unknown()))
    assert plugin.failure is None
    assert [component.name for component in plugin.components] == ["mine"]
    (warning,) = plugin.warnings
    assert warning.startswith("there is no hook 'provide_tokenizers' in ercfw 0.1.0 (did you mean ")
    assert warning.endswith("it is never called; @hookimpl(optionalhook=True) silences this warning")


def test_a_misspelt_hook_is_recognised(loaded):
    (warning,) = loaded(metric(more=unknown("provide_fusion"))).warnings
    assert "did you mean 'provide_fusions'? known: add_commands, " in warning


def test_each_unknown_hook_has_its_warning(loaded):
    found = loaded(metric(more=unknown("provide_a") + unknown("provide_b"))).warnings
    assert ["provide_a" in warning for warning in found] == [True, False]
    assert ["provide_b" in warning for warning in found] == [False, True]


def test_an_optional_hook_is_silent(loaded):
    plugin = loaded(metric(more=unknown(arguments="(optionalhook=True)")))
    assert (plugin.failure, plugin.warnings) == (None, [])
    assert plugin.components


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (
            "from ercfw import hookimpl\n" + unknown(),
            "implements no hook of ercfw: there is no hook 'provide_tokenizers' in ercfw 0.1.0",
        ),
        (
            "from ercfw import hookimpl\n" + unknown() + unknown("other", "(optionalhook=True)"),
            "implements no hook of ercfw: there is no hook 'provide_tokenizers' in ercfw 0.1.0",
        ),
        ("from ercfw import hookimpl\n", "implements no hook of ercfw (is @hookimpl missing?)"),
    ],
)
def test_a_plugin_of_unknown_hooks_alone_fails(code, failure, loaded):
    plugin = loaded(code)
    assert failure in plugin.failure
    assert not plugin.warnings


def test_a_plugin_of_optional_hooks_alone_offers_nothing_and_is_not_broken(loaded):
    plugin = loaded("from ercfw import hookimpl\n" + unknown(arguments="(optionalhook=True)"))
    assert (plugin.failure, plugin.warnings, plugin.components) == (None, [], [])


@pytest.mark.parametrize(
    "words", [("run",), ("validate",), pytest.param(("ablate", "--seeds", "1"), marks=pytest.mark.slow)]
)
def test_a_warning_is_shown_once(words, cli, plugin_file, tiny_recipe):
    plugin_file(metric(more=unknown()))
    variants = '[[variant]]\nname = "wide"\nset = { fusion = { use = "sum" } }\n'
    recipe = tiny_recipe(variants, top="plugins = ['./mine.py']\n")
    ended = cli(words[0], recipe, *words[1:])
    assert ended.code == 0, ended.err
    assert ended.err.count("warning: plugin 'mine': there is no hook 'provide_tokenizers' in ercfw 0.1.0") == 1


def test_installed_plugins_are_warned_of_too(cli, plugin_file, monkeypatch):
    path = plugin_file(metric(more=unknown()))
    own = list(importlib.metadata.entry_points(group="ercfw"))

    class Entry:
        name, dist = "theirs", None

        def load(self):
            return read_plugin_file(path).execute()

    monkeypatch.setattr(catalog, "_entry_points", lambda: [*own, Entry()])
    listed = cli("ls", "metric")
    assert "mine" in listed.out
    assert listed.err.count("warning: plugin 'theirs': there is no hook 'provide_tokenizers'") == 1
    assert "  warning: there is no hook 'provide_tokenizers' in ercfw" in cli("plugins").out
    (theirs,) = [p for p in json.loads(cli("plugins", "--json").out) if p["name"] == "theirs"]
    assert len(theirs["warnings"]) == 1
    assert cli("plugins", "--strict").code == 0


def test_ercfw_s_own_plugins_have_no_warnings():
    assert load_catalog().warnings == []


@pytest.fixture
def renamed(monkeypatch):
    """A later ercfw, in which ``provide_scores`` is the old name of ``provide_metrics``."""

    def provide_scores():
        """Metrics, under the old name."""

    old = deprecation("provide_scores", since="0.2", remove_in="0.4", instead="provide_metrics")
    monkeypatch.setattr(hooks, "provide_scores", hooks.hookspec(warn_on_impl=old)(provide_scores), raising=False)
    monkeypatch.setattr(catalog, "RENAMED_HOOKS", {"provide_scores": "provide_metrics"})


def test_a_deprecated_hook_warns_and_works(renamed, loaded):
    with pytest.warns(DeprecationWarning, match="provide_scores is deprecated"):
        plugin = loaded(metric("provide_scores"))
    assert plugin.warnings == [
        "provide_scores is deprecated since ercfw 0.2 and will be removed in 0.4: use provide_metrics"
    ]
    assert [(c.kind, c.name) for c in plugin.components] == [("metric", "mine")]


def test_a_plugin_for_both_versions_is_not_warned_of_and_offers_its_parts_once(renamed, loaded):
    both = metric(more=UNKNOWN.format(hook="provide_scores", arguments="").replace("{}", "{'old': mine}"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        plugin = loaded(both)
    assert plugin.warnings == []
    assert [(c.kind, c.name) for c in plugin.components] == [("metric", "mine")]


def test_a_wrong_answer_names_the_hook_that_gave_it(renamed, loaded):
    with pytest.warns(DeprecationWarning, match="provide_scores"):
        plugin = loaded(metric("provide_scores").replace('{"mine": mine}', "[mine]"))
    assert "provide_scores returned list" in plugin.failure


@pytest.mark.parametrize(
    ("stated", "failure"),
    [
        ("1", None),
        (
            "2",
            "was written for plugin API 2, but ercfw 0.1.0 has plugin API 1: "
            "upgrade ercfw, or install an older version of the plugin",
        ),
        ("0", "ercfw_plugin_api is 0, but must be a whole number from 1 to 1"),
        ("True", "ercfw_plugin_api is True"),
        ("'1'", "ercfw_plugin_api is '1'"),
    ],
)
def test_a_plugin_states_the_api_that_it_was_written_for(stated, failure, loaded):
    assert PLUGIN_API == 1
    plugin = loaded(metric(more=f"\nercfw_plugin_api = {stated}\n"))
    assert (failure is None) is (plugin.failure is None)
    assert failure is None or failure in plugin.failure
    assert bool(plugin.components) is (failure is None)


def test_a_newer_api_is_the_one_failure_that_is_reported(loaded):
    plugin = loaded(metric("provide_tokenizers", more="\nercfw_plugin_api = 2\n"))
    assert "plugin API 2" in plugin.failure
    assert "provide_tokenizers" not in plugin.failure
