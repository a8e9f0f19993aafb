"""Quoted scores beside own runs: where they stand, how they are marked, and what a note says of them."""

import json
from dataclasses import replace

import pytest

import ercfw
from ercfw import InputError, Quoted
from ercfw.contract.metric import ERROR
from ercfw.report.latex_table import as_latex
from ercfw.report.result_tables import as_csv, as_markdown, in_terminal
from ercfw.results.comparison.compare import comparable_tables
from ercfw.results.comparison.make_table import make_table
from ercfw.results.comparison.reported_scores import with_quoted
from ercfw.results.finished_run import find_groups
from ercfw_multiemo import quote_scores


@pytest.fixture
def group(runs):
    return find_groups([runs / "base"])[0]


def real(run):
    """The same run as if its data were real."""
    data = replace(run.metrics.data, simulated=False)
    return replace(run, metrics=run.metrics.model_copy(update={"data": data}))


def reading(run, *streams):
    """The same run as if it read these streams."""
    summary = next(iter(run.metrics.streams.values()))
    return replace(run, metrics=run.metrics.model_copy(update={"streams": dict.fromkeys(streams, summary)}))


def quote(run, **changes):
    about = {
        "dataset": "simulated",
        "target": "emotion",
        "protocol": "dev",
        "scores": {"Theirs": {"weighted-f1": 61.5}},
    }
    return Quoted(**{"source": "A paper, table 9", "utterances": run.metrics.size("test").labels, **about, **changes})


def names(table):
    return [line.name for line in table.lines]


def test_a_plugin_that_states_neither_streams_nor_features_still_works(group):
    run = real(group.first)
    labels = run.metrics.size("test").labels
    old = Quoted("A paper", "simulated", "emotion", labels, "dev", {"Theirs": {"weighted-f1": 61.5}})
    table = with_quoted(make_table([group], "test", "emotion"), [run], [old])
    assert names(table) == ["Theirs (quoted)", "base"]
    assert "(protocol dev): Theirs (streams not stated; features not stated)." in table.notes[-1]


def test_shares_are_quoted_in_points_and_errors_in_their_own_unit(group):
    run = real(group.first)
    known = quote(run, scores={"Theirs": {"weighted-f1": 61.5, "mae": 0.88}})
    own = make_table([group], "test", "emotion")
    wider = replace(own, metrics=[*own.metrics, "mae"], scales={**own.scales, "mae": ERROR})
    line = with_quoted(wider, [run], [known]).lines[0]
    cells = dict(zip(wider.columns, line.cells, strict=True))
    assert cells["weighted-f1"].mean == pytest.approx(0.615)
    assert cells["mae"].mean == pytest.approx(0.88)


def test_scores_of_other_streams_than_the_runs_are_marked(group):
    run = real(group.first)
    plain = make_table([group], "test", "emotion")
    streams = tuple(run.metrics.streams)
    assert len(streams) > 1
    same, other = (quote(run, streams={"Theirs": each}) for each in (streams[::-1], streams[:1]))
    assert names(with_quoted(plain, [run], [same])) == ["Theirs (quoted)", "base"]  # in any order
    assert names(with_quoted(plain, [run], [other])) == [f"Theirs (quoted; {streams[0]})", "base"]
    some = [run, reading(run, streams[0])]  # a table of variants that read other streams
    for each in (same, other):
        assert names(with_quoted(plain, some, [each]))[0] == f"Theirs (quoted; {', '.join(each.streams['Theirs'])})"
    unknown = reading(run)  # an ensemble
    assert names(with_quoted(plain, [unknown], [same]))[0] == f"Theirs (quoted; {', '.join(streams[::-1])})"


def test_notes_state_source_protocol_streams_and_features(group):
    run = real(group.first)
    scores = {name: {"weighted-f1": 61.5} for name in ("Theirs", "Theirs w/o half", "Cited")}
    about = {
        "scores": scores,
        "streams": {"Theirs": ("text", "audio"), "Theirs w/o half": ("text",)},
        "features": {"Theirs": "BERT, openSMILE"},
    }
    note = with_quoted(make_table([group], "test", "emotion"), [run], [quote(run, **about)]).notes[-1]
    assert note == (
        "Quoted from A paper, table 9, not measured here (protocol dev): "
        "Theirs (text, audio; features: BERT, openSMILE); Theirs w/o half (text; features not stated); "
        "Cited (streams not stated; features not stated)."
    )


