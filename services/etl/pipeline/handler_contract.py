"""What every handler must keep to, to be run in a test: ours are, and those of third parties can be.

from services.etl.pipeline.handler_contract import check_handler

def test_it_keeps_the_contract() -> None:
    check_handler(TrimText, Columns([Column(name="name", type=ColumnType("text"))]))
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from services.etl.columns import Columns
from services.etl.handlers._base import Handler, HandlerStep, TableHandler
from services.etl.pipeline import frames, random_values
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.context import Context, Lookup, RejectedRow
from services.etl.pipeline.pieces import Piece
from services.etl.pipeline.step import ParamsInvalid
from shared.plugins.describe import describe

ROWS: Final = 40
SIZES: Final = (ROWS, 9)
"""Rows that are made, and the sizes of the batches in which they are given."""
_COUNTS: Final = ("filtered_rows", "deduplicated_rows", "merged_rows", "added_rows")


class ContractBroken(AssertionError):
    """What a handler does that no handler may do."""


def check_handler(
    kind: type[HandlerStep],
    columns: Columns,
    *,
    rows: Sequence[Mapping[str, Any]] | None = None,
    lookups: Mapping[str, Lookup] | None = None,
    examples: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Run a handler on rows of these columns, with each of its examples. Raises ContractBroken.

    It must describe itself; refuse parameters that it doesn't know; give the columns and types that it
    promises; account for every row; keep the record numbers; give the same whatever the batches are; leave
    its input alone. Rows are made at random, the same every time, unless they are given.
    """
    _check_description(kind)
    given = list(rows) if rows is not None else random_values.rows(columns, ROWS, Random(7))  # noqa: S311  no secret
    table = pa.RecordBatch.from_pylist([dict(row) for row in given], schema=arrow_schema(columns))
    for example in kind.examples if examples is None else examples:
        case = _Case(kind, example, columns, lookups or {})
        results = [case.outcome(table, size) for size in SIZES]
        for result in results[1:]:
            _require(result == results[0], kind, example, "gives other rows when the batches are others")
        case.outcome(table.slice(0, 0), 1)


def _check_description(kind: type[HandlerStep]) -> None:
    description = describe(kind)
    _require(description.summary.endswith("."), kind, {}, "has no docstring that begins with a sentence")
    _require(bool(description.examples), kind, {}, "has no examples")
    closed = description.params_schema.get("additionalProperties") is False
    _require(closed, kind, {}, "takes parameters that it doesn't know")
    for example in description.examples:
        kind.of(example)
        try:
            kind.of({**example, "no such parameter": 1})
        except ParamsInvalid:
            continue
        _require(False, kind, example, "takes parameters that it doesn't know")  # noqa: FBT003  it is wrong


def _require(holds: bool, kind: type[HandlerStep], example: Mapping[str, Any], what: str) -> None:
    if not holds:
        raise ContractBroken(f"{kind.name} with {dict(example)}: it {what}")


@dataclass(slots=True)
class _Outcome:
    """What a handler has made of all batches, to be compared."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    gone: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTS, 0))

    def add(self, batch: Any, records: Any) -> None:
        self.rows += batch.to_pylist()
        self.records += [int(record) for record in records]

    def count(self, context: Context) -> None:
        self.rejected += context.rejected
        for name in _COUNTS:
            self.gone[name] += getattr(context, name)

    def balanced(self, rows_in: int) -> bool:
        """The law of counts."""
        gone = len(self.rejected) + sum(self.gone.values()) - 2 * self.gone["added_rows"]
        return rows_in == len(self.rows) + gone


@dataclass(frozen=True, slots=True)
class _Case:
    kind: type[HandlerStep]
    example: Mapping[str, Any]
    columns: Columns
    lookups: Mapping[str, Lookup]

    def outcome(self, table: Any, size: int) -> _Outcome:
        """All rows through a new handler, in batches of a size."""
        handler = self.kind.of(self.example)
        handler.looked_up = {name: lookup.columns for name, lookup in self.lookups.items()}
        after = handler.columns_out(self.columns)
        with tempfile.TemporaryDirectory() as folder:
            context = Context(
                step=self.kind.name,
                columns_in=self.columns,
                columns_out=after,
                scratch=Path(folder),
                lookups=self.lookups,
            )
            if isinstance(handler, TableHandler):
                found = self._gathered(handler, table, size, context)
            else:
                assert isinstance(handler, Handler)
                found = self._mapped(handler, table, size, context)
        found.rejected.sort(key=lambda row: row.record)  # a step may look for one fault after the other
        _require(found.balanced(len(table)), self.kind, self.example, "does not account for all rows")
        known = set(range(1, len(table) + 1))
        _require(set(found.records) <= known, self.kind, self.example, "did not keep the record numbers")
        return found

    def _mapped(self, handler: Handler, table: Any, size: int, context: Context) -> _Outcome:
        found = _Outcome()
        for batch, records in _batches(table, size):
            own = Context(
                step=context.step,
                state=context.state,
                moment=context.moment,
                columns_in=context.columns_in,
                columns_out=context.columns_out,
                scratch=context.scratch,
                lookups=context.lookups,
            )
            frame = frames.to_frame(batch, records)
            before = frame.copy(deep=True) if size == ROWS else frame
            result = frames.normalised(
                handler.apply(frame, own),
                context.columns_out,
                within=frame,
                step=context.step,
                unique=not handler.multiplies,
            )
            if before is not frame:
                pd.testing.assert_frame_equal(frame, before)
            found.add(*frames.to_batch(result, context.columns_out))
            found.count(own)
        return found

    def _gathered(self, handler: TableHandler, table: Any, size: int, context: Context) -> _Outcome:
        found, schema = _Outcome(), arrow_schema(context.columns_out)
        pieces = (Piece(rows, records, np.zeros_like(records)) for rows, records in _batches(table, size))
        for piece in handler.through(pieces, context):
            _require(piece.rows.schema == schema, self.kind, self.example, "breaks the types of columns_out")
            found.add(piece.rows, piece.records)
        found.count(context)
        return found


def _batches(table: Any, size: int) -> Iterator[tuple[Any, Any]]:
    for start in range(0, max(1, len(table)), size):
        batch = table.slice(start, size)
        yield batch, np.arange(start + 1, start + 1 + len(batch), dtype=np.int64)
