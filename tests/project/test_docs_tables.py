"""Every table that repeats the code agrees with it, and every link leads somewhere."""

import json
import re
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from ercfw.contract import hooks
from ercfw.recipe.schema import (
    DataPart,
    FeaturePart,
    LossPart,
    MetricPart,
    Missing,
    Recipe,
    RunSettings,
    Teacher,
    Variant,
)
from ercfw.recipe.search_space import Range, Tune
from ercfw.recipe.shipped import shipped_recipes
from ercfw.recipe.train_tables import ParameterGroup, Train
from ercfw.registry.catalog import KINDS, load_catalog
from ercfw.report import plots
from ercfw.testing.conformance_kit import CHECKS, SLOW_CHECKS

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *sorted(f"docs/{p.name}" for p in CHECKOUT.glob("docs/*.md"))]


@pytest.mark.pictures
def test_what_a_run_leaves_is_what_the_page_lists(tiny_recipe, cli):
    (metrics,) = json.loads(cli("run", tiny_recipe(), "--json").out)
    left = {path.name for path in Path(metrics["folder"]).iterdir()}
    listed = {name for row in table_under("README.md", "What a run leaves behind") for name in names_in(row[0])}
    assert {re.sub(r"^confusion_.*", "confusion_*.png", name) for name in left} == listed


def table_under(page, heading):
    """The rows of the first table below a heading, without its head."""
    text = (CHECKOUT / page).read_text(encoding="utf-8")
    section = re.split(rf"^#+ {re.escape(heading)}$", text, flags=re.MULTILINE)[1]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()[2:]]


def names_in(cell):
    return re.findall(r"`([^`]+)`", cell)


def written(field):
    """A field's default as the guide writes it."""
    if field.default_factory is not None:
        return "none"
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None:
        return "none"
    return f"`{json.dumps(field.default)}`"


@pytest.mark.parametrize(
    ("heading", "model", "apart"),
    [
        (
            "At the top",
            Recipe,
            {
                "data",
                "features",
                "encoder",
                "context",
                "fusion",
                "head",
                "model",
                "loss",
                "train",
                "run",
                "tune",
                "teacher",
                "callback",
                "metric",
            },
        ),
        ("`[data]`", DataPart, set()),
        ("`[data.missing]`", Missing, set()),
        ("`[features.MODALITY]`", FeaturePart, set()),
        ("`[loss.NAME]`", LossPart, set()),
        ("`[metric.NAME]`", MetricPart, set()),
        ("`[teacher]`", Teacher, set()),
        ("`[train]`", Train, set()),
        ("`[train.groups.NAME]`", ParameterGroup, set()),
        ("`[run]`", RunSettings, set()),
        ("`[tune]`", Tune, set()),
        ("`[tune.space]`", Range, set()),
        ("`[[variant]]`", Variant, set()),
    ],
)
def test_keys_and_defaults_are_the_code_s(heading, model, apart):
    listed = {names_in(key)[0]: default for key, default, _ in table_under("docs/user_guide.md", heading)}
    fields = {f.alias or name: f for name, f in model.model_fields.items() if name not in apart | {"variant", "grid"}}
    assert list(listed) == list(fields)
    for name, field in fields.items():
        expected = "the table's name" if name == "use" and model in (LossPart, MetricPart) else written(field)
        said = listed[name]
        assert said == expected or json.loads(said.strip("`")) == json.loads(expected.strip("`")), name


def test_the_box_holds_what_the_page_lists():
    ours = {"baselines", "basics", "datasets", "formats", "media", "multiemo"}
    listed = {row[0]: set(names_in(row[1])) for row in table_under("README.md", "What is in the box")}
    catalog = load_catalog()
    there = {kind: {c.name for c in catalog.components(kind) if c.plugin in ours} for kind in KINDS}
    there["recipes"] = set(shipped_recipes())
    assert listed == there


def test_hooks_and_kinds_are_the_code_s():
    found = {name: value.ercfw_spec for name, value in vars(hooks).items() if hasattr(value, "ercfw_spec")}
    specified = [name for name, spec in found.items() if spec["warn_on_impl"] is None]
    assert [names_in(row[0])[0] for row in table_under("docs/plugin_author.md", "Hooks")] == specified
    contract = table_under("docs/plugin_author.md", "Arguments and results of each kind")
    assert {names_in(row[0])[0]: names_in(row[1]) for row in contract} == {
        kind: [base.__name__] if base else [] for kind, (_, base) in KINDS.items()
    }


def test_the_table_of_pictures_has_every_call():
    listed = {names_in(row[0])[0].partition("(")[0] for row in table_under("docs/reports.md", "In Python")}
    assert listed | {"save"} == set(plots.__all__)


def test_the_map_shows_every_package_and_its_paths_exist():
    page = (CHECKOUT / "docs/architecture.md").read_text(encoding="utf-8")
    tiers = page.partition("## Tiers")[2].partition("```text")[2].partition("```")[0]
    packages = {f"{path.parent.name}/" for path in (CHECKOUT / "ercfw").glob("*/__init__.py")}
    assert set(re.findall(r"^ *\d? +(\w+/)", tiers, re.MULTILINE)) == packages
    rows = table_under("docs/architecture.md", "Where do I change X?")
    named = [path for row in rows for path in names_in(row[1])]
    assert len(rows) >= 20
    assert [path for path in named if not (CHECKOUT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", (CHECKOUT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        path = (CHECKOUT / page).parent / target if target else CHECKOUT / page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_formats_and_their_streams_are_the_code_s():
    """Those of m2fnet are called as its folders are."""
    formats = {c.name: c.factory for c in load_catalog().components("format")}
    listed = {names_in(row[0])[0]: names_in(row[2]) for row in table_under("docs/data.md", "Import")}
    assert {name: sorted(slots) for name, slots in listed.items()} == {
        n: sorted(made.slots) for n, made in formats.items()
    }


def test_the_kit_s_checks_are_the_code_s():
    listed = {kind: row[1] for row in table_under("docs/plugin_author.md", "3. Tested") for kind in names_in(row[0])}
    for kind, checks in CHECKS.items():
        names = ", ".join(check.__name__.replace("_", " ") for check in checks)
        slow = ", ".join(check.__name__.replace("_", " ") for check in SLOW_CHECKS.get(kind, ()))
        assert listed.pop(kind) == (f"{names}; slow: {slow}" if slow else names)
    assert not listed
