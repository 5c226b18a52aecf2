"""The rows of a job from the loader through the handlers to what the destination takes, batch by batch."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from services.etl.columns import Column, Columns
from services.etl.destinations._target import Rows
from services.etl.handlers._base import Handler, TableHandler
from services.etl.loaders._base import Batch, Reading
from services.etl.pipeline import frames
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.casting import Cast, between
from services.etl.pipeline.context import Context, Lookup, RejectedRow
from services.etl.pipeline.definition import KEYED
from services.etl.pipeline.errors import HandlerBroken, HandlerFailed
from services.etl.pipeline.job import Job
from services.etl.pipeline.pieces import Piece
from services.etl.pipeline.tally import Files, Tally
from services.etl.pipeline.targets import target_for
from services.etl.pipeline.validate import Built
from shared import clock as time
from shared.errors import PenstockError

DESTINATION: Final = "database_save"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Means:
    """What steps need beside the rows: a folder of the run alone, and further sources by step and name."""

    scratch: Path | None = None
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    clock: Callable[[], datetime] = time.now


def columns_written(job: Job, built: Built) -> Columns:
    """The columns that the destination gets, with the types of the table."""
    wanted = Columns(job.target.columns)
    return Columns(wanted.get(name) for name in built.columns[-1].names)


class Flow:
    """Takes batches from an open source, counts every row, and gives rows of the target's types."""

    def __init__(self, job: Job, built: Built, reading: Reading, means: Means | None = None) -> None:
        self._reading = reading
        self._handlers = built.handlers
        self._columns = built.columns
        self._key = set(job.target.key) if job.target.mode in KEYED else set[str]()
        self._states: list[dict[str, Any]] = [{} for _ in built.handlers]
        self._job = job
        self._limited = target_for(job.target.connection.connection.type).limited
        self._means = means or Means()
        self._files = Files()
        names = [job.source.loader, *(handler.name for handler in built.handlers), DESTINATION]
        self.tally = Tally(names, job.limits)
        self.columns_out = columns_written(job, built)

    @property
    def bytes_read(self) -> int:
        """Bytes of the source that were read so far."""
        return self._reading.bytes_read

    @property
    def bytes_done(self) -> int:
        """Bytes of the source whose rows have come through."""
        return self._reading.bytes_done

    @property
    def size(self) -> int:
        """Bytes of the whole source; 0 where that is unknown."""
        return self._reading.size or 0

    def __iter__(self) -> Iterator[Rows]:
        for piece in self._handled():
            yield Rows(self._fitted(piece), self.columns_out)
            self.tally.check_limits()
        self.tally.check_limits(final=True)

    def _handled(self) -> Iterator[Piece]:
        """The pieces after the last handler: one generator behind the other, none ahead of the next."""
        pieces = self._loaded()
        numbered = enumerate(self._handlers)
        for scope, group in groupby(numbered, key=lambda item: item[1].scope):
            if scope == "rows":
                pieces = self._mapped([at for at, _ in group], pieces)
            else:
                for at, _ in group:
                    pieces = self._gathered(at, pieces)
        return pieces

    def _loaded(self) -> Iterator[Piece]:
        for batch in self._reading:
            self._files.begins(batch.file, batch.first)
            context = Context(step="", rejected=_over_all(batch), filtered_rows=batch.filtered)
            self.tally.passed(0, rows_in=batch.rows_read, rows_out=len(batch.rows), context=context)
            self.tally.keep(
                self._job.source.loader, context.rejected, batch.rejected_lines, files=self._files
            )
            self.tally.check_limits()
            yield _piece(batch)

    def _mapped(self, steps: Sequence[int], pieces: Iterator[Piece]) -> Iterator[Piece]:
        """Steps that work on rows, one after the other on each piece."""
        for piece in pieces:
            frame = frames.to_frame(piece.rows, piece.records)
            for at in steps:
                frame = self._step(at, frame, piece)
            rows, records = frames.to_batch(frame, self._columns[steps[-1] + 1])
            yield Piece(rows, records, piece.lines_of(records), piece.raw)

    def _step(self, at: int, frame: pd.DataFrame, piece: Piece) -> pd.DataFrame:
        handler = self._handlers[at]
        assert isinstance(handler, Handler)
        context = self._context(at)
        try:
            result = handler.apply(frame, context)
        except Exception as error:
            raise _step_error(handler.name, error) from error
        result = frames.normalised(
            result, self._columns[at + 1], within=frame, step=handler.name, unique=not handler.multiplies
        )
        self.tally.passed(at + 1, rows_in=len(frame), rows_out=len(result), context=context)
        self._keep(handler.name, context.rejected, piece)
        return result

    def _gathered(self, at: int, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """A step that sees the table as a whole. What fails before it does so as itself, not as the step."""
        handler = self._handlers[at]
        assert isinstance(handler, TableHandler)
        context, given = self._context(at), _Given(pieces)
        rows_out, schema = 0, arrow_schema(self._columns[at + 1])
        try:
            for piece in handler.through(iter(given), context):
                _check_schema(piece, schema, handler.name)
                rows_out += len(piece.rows)
                yield piece
        except Exception as error:
            raise given.error or _step_error(handler.name, error) from error
        self.tally.passed(at + 1, rows_in=given.rows, rows_out=rows_out, context=context)
        lines: list[int | None] = [None] * len(context.rejected)
        self.tally.keep(handler.name, context.rejected, lines, files=self._files)
        self.tally.check_limits()

    def _fitted(self, piece: Piece) -> Any:
        """The rows with the target's types; what it can't hold is rejected."""
        context, arrays = Context(step=DESTINATION), []
        bad = dict[int, RejectedRow]()
        for column in self.columns_out:
            cast = self._stored(piece.rows.column(column.name), column)
            arrays.append(cast.array)
            for cell in cast.bad:
                record = int(piece.records[cell.row])
                bad.setdefault(
                    cell.row,
                    RejectedRow(record, column.name, cell.value, str(column.type), cell.code, cell.reason),
                )
        fitted = pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(self.columns_out))
        if bad:
            kept = np.ones(len(piece.records), dtype=bool)
            kept[list(bad)] = False
            fitted = fitted.filter(pa.array(kept))
        context.rejected = [bad[row] for row in sorted(bad)]
        self.tally.passed(-1, rows_in=len(piece.rows), rows_out=len(fitted), context=context)
        self._keep(DESTINATION, context.rejected, piece)
        return fitted

    def _stored(self, array: Any, column: Column) -> Cast:
        cast = self._limited(between(array, column.type), column)
        if column.name in self._key:
            code, reason = "key_null", "is NULL in the key"
        elif not column.nullable:
            code, reason = "null_not_allowed", "is NULL, which the table does not allow"
        else:
            return cast
        if cast.array.null_count > len(cast.bad):
            cast.add_nulls(code, reason)
        return cast

    def _keep(self, step: str, rejected: Sequence[RejectedRow], piece: Piece) -> None:
        rows, lines = piece.told(rejected)
        self.tally.keep(step, rows, lines, files=self._files)

    def _context(self, at: int) -> Context:
        handler = self._handlers[at]
        return Context(
            step=handler.name,
            run_id=self._job.run_id,
            tenant_id=self._job.target.connection.tenant_id,
            clock=self._means.clock,
            state=self._states[at],
            columns_in=self._columns[at],
            columns_out=self._columns[at + 1],
            scratch=self._means.scratch,
            lookups={name: self._means.lookups[f"{at}.{name}"] for name in handler.lookups()},
        )