def test_scores_of_another_protocol_stand_at_the_end_and_only_if_asked_for(group):
    run = real(group.first)
    plain = make_table([group], "test", "emotion")
    theirs = [quote(run, protocol="release"), quote(run, source="Another", scores={"Same": {"accuracy": 50.0}})]
    silent = with_quoted(plain, [run], theirs)
    assert names(silent) == ["Same (quoted)", "base"]
    assert "protocol release, and these runs protocol dev; ercfw compare --quote" in silent.left_out[-1]
    asked = with_quoted(plain, [run], theirs, quote=True)
    assert names(asked) == ["Same (quoted)", "base", "Theirs (quoted; protocol release)"]
    assert asked.lines[-1].cells[len(plain.classes)].mean == 0.615
    assert asked.lines[-1].is_quoted
    assert not asked.left_out
    assert "do not compare" in asked.notes[-1]
    assert asked.lines[1] == plain.lines[0]  # nothing about the run itself changes
    other = quote(run, protocol="release", streams={"Theirs": ("text",)})
    assert names(with_quoted(plain, [run], [other], quote=True))[-1] == "Theirs (quoted; text; protocol release)"


def test_asking_never_shows_scores_beside_simulated_data_dev_or_other_utterances(group):
    run = group.first
    plain = make_table([group], "test", "emotion")
    theirs = quote(run, protocol="release")
    of_dev = make_table([group], "dev", "emotion")
    for table, runs, quoted, why in [
        (plain, [run], [theirs], "these runs used simulated data"),
        (plain, [real(run), run], [theirs], "these runs used simulated data"),
        (of_dev, [real(run)], [theirs], "they are for test, and this table is for dev"),
        (plain, [real(run)], [], "no plugin quotes any for simulated and the target emotion"),
    ]:
        note = f"No quoted scores are shown: {why}."
        assert with_quoted(table, runs, quoted, quote=True) == replace(table, left_out=[note])
        assert with_quoted(table, runs, quoted) == table  # nobody asked
    refused = with_quoted(plain, [real(run)], [quote(run, protocol="release", utterances=3)], quote=True)
    assert refused.lines == plain.lines
    assert "cover 3 utterances" in refused.left_out[-1]


def test_scores_of_other_classes_are_never_shown(group):
    """Merged classes keep the number of utterances, so the number alone does not tell them apart."""
    run = real(group.first)
    plain = make_table([group], "test", "emotion")
    same = quote(run, classes=plain.classes[::-1])
    assert names(with_quoted(plain, [run], [same])) == ["Theirs (quoted)", "base"]
    merged = with_quoted(plain, [run], [quote(run, classes=(*plain.classes[2:], "both"))], quote=True)
    assert names(merged) == ["base"]
    assert "they have other classes than these runs" in merged.left_out[-1]
    assert all(each.classes for each in quote_scores())


def test_a_rule_or_the_end_sets_them_apart_in_every_format(group):
    run = real(group.first)
    table = with_quoted(make_table([group], "test", "emotion"), [run], [quote(run, protocol="release")], quote=True)
    name = "Theirs (quoted; protocol release)"
    rows = [line for line in as_latex(table).splitlines() if line == r"\midrule" or line.startswith(("base", "Theirs"))]
    assert [row.split(" ")[0] for row in rows[:4]] == [r"\midrule", "base", r"\midrule", "Theirs"]
    markdown = [line for line in as_markdown(table).splitlines() if line.startswith("|")]
    assert markdown[-1].startswith(f"| {name} |")
    assert as_csv(table).splitlines()[-1].split(",")[2:4] == [name, "quoted"]
    assert [row.end_section for row in in_terminal(table)[1].rows] == [True, False]


def test_every_run_of_the_table_counts(runs):
    groups = find_groups([runs / "base", runs / "w-o-audio"])
    groups = [replace(group, runs=tuple(map(real, group.runs))) for group in groups]
    streams = tuple(groups[0].first.metrics.streams)
    assert set(groups[1].first.metrics.streams) != set(streams)
    theirs = quote(groups[0].first, streams={"Theirs": streams})
    (table,) = comparable_tables(groups, "test", [theirs])
    assert names(table)[0] == f"Theirs (quoted; {', '.join(streams)})"
    (table,) = comparable_tables(groups, "test", [replace(theirs, protocol="release")], quote=True)
    assert names(table)[-1] == f"Theirs (quoted; {', '.join(streams)}; protocol release)"


