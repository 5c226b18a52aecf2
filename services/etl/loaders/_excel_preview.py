"""Look at the beginning of a workbook: its sheets, and the types of the cells of one."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from services.etl.columns import TEXT, ColumnType
from services.etl.loaders import _csv_types, _excel_workbook, _previewing
from services.etl.loaders._base import SourceFile
from services.etl.loaders._csv_header import named
from services.etl.loaders._csv_types import Guess
from services.etl.loaders._excel_cells import area_of, spelled
from services.etl.loaders._excel_reader import Table
from services.etl.loaders._files import MAX_COLUMNS
from services.etl.loaders._header_rows import joined
from services.etl.loaders.excel import Excel
from services.etl.pipeline.errors import FileEmpty, HeaderInvalid
from services.etl.previews.definition import PreviewProblem, PreviewResult, PreviewSpec

_LOOKED_AT: Final = 1000
_COMPUTED: Final = 6
"""Digits after the sign beyond which a number was computed rather than written."""

_TYPED: Final[Sequence[tuple[set[type], ColumnType, str]]] = (
    ({bool}, ColumnType("boolean"), "times true or false"),
    ({dt.date}, ColumnType("date"), "dates"),
    ({dt.date, dt.datetime}, ColumnType("timestamp"), "dates with times"),
    ({dt.time}, ColumnType("time"), "times of day"),
)


def preview(spec: PreviewSpec, file: SourceFile) -> PreviewResult:
    """Complete the parameters that `spec` leaves open, and show the first rows under them.

    Raises SourceInvalid where the workbook can't be read at all, ParamsInvalid for parameters that can't be.
    """
    given = _previewing.given(Excel, spec.params)
    sheet = _excel_workbook.sheet_of(file, given.get("sheet"))
    table = Table(sheet, area_of(given.get("cells")))
    above = [table.first() or [] for _ in range(given.get("header_rows", 1))]
    if not any(above):
        raise FileEmpty
    header = given.get(
        "header",
        len(above) > 1 or "extra_column" in given or all(isinstance(value, str) for value in above[0]),
    )
    block = next(table.blocks(_LOOKED_AT), None)
    complete = next(table.blocks(1), None) is None
    below = block.rows if block else []
    rows = below if header else [*above, *below]
    names = _named(above, given) if header else _numbered(rows)
    if len(names) > MAX_COLUMNS:
        raise HeaderInvalid(reason=f"it has {len(names)} fields, and a task at most {MAX_COLUMNS} columns")
    values = [[row[at] if at < len(row) else "" for row in rows] for at in range(len(names))]
    guesses = [_guess(column) for column in values]
    texts = [pa.array([spelled(value, TEXT) for value in column], pa.string()) for column in values]
    columns = _previewing.columns(names, guesses, texts)
    params = {"sheet": sheet.name, "header": header} | given
    return PreviewResult(
        params={"columns": [_previewing.declared(column) for column in columns]} | params,
        columns=columns,
        rows=_previewing.cells(texts, spec.rows),
        rows_read=len(rows) + (block.blank if block else 0),
        complete=complete,
        size=file.size,
        problems=[
            *(_previewing.compared(given, names) if header else []),
            *_problems(file, given, sheet),
            *_previewing.ambiguous(names, guesses),
        ][: _previewing.PROBLEMS],
    )


def _named(header: Sequence[list[Any]], given: dict[str, Any]) -> list[str]:
    rows = [[spelled(value, TEXT) or "" for value in row] for row in header]
    return named(joined(rows, given.get("header_separator", " "), fill=given.get("header_fill", False)))


def _numbered(rows: Sequence[list[Any]]) -> list[str]:
    return [f"column_{at}" for at in range(1, max(map(len, rows)) + 1)]


def _guess(values: Sequence[Any]) -> Guess:
    """The type of a column by the types of its cells."""
    there = [value for value in values if value != ""]
    kinds = {type(value) for value in there}
    if not kinds:
        return Guess(TEXT, "no value was seen")
    for known, kind, what in _TYPED:
        if kinds <= known:
            return Guess(kind, f"{len(there)} {what}")
    if kinds <= {int, float}:
        return _number(there)
    if kinds == {str}:
        return _previewing.of_texts(there)
    return Guess(TEXT, f"{len(there)} values of different kinds")


def _number(values: Sequence[Any]) -> Guess:
    guess = _csv_types.guess(pa.array([spelled(value, TEXT) for value in values], pa.string()))
    if guess.type.kind == "decimal" and (guess.type.scale or 0) > _COMPUTED:
        return Guess(ColumnType("float64"), f"{len(values)} numbers with many digits")
    return guess


def _problems(file: SourceFile, given: dict[str, Any], sheet: _excel_workbook.Sheet) -> list[PreviewProblem]:
    """Other sheets that could be meant, and cells that show errors."""
    problems = []
    names = _excel_workbook.sheet_names(file)
    if len(names) > 1 and "sheet" not in given:
        others = ", ".join(repr(name) for name in names if name != sheet.name)
        problems.append(
            PreviewProblem(
                code="sheet_chosen",
                message=f"The sheet {sheet.name!r} is read; there are also {_previewing.shortened(others)}.",
                severity="warning",
            )
        )
    for (row, _), shown in list(sheet.errors.items())[: _previewing.PROBLEMS]:
        problems.append(
            PreviewProblem(
                code="error_cell",
                message=f"A cell in row {row + 1} shows the error {shown}: its row would be rejected.",
                severity="warning",
                line=row + 1,
                value=shown,
            )
        )
    return problems[: _previewing.PROBLEMS]
