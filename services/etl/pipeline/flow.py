"""The rows of a job from the loader through the handlers to what the destination takes, batch by batch."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from services.etl.columns import Column, Columns
from services.etl.destinations._target import Rows
from services.etl.loaders._base import Reading
from services.etl.pipeline.context import Context
from services.etl.pipeline.job import Job, JobFileTarget
from services.etl.pipeline.landing import Landing
from services.etl.pipeline.stages import Means, Stages
from services.etl.pipeline.tally import Tally
from services.etl.pipeline.validate import Built

DESTINATIONS: Final = {"table": "database_save", "file": "file_save"}


def columns_written(job: Job, built: Built) -> Columns:
    """The columns that the destination gets: with the types of the table, or for a file with their own."""
    if isinstance(job.target, JobFileTarget):
        return Columns(Column(name=column.name, type=column.type) for column in built.columns[-1])
    wanted = Columns(job.target.columns)
    return Columns(wanted.get(name) for name in built.columns[-1].names)


def _landing(job: Job, columns: Columns) -> Landing:
    if isinstance(job.target, JobFileTarget):
        return Landing(columns, engine=job.target.engine, key=(), mode="append")
    table = job.target
    return Landing(columns, engine=table.engine, key=tuple(table.key), mode=table.mode)


class Flow(Stages):
    """Takes batches from an open source, counts every row, and gives rows of the target's types."""

    def __init__(self, job: Job, built: Built, reading: Reading, means: Means | None = None) -> None:
        self._destination = DESTINATIONS[job.target.kind]
        names = [job.source.loader, *(handler.name for handler in built.handlers), self._destination]
        known = replace(means or Means(), run_id=job.run_id, tenant_id=job.target.tenant_id)
        super().__init__(built, reading, Tally(names, job.limits), known)
        self.columns_out = columns_written(job, built)
        self._landing = _landing(job, self.columns_out)

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

    def passed_on(self, rows: int) -> None:
        """Count rows that went from the source to the target without a look at them."""
        for at in (0, -1):
            self.tally.passed(at, rows_in=rows, rows_out=rows, context=Context(step=""))

    @property
    def rows_expected(self) -> int | None:
        """About how many rows will come, where the source knows."""
        return self._reading.rows_expected

    def __iter__(self) -> Iterator[Rows]:
        for piece in self.handled():
            fitted, rejected = self._landing.fitted(piece)
            context = Context(step=self._destination, rejected=rejected)
            self.tally.passed(-1, rows_in=len(piece.rows), rows_out=len(fitted.rows), context=context)
            self.keep(self._destination, rejected, piece)
            yield Rows(fitted.rows, self.columns_out, fitted.records)
            self.tally.check_limits()
        self.tally.check_limits(final=True)
