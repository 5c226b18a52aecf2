"""Bringing the rows at the end of a pipeline into the types of the table that they go to."""

from dataclasses import replace
from typing import Any

import pyarrow as pa

from services.etl.columns import Column, Columns
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.casting import Cast, between, without
from services.etl.pipeline.context import RejectedRow
from services.etl.pipeline.definition import KEYED, WriteMode
from services.etl.pipeline.pieces import Piece
from services.etl.pipeline.targets import target_for


class Landing:
    """Casts rows to the table's types; what the table, or its engine, can't hold is rejected.

    `columns` are those that are written, as the table declares them.
    """

    def __init__(self, columns: Columns, *, engine: str, key: tuple[str, ...], mode: WriteMode) -> None:
        self.columns = columns
        self._key = set(key) if mode in KEYED else set[str]()
        self._limited = target_for(engine).limited

    def fitted(self, piece: Piece) -> tuple[Piece, list[RejectedRow]]:
        """The rows that fit, and those that don't."""
        arrays, bad = [], dict[int, RejectedRow]()
        for column in self.columns:
            cast = self._stored(piece.rows.column(column.name), column)
            arrays.append(cast.array)
            for cell in cast.bad:
                record = int(piece.records[cell.row])
                bad.setdefault(
                    cell.row,
                    RejectedRow(record, column.name, cell.value, str(column.type), cell.code, cell.reason),
                )
        fitted = pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(self.columns))
        if not bad:
            return replace(piece, rows=fitted), []
        rows, kept = without(fitted, bad)
        records = piece.records[kept]
        passed = Piece(rows, records, piece.lines_of(records), piece.raw)
        return passed, [bad[row] for row in sorted(bad)]

    def _stored(self, array: Any, column: Column) -> Cast:
        cast = self._limited(between(array, column.type), column)
        if column.name in self._key:
            code, reason = "key_null", "is NULL in the key"
        elif not column.nullable:
            code, reason = "null_not_allowed", "is NULL, which is not allowed"
        else:
            return cast
        if cast.array.null_count > len(cast.bad):
            cast.add_nulls(code, reason)
        return cast
