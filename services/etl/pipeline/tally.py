"""Counting what becomes of rows, keeping the first rejects, and watching the limits. Plain Python."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Protocol

from services.etl.pipeline.context import Context, RejectedRow
from services.etl.pipeline.definition import Limits
from services.etl.pipeline.errors import CountsDiffer, SourceChanged, TooManyRejects
from services.etl.pipeline.job import Counts, StepCounts
from services.etl.runner.messages import (
    KEPT_BYTES,
    KEPT_REJECTS,
    MAX_RAW,
    MAX_VALUE,
    Reject,
    UnkeptRejects,
)

MIN_SAMPLE: Final = 1000
"""Rows that must have been read before a share of rejects ends a run early."""


class WrittenRows(Protocol):
    """What a target says of the rows that it was given."""

    @property
    def inserted(self) -> int: ...
    @property
    def updated(self) -> int: ...
    @property
    def unchanged(self) -> int: ...
    @property
    def deduplicated(self) -> int: ...
    @property
    def written(self) -> int: ...


class Files:
    """Which file of the source a record is of. Records are numbered over all files together."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._names: list[str] = []

    def begins(self, name: str, first: int) -> None:
        """From here on records are of this file; `first` records are before it."""
        if not self._names or (self._names[-1], self._firsts[-1]) != (name, first):
            self._names.append(name)
            self._firsts.append(first)

    def place(self, record: int) -> tuple[str, int]:
        """The file's name and the number of the record in it."""
        at = bisect_left(self._firsts, record) - 1
        return (self._names[at], record - self._firsts[at]) if at >= 0 else ("", record)


