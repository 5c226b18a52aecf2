"""The rows of a source through the steps of a pipeline, piece by piece, every one counted."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd

from services.etl.handlers._base import Handler, TableHandler
from services.etl.loaders._base import Batch, Reading
from services.etl.pipeline import frames
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.context import Context, Lookup, RejectedRow
from services.etl.pipeline.errors import HandlerBroken, HandlerFailed
from services.etl.pipeline.pieces import Piece
from services.etl.pipeline.tally import Files, Tally
from services.etl.pipeline.validate import Built
from shared import clock as time
from shared.errors import PenstockError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Means:
    """What steps need beside the rows: a folder of the run alone, and further sources by step and name."""

    scratch: Path | None = None
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    clock: Callable[[], datetime] = time.now
    run_id: UUID | None = None
    tenant_id: UUID | None = None


class Stages:
    """Takes batches from an open source through the handlers. The counts are in `tally`."""

    def __init__(self, built: Built, reading: Reading, tally: Tally, means: Means) -> None:
        self.tally = tally
        self._built = built
        self._reading = reading
        self._means = means
        self._moment = means.clock()
        self._states: list[dict[str, Any]] = [{} for _ in built.handlers]
        self._files = Files()

    def handled(self) -> Iterator[Piece]:
        """The pieces after the last handler: one generator behind the other, none ahead of the next."""
        pieces = self._loaded()
        numbered = enumerate(self._built.handlers)
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
                self.tally.steps[0].step, context.rejected, batch.rejected_lines, files=self._files
            )
            self.tally.check_limits()
            yield _piece(batch)

    def _mapped(self, steps: Sequence[int], pieces: Iterator[Piece]) -> Iterator[Piece]:
        """Steps that work on rows, one after the other on each piece."""
        for piece in pieces:
            frame = frames.to_frame(piece.rows, piece.records)
            for at in steps:
                frame = self._step(at, frame, piece)
            rows, records = frames.to_batch(frame, self._built.columns[steps[-1] + 1])
            yield Piece(rows, records, piece.lines_of(records), piece.raw)

    def _step(self, at: int, frame: pd.DataFrame, piece: Piece) -> pd.DataFrame:
        handler = self._built.handlers[at]
        assert isinstance(handler, Handler)
        context = self._context(at)
        try:
            result = handler.apply(frame, context)
        except Exception as error:
            raise _step_error(handler.name, error) from error
        result = frames.normalised(
            result,
            self._built.columns[at + 1],
            within=frame,
            step=handler.name,
            unique=not handler.multiplies,
        )
        self.tally.passed(at + 1, rows_in=len(frame), rows_out=len(result), context=context)
        self.keep(handler.name, context.rejected, piece)
        return result

    def _gathered(self, at: int, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """A step that sees the table as a whole. What fails before it does so as itself, not as the step."""
        handler = self._built.handlers[at]
        assert isinstance(handler, TableHandler)
        context, given = self._context(at), _Given(pieces)
        rows_out, told, schema = 0, 0, arrow_schema(self._built.columns[at + 1])
        try:
            for piece in handler.through(iter(given), context):
                _check_schema(piece, schema, handler.name)
                rows_out += len(piece.rows)
                self.tally.passing(at + 1, rows_out=rows_out, context=context)
                told = self._told(context, told)
                yield piece
        except Exception as error:
            raise given.error or _step_error(handler.name, error) from error
        self.tally.passing(at + 1, rows_in=given.rows, rows_out=rows_out, context=context)
        self._told(context, told)

    def _told(self, context: Context, told: int) -> int:
        """Keep the rows that a step has rejected since it had so many; how many it has now."""
        fresh = context.rejected[told:]
        lines: list[int | None] = [None] * len(fresh)
        self.tally.keep(context.step, fresh, lines, files=self._files)
        self.tally.check_limits()
        return told + len(fresh)

    def keep(self, step: str, rejected: Sequence[RejectedRow], piece: Piece) -> None:
        """Keep rows of a piece that a step has rejected."""
        rows, lines = piece.told(rejected)
        self.tally.keep(step, rows, lines, files=self._files)

    def _context(self, at: int) -> Context:
        handler, means = self._built.handlers[at], self._means
        return Context(
            step=handler.name,
            run_id=means.run_id,
            tenant_id=means.tenant_id,
            clock=means.clock,
            moment=self._moment,
            state=self._states[at],
            columns_in=self._built.columns[at],
            columns_out=self._built.columns[at + 1],
            scratch=means.scratch,
            lookups={name: means.lookups[f"{at}.{name}"] for name in handler.lookups()},
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
