"""Opening a workbook that nobody has to trust: its parts are looked through before calamine reads them."""

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import python_calamine

from services.etl.loaders._base import SourceFile
from services.etl.loaders._excel_cells import MAX_COLUMNS, MAX_ROWS, place_of
from services.etl.loaders._files_bytes import FREE_BYTES, MAX_RATIO
from services.etl.loaders._files_errors import CompressionBomb, WorkbookInvalid

MAX_UNPACKED: Final = 1 << 30
MAX_CELLS: Final = 8_000_000
"""Cells of the rectangle around all that a sheet holds. Each takes about 80 bytes while it is read."""

_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, OSError, EOFError)
"""What zipfile raises for what it can't unpack; RuntimeError for a password and for unknown methods."""

_MAX_PARTS: Final = 10_000
_CHUNK: Final = 1 << 20
_OVERLAP: Final = 1 << 12
_CELL: Final = re.compile(rb"<(?:\w+:)?c(?=[\s/>])([^>]*)>")
_PLACED: Final = re.compile(rb"""\sr\s*=\s*["']([A-Z]{1,3}[0-9]{1,7})["']""")
_ERROR: Final = re.compile(rb"""\st\s*=\s*["']e["']""")
_SHOWN: Final = re.compile(rb"<(?:\w+:)?v>([^<]{1,40})<")
_RELATION: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


@dataclass(slots=True)
class Sheet:
    """A sheet: its rows from the first on, the column at which they begin, and the cells that show errors."""

    name: str
    rows: Iterator[list[Any]]
    first_column: int
    height: int
    errors: dict[tuple[int, int], str]


@dataclass(slots=True)
class _Extent:
    """What was seen of the cells of a sheet."""

    rows: int = 0
    columns: int = 0
    first_row: int = MAX_ROWS
    first_column: int = MAX_COLUMNS
    errors: dict[tuple[int, int], str] = field(default_factory=dict)

    def add(self, row: int, column: int) -> None:
        """A cell is there."""
        self.rows, self.columns = max(self.rows, row + 1), max(self.columns, column + 1)
        self.first_row, self.first_column = min(self.first_row, row), min(self.first_column, column)
        area = (self.rows - self.first_row) * (self.columns - self.first_column)
        if row >= MAX_ROWS or column >= MAX_COLUMNS or area > MAX_CELLS:
            raise WorkbookInvalid(
                reason=f"its cells span more than {MAX_CELLS:,} places: save the table as CSV"
            )


def sheet_names(file: SourceFile) -> list[str]:
    """The names of the sheets in their order. Raises WorkbookInvalid or CompressionBomb."""
    with _archive(file.path) as archive:
        _check_size(archive, file.size)
        return list(_parts(archive))


def sheet_of(file: SourceFile, name: str | None) -> Sheet:
    """A sheet by its name, the first without one. Raises WorkbookInvalid or CompressionBomb."""
    with _archive(file.path) as archive:
        _check_size(archive, file.size)
        parts = _parts(archive)
        chosen = next(iter(parts), None) if name is None else name
        if chosen not in parts:
            known = ", ".join(repr(sheet) for sheet in list(parts)[:20]) or "none"
            raise WorkbookInvalid(reason=f"it has no sheet {name!r}; it has {known}")
        extent = _extent(archive, parts[chosen])
    try:
        with python_calamine.CalamineWorkbook.from_path(file.path) as workbook:
            found = workbook.get_sheet_by_name(chosen)
            first, height = found.start[1] if found.start else 0, found.end[0] + 1 if found.end else 0
            return Sheet(chosen, found.iter_rows(), first, height, extent.errors)
    except (python_calamine.CalamineError, ValueError, OSError):
        raise WorkbookInvalid(reason=f"the sheet {chosen!r} is damaged") from None


