"""Files as somebody would hand them to ``ercfw predict``, and what is read from them."""

from pathlib import Path

from ercfw.predict.inputs import Files, read_given
from ercfw.predict.transcript import table_forms
from ercfw.registry.catalog import load_catalog

SRT = ["1", "00:00:01,000 --> 00:00:02,500", "Hello", "there", "", "2", "00:00:03,000 --> 00:00:04,000", "Bye", ""]


def read(source=None, transcript=None, subtitles=None, **features):
    files = Files(*(None if p is None else Path(p) for p in (source, transcript, subtitles)))
    return read_given(files, features, table_forms(load_catalog()))


def write(name, *lines, encoding="utf-8", newline="\n"):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((newline.join(lines) + newline).encode(encoding))
    return path
