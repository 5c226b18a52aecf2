"""Workbooks for tests, written by hand: what Excel writes, and what it never would."""

import datetime as dt
import zipfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any
from xml.sax.saxutils import escape

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
_EPOCH = dt.datetime(1899, 12, 30)  # noqa: DTZ001  days of a workbook are wall clock times
STYLES = (
    f'{_HEAD}<styleSheet {_MAIN}><numFmts count="1"><numFmt numFmtId="164" formatCode="[h]:mm:ss"/></numFmts>'
    '<fonts count="1"><font/></fonts><fills count="1"><fill/></fills><borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="5"><xf numFmtId="0"/>'
    '<xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="22" applyNumberFormat="1"/>'
    '<xf numFmtId="21" applyNumberFormat="1"/><xf numFmtId="164" applyNumberFormat="1"/></cellXfs>'
    "</styleSheet>"
)


class Raw(str):
    """The XML of a cell, as it is, with {r} for its place."""

    __slots__ = ()


def error(text: str) -> Raw:
    """A cell whose formula failed."""
    return Raw(f'<c r="{{r}}" t="e"><f>1/0</f><v>{text}</v></c>')


def place(row: int, column: int) -> str:
    """The name of a cell, counted from 0."""
    letters = ""
    at = column + 1
    while at:
        at, rest = divmod(at - 1, 26)
        letters = chr(65 + rest) + letters
    return f"{letters}{row + 1}"


def cell(value: Any, where: str) -> str:
    """The XML of a cell."""
    if isinstance(value, Raw):
        return value.replace("{r}", where)
    if isinstance(value, str):
        return f'<c r="{where}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    form, number = _number(value)
    return f'<c r="{where}" {form}><v>{number!r}</v></c>'


def _number(value: Any) -> tuple[str, float]:
    """What a workbook stores for a value: how it is shown, and a number."""
    if isinstance(value, bool):
        return 't="b"', int(value)
    if isinstance(value, dt.datetime):
        return 's="2"', (value - _EPOCH) / dt.timedelta(days=1)
    if isinstance(value, dt.date):
        return 's="1"', (value - _EPOCH.date()).days
    if isinstance(value, dt.time):
        return 's="3"', (value.hour * 3600 + value.minute * 60 + value.second) / 86400
    return "", value


def sheet(rows: Sequence[Sequence[Any]]) -> str:
    """The XML of a sheet; None is no cell."""
    lines = []
    for at, row in enumerate(rows):
        cells = "".join(cell(value, place(at, on)) for on, value in enumerate(row) if value is not None)
        lines.append(f'<row r="{at + 1}">{cells}</row>')
    return f"{_HEAD}<worksheet {_MAIN}><sheetData>{''.join(lines)}</sheetData></worksheet>"


def workbook(
    sheets: Mapping[str, Sequence[Sequence[Any]]], *, parts: Mapping[str, str | bytes] | None = None
) -> bytes:
    """The bytes of a workbook; `parts` are put in the place of its own, by name."""
    names = list(sheets)
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{at}" r:id="rId{at}"/>' for at, name in enumerate(names, 1)
    )
    related = "".join(
        f'<Relationship Id="rId{at}" Type="{_RELS}/worksheet" Target="worksheets/sheet{at}.xml"/>'
        for at in range(1, len(names) + 1)
    )
    content: dict[str, str | bytes] = {
        "[Content_Types].xml": f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types"/>',
        "_rels/.rels": (
            f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
            f'<Relationship Id="rId1" Type="{_RELS}/officeDocument" Target="xl/workbook.xml"/>'
            "</Relationships>"
        ),
        "xl/workbook.xml": f'{_HEAD}<workbook {_MAIN} xmlns:r="{_RELS}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": (
            f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{related}'
            f'<Relationship Id="rId90" Type="{_RELS}/styles" Target="styles.xml"/></Relationships>'
        ),
        "xl/styles.xml": STYLES,
    }
    for at, name in enumerate(names, 1):
        content[f"xl/worksheets/sheet{at}.xml"] = sheet(sheets[name])
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in (content | dict(parts or {})).items():
            archive.writestr(name, part)
    return target.getvalue()