def _archive(path: Path) -> zipfile.ZipFile:
    with path.open("rb") as content:
        head = content.read(8)
    if head == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        raise WorkbookInvalid(reason="it is encrypted, or of Excel 2003 or before: save it as .xlsx")
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, OSError):
        raise WorkbookInvalid(reason="it is no .xlsx workbook") from None


def _check_size(archive: zipfile.ZipFile, size: int) -> None:
    """Unpack every part once, whatever the archive says of its size."""
    parts = archive.infolist()
    if len(parts) > _MAX_PARTS or len({part.filename for part in parts}) != len(parts):
        raise WorkbookInvalid(reason="its parts are too many or have equal names")
    total = 0
    for part in parts:
        for chunk in _chunks(archive, part.filename):
            total += len(chunk)
            if total > MAX_UNPACKED or (total > FREE_BYTES and total > MAX_RATIO * size):
                limit = f"{MAX_UNPACKED >> 20} MiB or {MAX_RATIO} times its size"
                raise CompressionBomb(limit=limit)


def _chunks(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    try:
        with archive.open(name) as part:
            while chunk := part.read(_CHUNK):
                yield chunk
    except _DAMAGE:
        raise WorkbookInvalid(reason="a part of it is damaged or encrypted") from None


def _parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """The parts of the sheets by the sheets' names, in their order."""
    book, related = _tree(archive, "xl/workbook.xml"), _tree(archive, "xl/_rels/workbook.xml.rels")
    targets = {
        relation.get("Id"): relation.get("Target", "")
        for relation in related
        if relation.get("Type", "").endswith("/worksheet")
    }
    sheets = [
        (sheet.get("name", ""), _resolved(targets[sheet.get(_RELATION)]))
        for sheet in book.iter()
        if sheet.tag.endswith("}sheet") and sheet.get(_RELATION) in targets
    ]
    if len(dict(sheets)) != len(sheets):
        raise WorkbookInvalid(reason="two sheets of it have the same name")
    return dict(sheets)


def _resolved(target: str) -> str:
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _tree(archive: zipfile.ZipFile, name: str) -> ET.Element:
    if name not in archive.namelist():
        raise WorkbookInvalid(reason="it is no .xlsx workbook")
    content = b"".join(_chunks(archive, name))
    _refuse_odd(content)
    try:
        return ET.fromstring(content)  # noqa: S314  it has no document type, so no entities
    except ET.ParseError:
        raise WorkbookInvalid(reason="a part of it is damaged") from None


def _refuse_odd(content: bytes) -> None:
    """No workbook declares entities, which may multiply themselves; UTF-16 would hide them from this look."""
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise WorkbookInvalid(reason="a part of it declares a document type")
    if b"\x00" in content:
        raise WorkbookInvalid(reason="a part of it is not UTF-8")


def _extent(archive: zipfile.ZipFile, name: str) -> _Extent:
    """The cells of a sheet, looked through as text: where they are, and which show errors."""
    if name not in archive.namelist():
        raise WorkbookInvalid(reason="a sheet of it is missing")
    extent, rest = _Extent(), b""
    for chunk in _chunks(archive, name):
        content = rest + chunk
        _refuse_odd(content)
        end = max(0, content.rfind(b"<", 0, max(0, len(content) - _OVERLAP)))
        _look_through(content, end, extent)
        rest = content[end:]
    _look_through(rest, len(rest), extent)
    return extent


def _look_through(content: bytes, end: int, extent: _Extent) -> None:
    for found in _CELL.finditer(content):
        if found.start() >= end:
            return
        placed = _PLACED.search(found[1])
        if placed is None:
            raise WorkbookInvalid(reason="it has cells without a place")
        row, column = place_of(placed[1].decode())
        extent.add(row or 0, column)
        if _ERROR.search(found[1]):
            shown = _SHOWN.search(content, found.end(), found.end() + _OVERLAP)
            extent.errors[(row or 0, column)] = shown[1].decode(errors="replace") if shown else "an error"
