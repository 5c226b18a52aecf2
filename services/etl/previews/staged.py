"""A pipeline on the beginning of its source: what runs do, watched step by step, with nothing written."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from services.etl.columns import Columns
from services.etl.loaders._base import Batch, Reading
from services.etl.pipeline import frames
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.context import Context, RejectedRow
from services.etl.pipeline.definition import Limits
from services.etl.pipeline.landing import Landing
from services.etl.pipeline.pieces import Piece
from services.etl.pipeline.stages import Means, Stages
from services.etl.pipeline.tally import Files, Tally
from services.etl.pipeline.validate import Built
from services.etl.runner.messages import Reject

MOST_ROWS: Final = 5_000
"""Rows after a step that are looked at: a step may make many of one."""


@dataclass(slots=True)
class Seen:
    """What came out of a stage: its first rows, all record numbers, what it rejects, and its own seconds."""

    columns: Columns
    batches: list[Any] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)
    rows: int = 0
    seconds: float = 0.0
    rejects: list[Reject] = field(default_factory=list)
    rejected: set[int] = field(default_factory=set)

    def take(self, rows: Any, records: Any) -> None:
        """Note rows as a record batch, with the records that they are of."""
        if self.rows < MOST_ROWS:
            self.batches.append(rows.slice(0, MOST_ROWS - self.rows))
        self.rows += len(rows)
        self.records.append(records)

    def table(self) -> Any:
        """The first rows as a `pyarrow.Table`."""
        return pa.Table.from_batches(self.batches, schema=arrow_schema(self.columns))

    def all_records(self) -> Any:
        """The record numbers of all rows, as NumPy int64."""
        return np.concatenate(self.records) if self.records else np.empty(0, np.int64)


class First(Reading):
    """The first records of a source. `complete` says whether there are no others."""

    def __init__(self, records: int) -> None:
        self._reading: Reading | None = None
        self._left = records
        self.complete = False

    def of(self, reading: Reading) -> None:
        """Take them from here."""
        self._reading = reading

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._reading or ():
            if batch.rows_read > self._left:
                yield _beginning(batch, self._left)
                return
            self._left -= batch.rows_read
            yield batch
        self.complete = True


class _Noting(Tally):
    """Counts as in a run, and notes the records of rejected rows as they are numbered over all files."""

    def __init__(self, steps: Sequence[str], limits: Limits) -> None:
        super().__init__(steps, limits)
        self._records = set[int]()

    def keep(
        self,
        step: str,
        rows: Sequence[RejectedRow],
        lines: Sequence[int | None],
        *,
        files: Files | None = None,
    ) -> None:
        """As in a run."""
        self._records |= {row.record for row in rows}
        super().keep(step, rows, lines, files=files)

    def fresh_records(self) -> set[int]:
        """The records of rows that were rejected since the last call."""
        fresh, self._records = self._records, set()
        return fresh


class Watched(Stages):
    """The stages of a run, with what each of them gives. `failed_at` is the stage that has raised."""

    def __init__(self, built: Built, reading: Reading, steps: Sequence[str], means: Means) -> None:
        self._noting = _Noting(steps, Limits(max_rejects=sys.maxsize))
        super().__init__(built, reading, self._noting, means)
        self.seen = [Seen(columns) for columns in built.columns]
        self.failed_at: int | None = None

    def _loaded(self) -> Iterator[Piece]:
        pieces = super()._loaded()
        while (piece := self._timed(0, lambda: next(pieces, None))) is not None:
            self.seen[0].take(piece.rows, piece.records)
            yield piece

    def _step(self, at: int, frame: pd.DataFrame, piece: Piece) -> pd.DataFrame:
        result: pd.DataFrame = self._timed(at + 1, lambda: super(Watched, self)._step(at, frame, piece))
        self.seen[at + 1].take(*frames.to_batch(result, self._built.columns[at + 1]))
        return result

    def _gathered(self, at: int, pieces: Iterator[Piece]) -> Iterator[Piece]:
        before = sum(seen.seconds for seen in self.seen[: at + 1])
        given = super()._gathered(at, pieces)
        seen = self.seen[at + 1]
        while (piece := self._timed(at + 1, lambda: next(given, None))) is not None:
            seen.take(piece.rows, piece.records)
            yield piece
        # The step has waited for the stages before it, which have told their own time.
        seen.seconds -= sum(seen.seconds for seen in self.seen[: at + 1]) - before

    def landed(self, landing: Landing) -> None:
        """Let all rows through, into the types of a table."""
        last = Seen(landing.columns)
        self.seen.append(last)
        for piece in self.handled():
            fitted = self._timed(-1, lambda: self._fitted(landing, piece))  # noqa: B023 - called at once
            last.take(fitted.rows, fitted.records)

    def _fitted(self, landing: Landing, piece: Piece) -> Piece:
        fitted, rejected = landing.fitted(piece)
        context = Context(step="", rejected=rejected)
        self.tally.passed(-1, rows_in=len(piece.rows), rows_out=len(fitted.rows), context=context)
        self.keep(self.tally.steps[-1].step, rejected, piece)
        return fitted

    def through(self) -> None:
        """Let all rows through the handlers."""
        for _ in self.handled():
            pass

    def _timed(self, stage: int, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        try:
            return work()
        except Exception:
            self.failed_at = stage % len(self.seen) if self.failed_at is None else self.failed_at
            raise
        finally:
            self.seen[stage].seconds += time.perf_counter() - started
            # The stages before it have taken theirs, so these are its own.
            self.seen[stage].rejects += self.tally.fresh_rejects()
            self.seen[stage].rejected |= self._noting.fresh_records()


def _beginning(batch: Batch, most: int) -> Batch:
    """The first records of a batch, rejected and filtered ones among them."""
    numbers = np.sort(
        np.concatenate([batch.records, [row.record for row in batch.rejected]]).astype(np.int64)
    )
    hidden = batch.rows_read - len(numbers)
    last = int(numbers[min(most, len(numbers)) - 1]) if len(numbers) else 0
    kept = int(np.searchsorted(batch.records, last, side="right"))
    told = list(zip(batch.rejected, batch.rejected_lines, strict=True))
    rejected = [(row, line) for row, line in told if row.record <= last]
    shown = kept + len(rejected)
    filtered = min(hidden, most - shown)
    return Batch(
        rows=batch.rows.slice(0, kept),
        records=batch.records[:kept],
        lines=batch.lines[:kept],
        rows_read=shown + filtered,
        rejected=[row for row, _ in rejected],
        rejected_lines=[line for _, line in rejected],
        filtered=filtered,
        file=batch.file,
        first=batch.first,
        raw=batch.raw,
    )