class _Given:
    """The pieces for a step that sees them all: counted, and the error kept that ended them."""

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._pieces = pieces
        self.rows = 0
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[Piece]:
        try:
            for piece in self._pieces:
                self.rows += len(piece.rows)
                yield piece
        except Exception as error:
            self.error = error
            raise


def _check_schema(piece: Piece, schema: Any, step: str) -> None:
    if piece.rows.schema != schema:
        raise HandlerBroken(step=step, reason="its columns differ from columns_out")


def _step_error(step: str, error: Exception) -> Exception:
    if isinstance(error, PenstockError):
        return error
    _log.error("step %s failed", step, exc_info=error)
    return HandlerFailed(step=step, kind=type(error).__name__)


def _over_all(batch: Batch) -> list[RejectedRow]:
    """The rejected rows of a batch, with their numbers over all files."""
    if not batch.first:
        return batch.rejected
    return [
        RejectedRow(
            batch.first + row.record, row.column, row.value, row.expected, row.code, row.reason, row.raw
        )
        for row in batch.rejected
    ]


def _piece(batch: Batch) -> Piece:
    texts, first = batch.raw, batch.first
    raw = None if texts is None else (lambda records: texts([record - first for record in records]))
    return Piece(batch.rows, batch.records + first if first else batch.records, batch.lines, raw)
