"""Names of folders."""

import pytest

from ercfw.system.names import LONGEST_NAME, shortened, size, slug


@pytest.mark.parametrize(
    ("name", "folder"),
    [("w/o SWFC", "w-o-swfc"), ("Text + Audio", "text-audio"), ("--a--", "a"), ("A_b.c", "a-b-c"), ("!", "")],
)
def test_slugs(name, folder):
    assert slug(name) == folder


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("无上下文", "无上下文"),
        ("仅 text", "仅-text"),
        ("без текста", "без-текста"),
        ("हिन्दी के बिना", "हिन्दी-के-बिना"),
        ("λ↑, β=0.5", "λ↑-β-0-5"),
        ("ＳＷＦＣ：なし", "swfc-なし"),
        ("e\u0301", "é"),
        ("。！", ""),
    ],
)
def test_letters_of_any_script_stay(name, folder):
    assert slug(name) == folder


@pytest.mark.parametrize("name", ["aux", "NUL", "Com1"])
def test_no_folder_has_a_name_that_windows_reserves(name):
    assert slug(name) == f"{name.lower()}_"


@pytest.mark.parametrize("name", ["x" * 300, "文" * 300])
def test_a_shortened_name_fits_a_file_system(name):
    assert name.startswith(shortened(name))
    assert 190 < size(shortened(name)) <= LONGEST_NAME
