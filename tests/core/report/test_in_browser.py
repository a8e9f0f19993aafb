"""The page in a real browser: nothing fails, filters filter, and the keyboard and a screen reader reach everything."""

import re
from collections import Counter

import pytest
from axe_playwright_python.sync_playwright import Axe

from ercfw.results.finished_run import open_run

from .conftest import AXE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def answers(runs, rows_of_test):
    return rows_of_test(runs / "attending" / "seed-0")


def shown(page):
    """How many utterances and conversations the page says that it shows."""
    return tuple(map(int, re.findall(r"\d+", page.locator("#count").inner_text())))


def is_wrong(row):
    return row["emotion"] != row["emotion.predicted"]


def test_two_targets_are_distinguished(opened, left_run, cli):
    rows = [
        {"conversation": "c", "utterance": str(n), "emotion": "joy", "emotion.predicted": "joy", "mood": mood,
         "mood.predicted": "calm", "mood.p.calm": "0.7", "mood.p.upset": "0.3"}
        for n, mood in enumerate(("calm", "upset", "upset"))
    ]  # fmt: skip
    scores = {"test": {"emotion": {"accuracy": 1.0}, "mood": {"accuracy": 1 / 3}}}
    folder = left_run(rows, ("joy", "anger"), scores=scores)
    assert cli("report", folder).code == 0
    found = opened(folder / "report.html")
    found.page.get_by_label("wrong predictions only").check()
    assert shown(found.page) == (0, 0)
    found.page.get_by_label("Target").select_option(label="mood")
    assert shown(found.page) == (2, 1)
    assert "predicted calm 70 %" in " ".join(found.page.locator("ol.utterances").inner_text().split())
    assert found.said == []


def test_the_list_says_what_its_numbers_count(opened, pages, answers):
    page = opened(pages / "run.html").page
    sizes = Counter(row["conversation"] for row in answers)
    first = next(iter(sizes))
    button = page.locator(f'#list button[data-id="{first}"]')
    assert button.inner_text().split() == [first, str(sizes[first]), "utterances"]
    page.get_by_label("wrong predictions only").check()
    wrong = sum(is_wrong(row) for row in answers if row["conversation"] == first)
    assert button.inner_text().split() == [first, str(wrong), "of", str(sizes[first]), "utterances"]


def test_filters_change_what_is_shown(opened, pages, answers):
    page = opened(pages / "run.html").page
    conversations = Counter(row["conversation"] for row in answers)
    assert shown(page) == (len(answers), len(conversations))
    page.get_by_label("wrong predictions only").check()
    wrong = [row for row in answers if is_wrong(row)]
    assert shown(page) == (len(wrong), len({row["conversation"] for row in wrong}))
    speaker = wrong[0]["speaker"]
    page.get_by_label("Speaker").select_option(speaker)
    both = [row for row in wrong if row["speaker"] == speaker]
    assert shown(page)[0] == len(both)
    assert page.locator("#list button").count() == len({row["conversation"] for row in both})
    page.get_by_role("button", name="Clear filters").click()
    assert shown(page) == (len(answers), len(conversations))
    page.get_by_label("Text contains").fill(answers[3]["text"])
    assert shown(page)[0] == sum(answers[3]["text"].lower() in row["text"].lower() for row in answers)
    page.get_by_label("Text contains").fill("nobody ever says this")
    assert shown(page) == (0, 0)
    assert page.locator("#pane").inner_text() == "No utterance matches the filters."


def test_a_cell_of_the_confusion_shows_its_utterances(opened, pages, answers):
    page = opened(pages / "run.html").page
    pairs = Counter((row["emotion"], row["emotion.predicted"]) for row in answers)
    (true, predicted), count = pairs.most_common(1)[0]
    drawn = [int(text) for text in page.locator("#matrix td").all_inner_texts()]
    assert sum(drawn) == len(answers)
    assert sorted(filter(None, drawn)) == sorted(pairs.values())
    page.get_by_role("button", name=f"Show {count} utterances of {true} predicted as {predicted}").click()
    assert shown(page)[0] == count
    assert page.locator("#by-true option:checked").inner_text() == true


def test_a_conversation_opens_with_its_answers_and_attention(opened, pages, answers):
    page = opened(pages / "run.html").page
    name = next(n for n, size in Counter(row["conversation"] for row in answers).items() if size > 2)
    own = [row for row in answers if row["conversation"] == name]
    page.locator(f'#list button[data-id="{name}"]').click()
    assert page.locator("#pane h3").inner_text() == f"Conversation {name}"
    items = page.locator("ol.utterances > li")
    assert items.count() == len(own)
    for item, row in zip(items.all(), own, strict=True):
        text = item.inner_text()
        assert row["speaker"] in text
        assert row["text"] in text
        assert f"true {row['emotion']}" in text
        assert ("wrong" in text) == is_wrong(row)
    items.nth(1).locator("button").first.click()
    tables = items.nth(1).locator("table")
    page.locator(".attention table").wait_for()
    lines = [line.split("\t") for line in tables.nth(0).inner_text().splitlines()[1:]]
    assert [line[0] for line in lines] == ["attending", "text alone", "audio alone"]
    assert all(sum(map(float, line[1:])) == pytest.approx(100, abs=0.5) for line in lines)
    body = tables.nth(1).locator("tbody tr")
    assert body.count() == len(own)
    columns = zip(*([int(cell) for cell in row.locator("td").all_inner_texts()] for row in body.all()), strict=True)
    assert all(abs(sum(column) - 100) <= len(own) for column in columns), "rounded shares of a whole"
    assert page.locator(".attention th[scope=col]").all_inner_texts()[1:] == [
        "layer 1, text → audio", "layer 2, text → audio", "layer 1, audio → text", "layer 2, audio → text",
    ]  # fmt: skip
    page.get_by_label("Head").select_option("0")
    assert body.count() == len(own)


