"""Whole-table steps on rows that a test writes down."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from services.etl.columns import Column, Columns, ColumnType
from services.etl.handlers._base import TableHandler
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.context import MEMORY_MB, Context
from services.etl.pipeline.pieces import Piece


def columns(**types: str) -> Columns:
    return Columns(Column(name=name, type=ColumnType.parse(kind)) for name, kind in types.items())


@dataclass
class Looked:
    """A further source that lies in memory."""

    columns: Columns
    rows: Sequence[Mapping[str, Any]]

    def batches(self) -> Iterator[Any]:
        yield from batches(self.columns, self.rows, size=2)


def batches(given: Columns, rows: Sequence[Mapping[str, Any]], *, size: int) -> Iterator[Any]:
    for first in range(0, len(rows), size):
        yield pa.RecordBatch.from_pylist(list(rows[first : first + size]), schema=arrow_schema(given))


def pieces(given: Columns, rows: Sequence[Mapping[str, Any]], *, size: int) -> Iterator[Piece]:
    """The rows as records 1, 2, ..., whose lines are ten times as high."""
    first = 1
    for batch in batches(given, rows, size=size):
        records = np.arange(first, first + len(batch))
        first += len(batch)
        yield Piece(batch, records, 10 * records)


@dataclass
class Result:
    rows: list[dict[str, Any]]
    records: list[int]
    lines: list[int]
    columns: Columns
    context: Context

    @property
    def adds_up(self) -> bool:
        """Whether every row is accounted for, of as many as came in."""
        context = self.context
        gone = len(context.rejected) + context.filtered_rows + context.deduplicated_rows + context.merged_rows
        return bool(context.state["rows_in"] + context.added_rows == len(self.rows) + gone)


@dataclass
class Run:
    """How a step is run: the size of its pieces, its memory, its folder, its further source."""

    size: int = 2
    memory_mb: int = MEMORY_MB
    scratch: Path | None = None
    right: Looked | None = None
    given: Iterator[Piece] | None = field(default=None)

    def of(self, handler: TableHandler, given: Columns, rows: Sequence[Mapping[str, Any]]) -> Result:
        handler.looked_up = {} if self.right is None else {"right": self.right.columns}
        after = handler.columns_out(given)
        context = Context(
            step=handler.name,
            columns_in=given,
            columns_out=after,
            memory_mb=self.memory_mb,
            scratch=self.scratch,
            state={"rows_in": len(rows)},
            lookups={} if self.right is None else {"right": self.right},
        )
        made = list(handler.through(self.given or pieces(given, rows, size=self.size), context))
        assert all(piece.rows.schema == arrow_schema(after) for piece in made)
        return Result(
            rows=[row for piece in made for row in piece.rows.to_pylist()],
            records=[int(record) for piece in made for record in piece.records],
            lines=[int(line) for piece in made for line in piece.lines],
            columns=after,
            context=context,
        )


GIVEN = columns(a="int32", b="text", d="decimal(10,2)", z="boolean")
ROWS: list[dict[str, Any]] = [
    {"a": 1, "b": "x", "d": Decimal("1.10"), "z": True},
    {"a": 2, "b": "Z", "d": None, "z": False},
    {"a": 1, "b": None, "d": Decimal("-3.35"), "z": None},
    {"a": None, "b": "é", "d": Decimal("7.00"), "z": True},
    {"a": 2, "b": "a", "d": Decimal("0.01"), "z": True},
]


def places(raised: Any) -> list[Any]:
    return [fault.loc for fault in raised.value.all_faults()]
