"""Values of public files that are no text, no label or no content: one message in every format."""

import pickle
import struct

import pytest


@pytest.fixture
def importing(meld, dump, cli, tmp_path):
    """``importing(format, change)``: import the small MELD in this format after ``change(fields)``."""
    root, content = meld
    streams = [content.rows(content.vectors(width, width)) for width in (6, 5, 4)]
    layers = [content.rows(content.vectors(3, n)) for n in range(4)]
    legacy = {key: [0.0] for key in content.ids}
    about = [content.speakers, content.labels, content.labels]
    lists = [content.sentences, content.keys["train"], content.keys["test"], content.keys["dev"]]

    def import_(format_name, change):
        folder = tmp_path / format_name
        files = {
            "mmgcn": {"MELD_features_raw1.pkl": content.tuple(*streams, meld=True)},
            "sdt": {"meld_multimodal_features.pkl": content.tuple(*streams, *streams, meld=True)},
            "multiemo": {"Speakers.pkl": content.tuple(legacy, legacy, legacy, meld=True)}
            | {f"{n}Features.pkl": s for n, s in zip(("Text", "Audio", "Visual"), streams, strict=True)},
            "cosmic": {"meld_features_roberta.pkl": (*about, *layers, *lists)},
            "m3net": {
                "meld_features_roberta.pkl": (*about, *layers, *lists),
                "MELD_features_raw1.pkl": content.tuple(*streams, meld=True),
            },
        }[format_name]
        for number, (name, value) in enumerate(files.items()):
            fields = pickle.loads(pickle.dumps(list(value) if isinstance(value, tuple) else value))
            if not number or format_name == "m3net":
                change(fields)
            dump(folder / name, tuple(fields) if isinstance(fields, list) else fields)
        result = cli("data", "import", format_name, folder, "--to", root)
        assert not list(root.glob("*.safetensors"))
        return result

    return import_


def each_table(fields):
    """The tables of a tuple that hold texts or labels, whatever their number."""
    return [table for table in fields if isinstance(table, dict)]


FORMATS = pytest.mark.parametrize("format_name", ["mmgcn", "sdt", "multiemo", "cosmic", "m3net"])


@FORMATS
def test_the_half_of_a_character_in_a_text(importing, format_name):
    def change(fields):
        for table in each_table(fields):
            if isinstance(table[1][0], str) and " " in table[1][0]:
                table[1][0] = "It is \ud83d"

    result = importing(format_name, change)
    result.check(2, "conversation 1, text of utterance 1: contains U+D83D, which is half of a character and no text")


@FORMATS
def test_a_label_beyond_64_bits(importing, format_name):
    def change(fields):
        for table in each_table(fields):
            if isinstance(table[1][0], int):
                table[1][0] = 2**70

    importing(format_name, change).check(2, "labels, conversation 1: holds a label that does not fit in 64 bits")


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (0, ["\udc80", "1", "4"], "conversation 1, utterance id of utterance 1: contains U+DC80"),
        (1, ["A\ud800", "B", "A"], "conversation 1, speaker of utterance 1: contains U+D800"),
        (0, [2**70, 1, 4], "utterances, conversation 1: holds values that are not texts"),
        (2, [float("inf"), 0, 0], "labels, conversation 1: holds labels that are not whole numbers"),
        (2, [float("nan"), 0, 0], "labels, conversation 1: holds labels that are not whole numbers"),
        (2, [1.5, 0, 0], "labels, conversation 1: holds labels that are not whole numbers"),
        (2, [1e300, 0, 0], "labels, conversation 1: holds labels that are not whole numbers"),
        (3, [[2**70, 1], [1, 2], [3, 4]], "text, conversation 1: holds object of shape"),
        (3, [[0.5] * 10**5] * 10**5, "text, conversation 1: repeats few values too often"),
        (1, [[1] * 10**5] * 10**5, "speakers, conversation 1: repeats few values too often"),
        (6, ["\xe9" * 10**6] * 10**5, "sentences, conversation 1: repeats few values too often"),
    ],
)
def test_other_values(importing, place, value, says):
    importing("mmgcn", lambda fields: fields[place].update({1: value})).check(2, says)


@pytest.mark.parametrize("name", ["\ud83d", 2**70, 10**5000], ids=["half", "large", "huge"])
def test_names_of_conversations(importing, name):
    def change(fields):
        fields[0][name] = fields[0].pop(1)

    result = importing("mmgcn", change)
    assert result.code == 2
    assert len(result.err.splitlines()) <= 2


def test_rows_that_conversations_share_are_read_once(importing):
    """A hundred thousand names of one table: copies would take all memory."""
    shared = [[0.5] * 10**4] * 3

    def change(fields):
        fields[3].update(dict.fromkeys(range(10**5), shared))

    assert importing("mmgcn", change).code == 2  # the other values of the first conversation are narrower
    more = [[0.5] * 3] * 10**4
    result = importing("mmgcn", lambda fields: fields[3].update(dict.fromkeys(range(10**5), more)))
    result.check(2, "text: repeats few values too often")


def test_lists_that_are_nested_deeply(importing, meld):
    deep = []
    for _ in range(200):
        deep = [deep]
    importing("mmgcn", lambda fields: fields[3].update({1: deep})).check(2, "holds rows that are not vectors")


def test_a_text_of_python_2_keeps_its_halves(importing):
    """Python 2 wrote characters beyond 16 bits as two halves; UTF-8 of each half is no text either."""
    raw = "\ud83d\ude00".encode("utf-8", "surrogatepass")
    content = pickle.loads(b"\x80\x02X" + struct.pack("<I", len(raw)) + raw + b".")
    importing("mmgcn", lambda fields: fields[6].update({1: [content] * 3})).check(2, "half of a character")
