"""Tables of imported and exported feature files, for the terminal and for JSON."""

from typing import Any

from ercfw.data.exchange.exporter import ExportedStream
from ercfw.data.exchange.importer import ImportedFile


def imported_row(file: ImportedFile) -> dict[str, Any]:
    """Return the row of an imported file; a table of annotations has no width and no absent rows."""
    return {
        "file": str(file.path),
        "rows": file.rows,
        "width": "" if file.width is None else file.width,
        "absent": "" if file.absent is None else file.absent,
    }


def exported_row(stream: ExportedStream) -> dict[str, Any]:
    """Return the row of an exported stream; a slot that is left out has no modality."""
    return {"slot": stream.slot, "modality": stream.modality or "-", "width": stream.width}
