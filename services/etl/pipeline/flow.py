"""The rows of a job from the loader through the handlers to what the destination takes, batch by batch."""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from services.etl.columns import Column, Columns
from services.etl.destinations._target import Rows
from services.etl.handlers._base import Handler
from services.etl.loaders._base import Batch, Reading
from services.etl.pipeline import frames
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.casting import Cast, between
from services.etl.pipeline.context import Context, RejectedRow
from services.etl.pipeline.errors import HandlerFailed
from services.etl.pipeline.job import Job
from services.etl.pipeline.tally import Tally
from services.etl.pipeline.targets import target_for
from shared import clock as time
from shared.errors import PenstockError

DESTINATION = "database_save"
_log = logging.getLogger(__name__)


class Flow:
    """Takes batches from an open source, counts every row, and gives rows of the target's types.

    `columns` are the columns before each handler and after the last one.
    """

    def __init__(
        self,
        job: Job,
        reading: Reading,
        handlers: Sequence[Handler],
        columns: Sequence[Columns],
        *,
        clock: Callable[[], datetime] = time.now,
    ) -> None:
        self._reading = reading
        self._handlers = handlers
        self._columns = columns
        self._key = set(job.target.key) if job.target.mode == "upsert" else set[str]()
        self._states: list[dict[str, Any]] = [{} for _ in handlers]
        self._job = job
        self._limited = target_for(job.target.connection.connection.type).limited
        self._clock = clock
        names = [job.source.loader, *(handler.name for handler in handlers), DESTINATION]
        self.tally = Tally(names, job.limits)
        wanted = Columns(job.target.columns)
        self.columns_out = Columns(wanted.get(name) for name in columns[-1].names)

    @property
    def bytes_read(self) -> int:
        """Bytes of the source that were read so far."""
        return self._reading.bytes_read

    @property
    def bytes_done(self) -> int:
        """Bytes of the source whose rows have come through."""
        return self._reading.bytes_done

    def __iter__(self) -> Iterator[Rows]:
        for batch in self._reading:
            rows = self._through(batch)
            yield rows
            self.tally.check_limits()
        self.tally.check_limits(final=True)

    def _through(self, batch: Batch) -> Rows:
        loaded = self._context("")
        loaded.rejected, loaded.filtered_rows = batch.rejected, batch.filtered
        self.tally.passed(0, rows_in=batch.rows_read, rows_out=len(batch.rows), context=loaded)
        self.tally.keep(self._job.source.loader, batch.rejected, batch.rejected_lines)
        rows, records = batch.rows, batch.records
        if self._handlers:
            frame = frames.to_frame(batch.rows, batch.records)
            for at in range(len(self._handlers)):
                frame = self._step(at, frame, batch)
            rows, records = frames.to_batch(frame, self._columns[-1])
        return Rows(self._fitted(rows, records, batch), self.columns_out)

    def _step(self, at: int, frame: pd.DataFrame, batch: Batch) -> pd.DataFrame:
        handler = self._handlers[at]
        context = self._context(handler.name, self._states[at])
        try:
            result = handler.apply(frame, context)
        except PenstockError:
            raise
        except Exception as error:
            _log.exception("step %s failed", handler.name)
            raise HandlerFailed(step=handler.name, kind=type(error).__name__) from error
        result = frames.normalised(result, self._columns[at + 1], within=frame, step=handler.name)
        self.tally.passed(at + 1, rows_in=len(frame), rows_out=len(result), context=context)
        self.tally.keep(handler.name, context.rejected, _lines(context.rejected, batch))
        return result

    def _fitted(self, rows: Any, records: Any, batch: Batch) -> Any:
        """The rows with the target's types; what it can't hold is rejected."""
        context, arrays = self._context(DESTINATION), []
        bad = dict[int, RejectedRow]()
        for column in self.columns_out:
            cast = self._stored(rows.column(column.name), column)
            arrays.append(cast.array)
            for cell in cast.bad:
                record = int(records[cell.row])
                bad.setdefault(
                    cell.row,
                    RejectedRow(record, column.name, cell.value, str(column.type), cell.code, cell.reason),
                )
        fitted = pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(self.columns_out))
        if bad:
            kept = np.ones(len(records), dtype=bool)
            kept[list(bad)] = False
            fitted = fitted.filter(pa.array(kept))
        context.rejected = [bad[row] for row in sorted(bad)]
        self.tally.passed(-1, rows_in=len(rows), rows_out=len(fitted), context=context)
        self.tally.keep(DESTINATION, context.rejected, _lines(context.rejected, batch))
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

    def _context(self, step: str, state: dict[str, Any] | None = None) -> Context:
        return Context(
            step=step,
            run_id=self._job.run_id,
            tenant_id=self._job.target.connection.tenant_id,
            clock=self._clock,
            state={} if state is None else state,
        )


def _lines(rejected: Sequence[RejectedRow], batch: Batch) -> list[int | None]:
    """The physical lines of records that are in the batch."""
    if not rejected:
        return []
    places = np.searchsorted(batch.records, [row.record for row in rejected])
    return [int(batch.lines[place]) if place < len(batch.lines) else None for place in places]