def test_the_others_of_a_conversation_can_be_hidden(opened, pages, answers):
    page = opened(pages / "run.html").page
    page.get_by_label("wrong predictions only").check()
    before = page.locator("ol.utterances > li").count()
    page.get_by_label("hide other utterances").check()
    conversation = page.locator("#list button[aria-current]").get_attribute("data-id")
    wrong = sum(is_wrong(row) for row in answers if row["conversation"] == conversation)
    assert page.locator("ol.utterances > li").count() == wrong
    assert before == sum(row["conversation"] == conversation for row in answers)


def test_where_variants_answer_otherwise(opened, pages, runs):
    """By the means of three seeds: what the page shows where one variant differs from the other."""
    page = opened(pages / "variants.html").page
    means = []
    for variant in ("base", "w-o-audio"):
        seeds = [runs / variant / f"seed-{seed}" for seed in range(3)]
        said = [open_run(folder).answers("test", "emotion").values for folder in seeds]
        means.append(sum(said).argmax(1))
    page.get_by_label("Different from").select_option(label="w/o audio")
    assert shown(page)[0] == (means[0] != means[1]).sum() > 0
    page.get_by_label("Different from").select_option(label="base")
    assert shown(page)[0] == 0, "from itself it never does"


def test_splits_and_variants_can_be_chosen(opened, pages):
    page = opened(pages / "variants.html").page
    first = page.locator("#matrix td").all_inner_texts()
    page.get_by_label("Predictions of").select_option(label="w/o audio")
    caption = page.locator("#matrix caption").inner_text()
    assert caption.startswith("Confusion matrix: w/o audio, test")
    assert "averaged over seeds" in caption
    assert page.locator("#matrix td").all_inner_texts() != first
    test = shown(page)
    page.get_by_label("Split").select_option(label="dev")
    assert shown(page) != test
    assert page.locator("#list button").first.get_attribute("data-id").startswith("dev/")


def test_the_keyboard_does_it_all(opened, pages):
    page = opened(pages / "run.html").page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    reached = set()
    for _ in range(400):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
            )
        )
    wanted = {"theme", "by-true", "by-predicted", "by-speaker", "by-words", "by-mistakes", "by-only", "matrix", "list"}
    assert wanted <= reached
    page.locator("#list button").nth(1).focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.tagName") == "H3", "the conversation that was opened has the focus"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "false"


HOSTILE = {
    "html and other scripts": (
        ("<b>joy</b>", "غضب 😡"),
        [
            ("<img src=x onerror=\"window.hacked = 1\">", "</script><script>window.hacked = 2</script>"),
            ("مريم", "مرحبا بالعالم، كيف حالك؟ 😀🏳️‍🌈"), ("A & B", "'quoted' \"twice\" \\ ${1} {{ 2 }}\u2028"),
        ],
    ),
    "forty classes": (tuple(f"class {n}" for n in range(40)), [("Ann", f"text {n}") for n in range(50)]),
    "long names": (("x" * 300, "y " * 150), [("S" * 400, "W" * 5000), ("T", "words " * 2000)]),
    "one class": (("neutral",), [("Ann", "a"), ("Bob", "b")]),
    "no labels of dev": (("joy", "anger"), [("Ann", "a"), ("Bob", "b"), ("Ann", "dev")]),
    "one utterance": (("joy", "anger"), [("Ann", "a")]),
}  # fmt: skip


@pytest.mark.parametrize(("classes", "said"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
def test_nothing_breaks_the_page(opened, left_run, cli, classes, said):
    rows = [
        {"conversation": f"c <i>{n // 5}</i>", "utterance": str(n), "speaker": speaker, "text": text,
         "split": "dev" if text == "dev" else "test",
            "emotion": classes[n % len(classes)] if n != 1 and text != "dev" else "", "emotion.predicted": classes[-1]}
        for n, (speaker, text) in enumerate(said)
    ]  # fmt: skip
    folder = left_run(rows, classes, title="<h1>T</h1> " + classes[0])
    ended = cli("report", folder)
    assert ended.code == 0, ended.err
    for width in (390, 1280):
        found = opened(folder / "report.html", width)
        page = found.page
        assert shown(page)[0] == sum(row["split"] == "test" for row in rows)
        first = page.locator("ol.utterances > li > button").first
        first.click()
        assert said[0][1].split()[0] in first.inner_text()
        assert page.evaluate("window.hacked") is None
        assert found.said == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert not Axe().run(page, options=AXE).response["violations"]


def test_without_labels_there_is_nothing_to_be_wrong(opened, left_run, cli):
    rows = [{"conversation": "c", "utterance": str(n), "emotion": "", "emotion.predicted": "joy"} for n in range(3)]
    folder = left_run(rows, ("joy", "anger"), scores={})
    assert cli("report", folder).code == 0
    found = opened(folder / "report.html")
    assert "no label" in found.page.locator("ol.utterances").inner_text()
    found.page.get_by_label("wrong predictions only").check()
    assert shown(found.page) == (0, 0)
    assert found.said == []
