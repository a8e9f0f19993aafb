"""Every drawing opens, is not empty, and shows the numbers it is given."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from ercfw.errors import InputError
from ercfw.report import plots
from ercfw.report.plots import embedding
from ercfw.report.plots.attention import draw_attention, readable_name
from ercfw.report.plots.calibration import draw_calibration
from ercfw.report.plots.case import draw_case
from ercfw.report.plots.classes import draw_class_distribution, draw_class_f1
from ercfw.report.plots.confusion import draw_confusion
from ercfw.report.plots.curves import draw_learning_curves
from ercfw.report.plots.embedding import draw_embeddings
from ercfw.report.plots.forest import draw_forest
from ercfw.report.plots.style import as_svg, titled
from ercfw.results.comparison.calibration import calibrate
from ercfw.results.comparison.result_table import Cell, ResultLine, ResultTable

CLASSES = {
    "two": ("neutral", "joy"),
    "one": ("neutral",),
    "long": tuple(f"a very long name of class {n}, with $money$ and _more_" for n in range(7)),
    "forty": tuple(f"c{n}" for n in range(40)),
    "emoji and right to left": ("😀 joy", "غضب", "<b>anger</b>"),
}


def history(epochs, parts=("a", "b")):
    def line(n):
        losses = {name: 1 / (n + place) for place, name in enumerate(parts)}
        return {"epoch": n, "train_loss": losses, "watched_loss": losses, "selected": 0.3 + 0.01 * (n % 4)}

    return [line(n) for n in range(1, epochs + 1)]


def every_drawing(classes, rng):
    """Each kind of picture, of made-up numbers."""
    size, n = len(classes), 60
    labels, probabilities = rng.integers(0, size, n), rng.dirichlet(np.ones(size), n)
    counts = np.zeros((size, size))
    np.add.at(counts, (labels, probabilities.argmax(1)), 1)
    weights = {f"fusion.layer-{j}.{pair}": rng.dirichlet(np.ones(9), 4) for j in (1, 2) for pair in ("a.b", "b.a")}
    embeddings = {moment: rng.normal(size=(n, 6)).astype(np.float32) for moment in ("untrained", "best")}
    return {
        "distribution": draw_class_distribution({"train": list(range(size)), "test": [5] * size}, classes),
        "f1": draw_class_f1({"a": rng.random(size), "w/o $it$": rng.random(size)}, classes, {"a": np.full(size, 0.1)}),
        "confusion": draw_confusion(counts, classes),
        "curves": draw_learning_curves(history(3), 2, "emotion.weighted-f1", "dev"),
        "embeddings": draw_embeddings(embeddings, labels, classes),
        "attention": draw_attention(weights, [f"Ann: line {n} 😀 مرحبا $x$" for n in range(9)], 4),
        "case": draw_case({"text alone": probabilities[0], "all": probabilities[1]}, classes, int(labels[0])),
        "calibration": draw_calibration(calibrate("classes", labels, probabilities)),
        "forest": draw_forest(result_table(Cell(0.6, 0.01, (0.5, 0.7)), Cell(0.4)), {"majority $class$": 0.3}),
    }  # fmt: skip


@pytest.mark.parametrize(
    "classes",
    [pytest.param(each, id=name, marks=() if name == "two" else pytest.mark.slow) for name, each in CLASSES.items()],
)
@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
def test_pictures_open_and_are_not_empty(tmp_path, classes):
    title = (
        "A title that goes on for longer than a picture is wide, so that it has to be broken into lines, twice, $a_b$"
    )
    for name, figure in every_drawing(classes, np.random.default_rng(0)).items():
        path = tmp_path / f"{name}.png"
        plots.save(titled(figure, title, ["SIMULATED"]), path)
        with Image.open(path) as picture:
            assert "SIMULATED" in picture.text["Title"], name
            pixels = np.asarray(picture.convert("RGB")).astype(int)
        assert min(pixels.shape[:2]) > 150, name
        assert 0.01 < (pixels.min(-1) < 250).mean() < 0.95, name
        edges = np.concatenate([pixels[[0, -1]].reshape(-1, 3), pixels[:, [0, -1]].reshape(-1, 3)])
        assert (edges > 250).all(), f"{name}: nothing is cut off at the edge"


@pytest.mark.slow
@pytest.mark.tsne
def test_embeddings_keep_their_neighbours():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(3), 20)
    x = (np.eye(3)[groups] @ rng.normal(size=(3, 60)) * 8 + rng.normal(size=(60, 60))).astype(np.float32)
    flat = embedding.project(x)
    assert flat.shape == (60, 2)
    distances = np.linalg.norm(flat[:, None] - flat, axis=-1) + np.diag(np.full(60, np.inf))
    assert (groups[distances.argmin(1)] == groups).all()
    assert np.array_equal(embedding.project(x), flat)
    assert np.array_equal(embedding.project(x[:3]), x[:3, :2]), "too few points for t-SNE"


def test_the_distribution_shows_shares_of_the_labelled_and_counts():
    figure = draw_class_distribution({"train": [30, 10], "test": [0, 0]}, ("a", "b"))
    train, test = figure.axes
    assert [bar.get_width() for bar in train.patches] == [75, 25]
    assert [bar.get_width() for bar in test.patches] == [0, 0]
    assert [text.get_text() for text in train.texts] == ["30", "10"]
    assert train.get_title() == "train: 40"
    assert [label.get_text() for label in train.get_yticklabels()] == ["a", "b"]


def test_class_f1_is_a_mark_a_run_with_its_deviation():
    figure = draw_class_f1(
        {"x": np.array([0.5, 0.25]), "y": np.array([1.0, 0.0])}, ("a", "b"), {"x": np.array([0.1, 0.2])}
    )
    (axes,) = figure.axes
    x, y = (container.lines[0] for container in axes.containers)
    assert x.get_xdata().tolist() == [50, 25]
    assert y.get_xdata().tolist() == [100, 0]
    (bars,) = axes.containers[0].lines[2]
    assert [segment[:, 0].tolist() for segment in bars.get_segments()] == [
        pytest.approx([40, 60]),
        pytest.approx([5, 45]),
    ]
    assert not axes.containers[1].lines[2], "one seed has no deviation"


def test_error_bars_end_at_0_and_100():
    figure = draw_class_f1({"x": np.array([0.05, 0.97])}, ("a", "b"), {"x": np.array([0.1, 0.1])})
    (bars,) = figure.axes[0].containers[0].lines[2]
    ends = [segment[:, 0].tolist() for segment in bars.get_segments()]
    assert ends == [pytest.approx([0, 15]), pytest.approx([87, 100])]


def result_table(*cells):
    lines = [ResultLine(f"variant {n}", [Cell(0.5), cell], 0 if n == 9 else 2) for n, cell in enumerate(cells)]
    return ResultTable("T", "emotion", "test", ["joy"], ["weighted-f1"], lines, "variant 0", "dev")


def test_the_forest_shows_means_intervals_and_controls():
    table = result_table(Cell(0.6, 0.01, (0.5, 0.7)), Cell(0.4), None, Cell(0.02, 0.01, (0.0, 0.05)))
    figure = draw_forest(table, {"majority class": 0.3})
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["variant 0", "variant 1", "variant 3"]
    assert [each.lines[0].get_xdata().tolist() for each in axes.containers] == [[60], [40], [2]]
    intervals = [
        each.lines[2][0].get_segments()[0][:, 0].tolist() if each.lines[2] else None for each in axes.containers
    ]
    assert intervals == [pytest.approx([50, 70]), None, pytest.approx([0, 5])]
    assert axes.get_xlim()[0] >= -1
    assert axes.get_xlabel() == "weighted-f1, points"
    straight = {line.get_label(): set(line.get_xdata()) for line in axes.lines if len(set(line.get_xdata())) == 1}
    assert {30} in straight.values()
    assert "majority class 30.0" in straight
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["majority class 30.0"]


def test_the_forest_of_a_metric_with_another_range_shows_all_of_it():
    low, high = draw_forest(result_table(Cell(-0.4), Cell(1.7)), {}).axes[0].get_xlim()
    assert low < -40
    assert high > 170


def test_a_legend_reads_in_the_order_of_the_classes():
    classes = tuple("abcdefg")
    x = {"best epoch": np.random.default_rng(0).normal(size=(14, 3)).astype(np.float32)}
    figure = draw_embeddings(x, np.arange(14) % 7, classes)
    FigureCanvasAgg(figure).draw()
    texts = figure.legends[0].get_texts()
    places = {text.get_text(): text.get_window_extent() for text in texts}
    by_rows = sorted(places, key=lambda name: (-round(places[name].y0), places[name].x0))
    assert by_rows == list(classes)


def test_the_confusion_is_shaded_by_the_share_of_the_true_class():
    axes = draw_confusion(np.array([[3, 1], [0, 0]]), ("a", "b")).axes[0]
    assert [text.get_text() for text in axes.texts] == ["3", "1", "0", "0"]
    assert axes.images[0].get_array().tolist() == [[0.75, 0.25], [0, 0]]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("true", "predicted")


def test_the_curves_show_the_score_the_sum_and_each_loss():
    figure = draw_learning_curves(history(6), 3, "emotion.weighted-f1", "dev")
    score, total, a, b = figure.axes
    assert score.lines[0].get_ydata() == pytest.approx([31, 32, 33, 30, 31, 32])
    assert score.lines[1].get_xydata().tolist() == [[3, pytest.approx(33)]]
    assert score.texts[0].get_text() == "33.0"
    assert score.get_ylabel() == "emotion.weighted-f1 on dev"
    assert total.lines[0].get_ydata() == pytest.approx([1 / n + 1 / (n + 1) for n in range(1, 7)])
    assert a.lines[1].get_ydata() == pytest.approx([1 / n for n in range(1, 7)])
    assert (a.get_ylabel(), b.get_ylabel()) == ("a", "b")
    assert len(draw_learning_curves(history(1, ("ce",)), 1, "s", "dev").axes) == 2, "a single loss is the sum"


def test_of_many_losses_the_curves_show_the_first():
    figure = draw_learning_curves(history(2, [f"loss {n}" for n in range(5000)]), 1, "s", "dev")
    assert [axes.get_ylabel() for axes in figure.axes[2:]] == [f"loss {n}" for n in range(20)]
    assert figure.axes[-1].get_xlabel() == "epoch (4980 more losses: history.jsonl)"


def test_attention_rows_are_drawn_as_they_are_and_sum_to_1():
    weights = {f"fusion.layer-{j}.text.audio": np.random.default_rng(j).dirichlet(np.ones(5), 3) for j in (2, 1)}
    figure = draw_attention(weights, [f"Ann: {n}" for n in range(5)], 2)
    first, second = figure.axes[:2]
    assert np.asarray(first.images[0].get_array()) == pytest.approx(weights["fusion.layer-1.text.audio"].T), (
        "layers in order"
    )
    assert np.asarray(second.images[0].get_array()).sum(0) == pytest.approx(np.ones(3))
    assert first.get_title() == "fusion\nlayer 1\ntext → audio"
    labels = first.get_yticklabels()
    assert [label.get_text() for label in labels] == [f"Ann: {n}" for n in range(5)]
    assert [label.get_fontweight() for label in labels].index("bold") == 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fusion.layer-1.text.audio", "fusion, layer 1, text → audio"),
        ("context.text.layer-2", "context, text, layer 2"),
        ("model.words", "model, words"),
    ],
)
def test_maps_have_readable_names(name, words):
    assert readable_name(name) == words


def test_the_case_card_shows_probabilities_and_who_is_right():
    figure = draw_case({"text alone": np.array([0.75, 0.25]), "all": np.array([0.1, 0.9])}, ("joy", "anger"), 1)
    alone, together = figure.axes
    assert [bar.get_width() for bar in alone.patches] == [75, 25]
    assert alone.get_title() == "text alone\njoy 75 % ✗"
    assert together.get_title() == "all\nanger 90 % ✓"
    assert together.lines[0].get_ydata().tolist() == [1], "the truth is starred"
    unlabelled = draw_case({"all": np.array([0.1, 0.9])}, ("joy", "anger"), None)
    assert unlabelled.axes[0].get_title() == "all\nanger 90 %"


def test_embeddings_keep_neighbours_and_leave_out_the_unlabelled():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, -100], 40)
    x = (rng.normal(size=(120, 8)) + 20 * labels.clip(0)[:, None]).astype(np.float32)
    figure = draw_embeddings({"best": x}, labels, ("a", "b"))
    points = [np.asarray(collection.get_offsets()) for collection in figure.axes[0].collections]
    assert [len(of_class) for of_class in points] == [40, 40]
    middles = [of_class.mean(0) for of_class in points]
    spread = max(np.linalg.norm(of_class - m, axis=1).max() for of_class, m in zip(points, middles, strict=True))
    assert np.linalg.norm(middles[0] - middles[1]) > spread, "two clouds stay two clouds"


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_embeddings_of_hardly_any_utterance(rows):
    x = np.arange(4 * rows, dtype=np.float32).reshape(rows, 4)
    figure = draw_embeddings({"best": x, "untrained": np.zeros((rows, 4), np.float32)}, np.zeros(rows, int), ("a",))
    assert all(len(axes.collections[0].get_offsets()) == rows for axes in figure.axes)


def test_an_svg_holds_its_texts_and_two_of_them_share_no_id():
    from re import findall

    figures = [draw_confusion(np.array([[1]]), ("<b>joy</b> & 😀",)) for _ in "ab"]
    first, second = (as_svg(figure, salt) for figure, salt in zip(figures, "ab", strict=True))
    assert first.startswith("<svg")
    assert "&lt;b&gt;joy&lt;/b&gt; &amp; 😀" in first
    assert "<b>" not in first
    ids = [set(findall(r'id="(p[0-9a-f]{8,}|m[0-9a-f]{8,})"', text)) for text in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]


@pytest.mark.parametrize(
    ("name", "begin"), [("a.svg", b"<?xml"), ("b.PNG", b"\x89PNG"), ("c.pdf", b"%PDF"), ("d.Pdf", b"%PDF")]
)
def test_a_picture_has_the_format_that_its_name_says(tmp_path, name, begin):
    written = []
    for _ in range(2):
        plots.save(titled(draw_confusion(np.array([[1]]), ("joy",)), "T", ["SIMULATED"]), tmp_path / name)
        written.append((tmp_path / name).read_bytes())
    assert written[0].startswith(begin)
    assert b"SIMULATED" in written[0]
    assert b"/Type3" not in written[0]
    assert written[0] == written[1]


@pytest.mark.parametrize("name", ["a", "a.jpg", "a.pdf.gz"])
def test_a_picture_of_another_format_is_refused(tmp_path, name):
    figure = draw_confusion(np.array([[1]]), ("joy",))
    with pytest.raises(InputError, match=r"does not name a format.*\.png, \.svg or \.pdf"):
        plots.save(figure, tmp_path / name)
    assert not list(tmp_path.iterdir())
