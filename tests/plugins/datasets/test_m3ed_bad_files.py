"""M3ED's annotation.json, damaged or in another form: one message, or one for each place."""

import pytest

from .made_m3ed import mistakes_of, turn, write_m3ed


@pytest.fixture
def write(tmp_path):
    """``write(content)``: the annotations and the lists of the splits."""
    return lambda content, root=tmp_path, **lists: write_m3ed(root, content, **lists)


FORM = "(the form of M3ED is {series: {dialogue: {SpeakerInfo, Dialog: {utterance: {StartTime, EndTime, Text, Speaker, "
DAMAGED = [
    (b'{"a": {\n"b": ', "annotation.json, line 2: is not JSON: Expecting value (copy the file again"),
    (b"", "annotation.json, line 1: is not JSON"),
    (b"version https://git-lfs.github.com/spec/v1\n", "annotation.json, line 1: is not JSON"),
    (b"[" * 200_000, "annotation.json: is nested too deeply"),
    (b'{"a":' * 200_000, "annotation.json: is nested too deeply"),
    (b'{"a": ' + b"9" * 5000 + b"}", "annotation.json: is not JSON: Exceeds the limit"),
    (b"\0\0", "annotation.json: is not a text file"),
    (b'{"a": {}, "a": {}}', "annotation.json: 'a' occurs twice in an object (remove one of them)"),
    (b'{"a": {"b": {"Text": "\\ud83d"}}}', "annotation.json: Text: contains half of a character"),
    (b'{"\\udc00": {}}', "contains half of a character"),
]


@pytest.mark.parametrize(("data", "expected"), DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_file_is_one_message(write, data, expected) -> None:
    (message,) = mistakes_of(write(data))
    assert expected in message


OTHER_FORMS = [
    ([], ["annotation.json: is not an object"]),
    ({"a": []}, ["annotation.json: a: is not an object"]),
    ({"a": {"a_1": {}}}, ["annotation.json: a, a_1, Dialog: is missing"]),
    ({"a": {"a_1": {"Dialog": {"u": None}}}}, ["annotation.json: a, a_1, Dialog, u: is not an object"]),
    (
        {"a": {"a_1": {"Dialog": {"u": {**turn(), "Text": 5, "Speaker": None}}}}},
        [
            "annotation.json: a, a_1, Dialog, u, Text: is not a text",
            "annotation.json: a, a_1, Dialog, u, Speaker: is n",
        ],
    ),
    (
        {"a": {"a_1": {"Dialog": {"u": {**turn(), "EmoAnnotation": {}}}}}},
        ["annotation.json: a, a_1, Dialog, u, EmoAnnotation, final_main_emo: is missing"],
    ),
]


@pytest.mark.parametrize(("content", "expected"), OTHER_FORMS, ids=range(len(OTHER_FORMS)))
def test_another_form_names_every_place(write, content, expected) -> None:
    found = mistakes_of(write(content))
    assert len(found) == len(expected)
    for message, start in zip(found, expected, strict=True):
        assert message.startswith(start)
    assert [FORM in message for message in found] == [True, *([False] * (len(found) - 1))]


def test_the_command_line_shows_one_message(write, tmp_path, cli) -> None:
    write(b"[" * 100_000)
    ended = cli("data", "check", "m3ed", f"data.root={tmp_path}")
    ended.check(2, "annotation.json: is nested too deeply (the form of M3ED is ..")