class Tally:
    """The counts of a run while it goes on: the loader, each handler, then the destination."""

    def __init__(self, steps: Sequence[str], limits: Limits, *, kept: int = KEPT_REJECTS) -> None:
        self.steps = [StepCounts(step=name, position=at - 1) for at, name in enumerate(steps)]
        self._limits = limits
        self._room, self._bytes_left = kept, KEPT_BYTES
        self._unkept = Counter[tuple[str, str | None, str]]()
        self._fresh: list[Reject] = []
        self._first: Reject | None = None

    @property
    def read(self) -> int:
        """Records read from the source."""
        return self.steps[0].rows_in

    @property
    def rejected(self) -> int:
        """Rows rejected by all steps so far."""
        return sum(step.rejected for step in self.steps)

    def passed(self, at: int, *, rows_in: int, rows_out: int, context: Context) -> None:
        """A batch has passed a step. Raises CountsDiffer when a row is unaccounted for."""
        rejected, filtered = len(context.rejected), context.filtered_rows
        accounted = rows_out + rejected + filtered + context.deduplicated_rows + context.merged_rows
        step = self.steps[at]
        if accounted != rows_in + context.added_rows:
            raise CountsDiffer(step=step.step, rows_in=rows_in + context.added_rows, accounted=accounted)
        step.rows_in += rows_in
        step.rows_out += rows_out
        step.rejected += rejected
        step.filtered += filtered
        step.deduplicated += context.deduplicated_rows
        step.merged += context.merged_rows
        step.added += context.added_rows

    def passing(self, at: int, *, rows_in: int | None = None, rows_out: int, context: Context) -> None:
        """What has come of the whole of a step so far; `rows_in` is known at its end.

        Until then rows that the step still holds count as not come to it. Raises CountsDiffer as `passed`.
        """
        step = self.steps[at]
        self.steps[at] = StepCounts(step=step.step, position=step.position)
        if rows_in is None:
            gone = len(context.rejected) + context.filtered_rows + context.deduplicated_rows
            rows_in = rows_out + gone + context.merged_rows - context.added_rows
        self.passed(at, rows_in=rows_in, rows_out=rows_out, context=context)

    def keep(
        self,
        step: str,
        rows: Sequence[RejectedRow],
        lines: Sequence[int | None],
        *,
        files: Files | None = None,
    ) -> None:
        """Keep rejected rows to be told, as far as there is room, and count the others by their kinds.

        `files` knows the file of a record.
        """
        for row, line in zip(rows, lines, strict=True):
            if not self._room:
                self._unkept[step, row.column, row.code] += 1
                continue
            file, record = files.place(row.record) if files else ("", row.record)
            reject = _reject(step, row, line).model_copy(update={"file": file or None, "record": record})
            self._first = self._first or reject
            self._fresh.append(reject)
            self._room -= 1
            self._bytes_left -= len(row.reason) + len(reject.value or "") + len(reject.raw or "")
            if self._bytes_left <= 0:
                self._room = 0

    def fresh_rejects(self) -> list[Reject]:
        """The rejects since the last call."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def fresh_unkept(self) -> list[UnkeptRejects]:
        """How many more rows than those were rejected since the last call."""
        fresh, self._unkept = self._unkept, Counter()
        return [
            UnkeptRejects(step=step, column=column, code=code, rows=rows)
            for (step, column, code), rows in fresh.items()
        ]

    def check_limits(self, *, final: bool = False) -> None:
        """Raises TooManyRejects when either limit is passed."""
        rejected, read = self.rejected, self.read
        if rejected > self._limits.max_rejects:
            raise self._too_many(f"the {self._limits.max_rejects} that are allowed")
        ratio = self._limits.max_reject_ratio
        if ratio is not None and (final or read >= MIN_SAMPLE) and rejected > ratio * read:
            raise self._too_many(f"the share of {ratio:.4g} that is allowed")

    def counts(self, *, bytes_read: int) -> Counts:
        """All counts so far. The destination's inserted, updated and unchanged rows are its own to add."""
        steps = [step.model_copy() for step in self.steps]
        return Counts(
            read=steps[0].rows_in,
            filtered=sum(step.filtered for step in steps),
            deduplicated=sum(step.deduplicated for step in steps),
            rejected=sum(step.rejected for step in steps),
            merged=sum(step.merged for step in steps),
            added=sum(step.added for step in steps),
            bytes_read=bytes_read,
            steps=steps,
        )

    def final(self, written: WrittenRows, *, bytes_read: int, size: int | None) -> Counts:
        """The counts of a run that is about to commit. Raises CountsDiffer or SourceChanged.

        `size` is what the source has, in bytes, where that is known.
        """
        last = self.steps[-1]
        last.rows_out = written.written
        last.deduplicated += written.deduplicated
        for before, after in pairwise(self.steps):
            if before.rows_out != after.rows_in:
                raise CountsDiffer(step=after.step, rows_in=before.rows_out, accounted=after.rows_in)
        for step in self.steps:
            if not step.add_up():
                raise CountsDiffer(step=step.step, rows_in=step.rows_in, accounted=step.rows_out)
        if size is not None and bytes_read != size:
            raise SourceChanged(reason=f"{bytes_read} of its {size} bytes were read")
        return self.counts(bytes_read=bytes_read).model_copy(
            update={
                "written": written.written,
                "inserted": written.inserted,
                "updated": written.updated,
                "unchanged": written.unchanged,
            }
        )

    def _too_many(self, limit: str) -> TooManyRejects:
        first = _sentence(self._first) if self._first else ""
        return TooManyRejects(rejected=self.rejected, read=self.read, limit=limit, first=first)


def _reject(step: str, row: RejectedRow, line: int | None) -> Reject:
    return Reject(
        record=row.record,
        line=line,
        column=row.column,
        value=None if row.value is None else row.value[:MAX_VALUE],
        expected=row.expected,
        code=row.code,
        reason=row.reason,
        step=step,
        raw=None if row.raw is None else row.raw[:MAX_RAW],
    )


def _sentence(reject: Reject) -> str:
    place = f"record {reject.record}" + (f" (line {reject.line})" if reject.line else "")
    column = f", column {reject.column}" if reject.column else ""
    value = "" if reject.value is None else f" {reject.value[:80]!r}"
    return f"{place}{column}:{value} {reject.reason}."
