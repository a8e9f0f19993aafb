"""Variants and titles in any script: each has a folder of its own, and files that other programs read are ASCII."""

import re
import tomllib
from pathlib import Path

import ercfw
from ercfw.report.latex_table import as_latex
from ercfw.results.comparison.make_table import make_table
from ercfw.results.finished_run import find_groups

VARIANTS = """
[[variant]]
name = "仅 text"
set = { data = { modalities = ["text"] } }

[[variant]]
name = "去掉 text"
set = { data = { modalities = ["audio"] } }
"""


def test_each_variant_has_a_folder_of_its_own(cli, tiny_recipe, tmp_path):
    ended = cli("run", tiny_recipe(VARIANTS), "--variant", "仅 text", "--variant", "去掉 text", "title=对话情绪")
    assert ended.code == 0, ended.err
    folder = tmp_path / "runs/tiny"
    assert {path.name for path in folder.iterdir()} == {"仅-text", "去掉-text"}
    table = make_table(find_groups(sorted(folder.iterdir())), "test", "emotion")
    assert as_latex(table).startswith("% Some names are in a script that pdfLaTeX lacks. Compile with LuaLaTeX")
    assert r"\usepackage{fontspec}" in as_latex(table)
    labels = re.findall(r"\\label{(.*?)}", as_latex(table))
    assert len(set(labels)) == 2
    assert all(re.fullmatch("tab:[a-z0-9-]+", label) for label in labels)


def test_a_title_names_the_folder_of_a_recipe_in_python(tiny_recipe):
    tables = tomllib.loads(tiny_recipe().read_text())
    (run,) = ercfw.run({**tables, "title": "对话情绪 " + "长" * 100})
    assert run.folder.parents[1].name.startswith("对话情绪-长长")


def test_a_file_system_without_the_letters_is_one_message(cli, tiny_recipe, monkeypatch):
    create = Path.mkdir

    def in_ascii(path, *words, **more):
        str(path).encode("ascii")
        create(path, *words, **more)

    monkeypatch.setattr(Path, "mkdir", in_ascii)
    ended = cli("run", tiny_recipe(VARIANTS), "--variant", "仅 text")
    ended.check(2, "names of files are in ascii here (set PYTHONUTF8=1")