def test_quoted_rows_can_be_requested_on_the_command_line_and_in_python(cli, runs, monkeypatch):
    groups = find_groups([runs / "base", runs / "w-o-audio"])
    groups = [replace(group, runs=tuple(map(real, group.runs))) for group in groups]
    theirs = quote(groups[0].first, protocol="release")
    monkeypatch.setattr("ercfw.report.compare.find_quoted", lambda _: ([theirs], []))
    monkeypatch.setattr("ercfw.experiment.api._groups", lambda _: groups)
    monkeypatch.setattr("ercfw.results.finished_run.find_groups", lambda _: groups)
    words = ("compare", runs / "base", runs / "w-o-audio")
    for more, quoted in (((), []), (("--quote",), ["Theirs (quoted; protocol release)"])):
        (table,) = json.loads(cli(*words, *more, "--json").out)["tables"]
        assert [line["name"] for line in table["lines"]] == ["base", "w/o audio", *quoted]
        assert bool(table["left_out"]) != bool(quoted)
        (table,) = ercfw.compare(runs, quote=bool(quoted)).tables
        assert names(table) == ["base", "w/o audio", *quoted]
    cli(*words, "--quote", "--side-by-side").check(2, "quote: a table side by side has no quoted rows")
    with pytest.raises(InputError, match="side by side"):
        ercfw.compare(runs, side_by_side=True, quote=True)


def test_an_ablation_can_show_quoted_rows(cli, runs, tiny_recipe, monkeypatch):
    groups = find_groups([runs / "base"])
    groups = [replace(group, runs=tuple(map(real, group.runs))) for group in groups]
    finished = {
        "prepare": lambda *_: [],
        "run_all": lambda *_: {},
        "_groups": lambda *_: groups,
        "find_quoted": lambda _: ([quote(groups[0].first, protocol="release")], []),
    }
    for name, answer in finished.items():
        monkeypatch.setattr(f"ercfw.experiment.ablate.{name}", answer)
    recipe = tiny_recipe()
    for more, quoted in (((), []), (("--quote",), ["Theirs (quoted; protocol release)"])):
        ended = cli("ablate", recipe, "--seeds", "1", "--json", *more)
        (table,) = json.loads(ended.out)["tables"]
        assert [line["name"] for line in table["lines"]] == ["base", *quoted]
        (table,) = ercfw.ablate(recipe, seeds=1, quote=bool(quoted)).tables
        assert names(table) == ["base", *quoted]


SPECIFIED = {
    "iemocap": {"text": 64.48, "audio": 38.89, "visual": 35.37, "text audio": 69.18, "text visual": 67.86},
    "meld": {"text": 61.23, "audio": 33.55, "visual": 33.16, "text audio": 64.21, "text visual": 63.78},
}
"""The weighted F1 in table 3 of the MultiEMO paper; its last row is in tables 1 and 2."""


@pytest.mark.parametrize(("corpus", "utterances", "whole"), [("iemocap", 1623, 72.84), ("meld", 2610, 66.74)])
def test_table_3_of_the_paper_is_quoted_as_printed(corpus, utterances, whole):
    of_corpus = [each for each in quote_scores() if each.dataset == corpus]
    third = [each for each in of_corpus if each.source.endswith("table 3")]
    assert {" ".join(each.streams["MultiEMO"]): each.scores["MultiEMO"]["weighted-f1"] for each in third} == (
        SPECIFIED[corpus]
    )
    assert {(each.target, each.utterances, each.protocol) for each in of_corpus} == {("emotion", utterances, "release")}
    (first,) = [each for each in of_corpus if each not in third]
    assert first.scores["MultiEMO"]["weighted-f1"] == whole
    assert first.streams["MultiEMO"] == ("text", "audio", "visual")
    assert "VisExtNet" in first.features["MultiEMO"]
    assert "VisExtNet" not in first.features["MultiEMO w/o VisExtNet"]
    assert "DialogueRNN" not in first.streams  # the paper does not say what the methods read that it cites
