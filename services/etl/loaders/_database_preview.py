"""Look at the beginning of a table or a query, with the very reader that a run uses."""

from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.columns import TEXT, Column
from services.etl.loaders import _database_guard, _previewing
from services.etl.loaders._base import Batch, Source
from services.etl.loaders._database_loader import DatabaseLoader, Query
from services.etl.loaders._database_reading import DatabaseReading
from services.etl.loaders._database_session import engine_of, open_session
from services.etl.loaders._database_sql import FoundColumn
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.casting import decimal_text
from services.etl.pipeline.context import RejectedRow
from services.etl.pipeline.errors import SourceInvalid
from services.etl.previews.definition import PreviewColumn, PreviewProblem, PreviewResult, PreviewSpec

SAMPLE: Final = 1000
EXAMPLES: Final = 5
PROBLEMS: Final = 20
SHOWN: Final = 200
ROWS_BYTES: Final = 6 << 20
_PLACEHOLDER: Final[dict[str, Any]] = {
    "resource_id": str(UUID(int=0)),
    "columns": [{"name": "column", "type": "text"}],
}
_COMBINED: Final = frozenset({"where", "cursor_column", "lag"})
"""Parameters that are about declared columns: they wait until those are known."""


def preview(kind: type[DatabaseLoader], spec: PreviewSpec, source: Source) -> PreviewResult:
    """Complete the columns that `spec` leaves open, and show the first rows under them.

    Raises SourceInvalid where nothing can be read, ParamsInvalid for parameters that can't be.
    """
    given = dict(spec.params)
    bare = {name: value for name, value in given.items() if name not in _COMBINED}
    loader = kind.of(_PLACEHOLDER | bare, loc=("params",))
    found = _found(loader, source)
    if not found:
        raise SourceInvalid(reason="it has no column that may be read")
    params = {"columns": given.get("columns") or [_declared(column) for column in found]} | given
    loader = kind.of(_PLACEHOLDER | params, loc=("params",))
    batch, complete = _first_rows(loader, source, SAMPLE)
    by_name = {column.name: column for column in found}
    columns = [
        _column(by_name.get(column.name), column, batch.rows.column(column.name))
        for column in loader.columns_out()
    ]
    return PreviewResult(
        params=params,
        columns=columns,
        rows=_cells(batch, spec.rows),
        rows_read=batch.rows_read,
        complete=complete,
        size=0,
        problems=[*_undeclared(loader, found), *map(_problem, batch.rejected)][:PROBLEMS],
    )


def _found(loader: DatabaseLoader, source: Source) -> list[FoundColumn]:
    """The columns as they are there; where a type alone doesn't tell ours, the first values do."""
    relation = loader.relation
    engine = engine_of(source)
    if isinstance(relation, Query):
        _database_guard.check_query(relation.text, engine=engine, loc=("params", "query"))
    session = open_session(source)
    try:
        return [
            column if column.type else replace(column, type=session.guess(relation, column))
            for column in session.columns(relation)
        ]
    finally:
        session.close()


def _undeclared(loader: DatabaseLoader, found: list[FoundColumn]) -> list[PreviewProblem]:
    names = [column.name for column in found if column.name not in loader.columns_out()]
    return _previewing.undeclared({"extra_columns": loader.params.extra_columns}, names)


def _declared(column: FoundColumn) -> dict[str, Any]:
    nullable = {} if column.nullable else {"nullable": False}
    return {"name": column.name, "type": str(column.type or TEXT)} | nullable


def _first_rows(loader: DatabaseLoader, source: Source, rows: int) -> tuple[Batch, bool]:
    with DatabaseReading(loader, source, limit=rows + 1) as reading:
        batch = next(iter(reading), None)
    if batch is None:
        nothing = pa.RecordBatch.from_pylist([], schema=arrow_schema(loader.columns_out()))
        return Batch(nothing, records=[], lines=[], rows_read=0), True
    return batch, batch.rows_read <= rows


def _column(found: FoundColumn | None, declared: Column, values: Any) -> PreviewColumn:
    examples = pc.unique(pc.drop_null(values.slice(0, SAMPLE))).slice(0, EXAMPLES)
    missing = f", {values.null_count} NULL" if values.null_count else ""
    return PreviewColumn(
        name=declared.name,
        type=declared.type,
        nullable=declared.nullable,
        reason=_reason(found, declared) + missing,
        examples=[_shortened(str(text)) for text in _texts(examples)],
    )


def _reason(found: FoundColumn | None, declared: Column) -> str:
    spelled = found.spelled if found is not None and found.spelled else ""
    if not spelled:
        return "by its first values"
    if found is not None and found.type == declared.type:
        return f"it is {spelled} there"
    return f"it is {spelled} there; its values are read as {declared.type}"


def _cells(batch: Batch, rows: int) -> list[list[str | None]]:
    """The first rows with their cells shortened, as many as `ROWS_BYTES` hold."""
    columns = [_texts(column.slice(0, rows)) for column in batch.rows.columns]
    shown, room = list[list[str | None]](), ROWS_BYTES
    for row in zip(*columns, strict=True):
        cells = [None if cell is None else _shortened(cell) for cell in row]
        room -= len(orjson.dumps(cells))
        if room < 0:
            break
        shown.append(cells)
    return shown


def _texts(values: Any) -> list[str | None]:
    if pa.types.is_binary(values.type):
        return [None if value is None else value.hex() for value in values.to_pylist()]
    if pa.types.is_decimal(values.type):
        values = decimal_text(values)
    texts: list[str | None] = pc.cast(values, pa.string()).to_pylist()
    return texts


def _problem(row: RejectedRow) -> PreviewProblem:
    return PreviewProblem(
        code=row.code,
        message=f"Record {row.record}, column {row.column!r} {row.reason}.",
        severity="warning",
        record=row.record,
        column=row.column,
        value=None if row.value is None else _shortened(row.value),
    )


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}\u2026"
