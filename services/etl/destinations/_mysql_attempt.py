"""One attempt's hold on a table of MySQL or MariaDB: fence, lock, ledger and cursor."""

from typing import Final

from services.etl.destinations import _ledger
from services.etl.destinations import _mysql_sql as sql
from services.etl.destinations import _mysql_swap_sql as swaps
from services.etl.destinations._mysql_errors import REFERRED, is_number
from services.etl.destinations._mysql_session import Session
from services.etl.pipeline.errors import FenceOutdated, TargetBusy, TargetRefused, TargetUnfit
from services.etl.pipeline.job import Counts, Job
from shared.engines import mysql
from shared.errors import PenstockError

LOCK_SECONDS: Final = 5


class Attempt:
    """Attempts of one table hold a lock of the server one after the other; whoever has raised the fence ends
    the session that still holds it.
    """

    def __init__(self, session: Session, job: Job, schema: str) -> None:
        self._session = session
        self._job = job
        self._schema_name = schema
        self._quoted = mysql.quote(schema)
        self._schema = self._quoted.replace("%", "%%")
        self._lock = sql.lock_name(schema, job.table_key)
        self._change_lock = sql.change_lock_name(schema, job.table_key)
        self._noted_stream: str | None = None

    async def begin(self) -> Counts | None:
        """Take the table, and finish or undo what attempts before have left of it.

        Returns the counts of this run's commit if there is one. Raises FenceOutdated or TargetBusy.
        """
        await self._make_ledger()
        await self._raise_fence()
        await self._take_lock()
        if await self._held_fence() != self._job.fence:
            raise FenceOutdated
        await self._session.commit()
        await self._recover()
        return await self._done()

    async def check_fence(self) -> None:
        """Hold the fence until the end of the transaction. Raises FenceOutdated."""
        if await self._held_fence() != self._job.fence:
            raise FenceOutdated

    async def record(self, counts: Counts) -> None:
        """Write the ledger row and the stream's cursor into the transaction."""
        job = self._job
        facts = (job.run_id.hex, job.table_key, job.fence, counts.model_dump_json())
        await self._session.execute(sql.write_ledger(self._schema), *facts)
        if job.stream is not None and counts.cursor is not None:
            facts_of_stream = (job.stream, counts.cursor, job.run_id.hex)
            await self._session.execute(sql.write_cursor(self._schema), *facts_of_stream)

    async def last_cursor(self) -> str | None:
        """How far the last run of the job's stream has read."""
        if self._job.stream is None:
            return None
        rows = await self._session.rows(sql.last_cursor(self._schema), self._job.stream)
        return rows[0][0] if rows else None

    async def settle(self) -> Counts | None:
        """End other sessions of this run and say what is committed, finally."""
        if not {_ledger.LEDGER, _ledger.FENCE} <= set(await self.tables()):
            return None
        if (await self._held_fence() or 0) <= self._job.fence:
            await self._end_holder()
            await self._session.commit()
            await self._take_lock()
            await self._session.commit()
            await self._recover()
        await self._session.commit()
        return await self._done()

    async def tables(self) -> dict[str, tuple[str, str | None]]:
        """Which of the ledger's tables and the table itself are there, with kind and engine."""
        names = (_ledger.LEDGER, _ledger.FENCE, _ledger.CURSOR, self._job.table.table_name)
        rows = await self._session.rows(sql.TABLES, self._schema_name, *names)
        return {name: (kind, engine) for name, kind, engine in rows}

    async def _make_ledger(self) -> None:
        """Make our tables where they are missing: DDL, which commits by itself and may run twice."""
        found = await self.tables()
        made = [
            *zip((_ledger.LEDGER, _ledger.FENCE), _ledger.statements("mysql", self._quoted), strict=True),
            *[(_ledger.CURSOR, _ledger.cursor_statement("mysql", self._quoted))] * bool(self._job.stream),
        ]
        for name, statement in made:
            if name not in found:
                await self._session.execute(statement)
        for kind, engine in found.values():
            if kind == "BASE TABLE" and engine != "InnoDB":
                raise TargetUnfit(
                    reason=f"it, or the ledger beside it, is kept by {engine}, without transactions"
                )

    async def _raise_fence(self) -> None:
        """Raise the fence for good, and end whoever holds the table.

        The fence's row is ours until the commit, and attempts raise it before they take the lock: so the
        holder can't be a newer one.
        """
        run_id, fence = self._job.run_id.hex, self._job.fence
        values = (self._job.table_key, fence, run_id, fence, run_id, fence)
        await self._session.execute(sql.raise_fence(self._schema), *values)
        await self.check_fence()
        await self._end_holder()
        await self._session.commit()

    async def _held_fence(self) -> int | None:
        rows = await self._session.rows(sql.held_fence(self._schema), self._job.table_key)
        return rows[0][0] if rows else None

    async def _end_holder(self) -> None:
        ((holder, own),) = await self._session.rows(sql.HOLDER, self._lock)
        ((changing, _),) = await self._session.rows(sql.HOLDER, self._change_lock)
        if holder is not None and holder == changing:
            raise TargetBusy(reason="the table itself is being changed")
        if holder is not None and holder != own:
            await self._session.kill(holder)

    async def _take_lock(self) -> None:
        ((taken,),) = await self._session.rows(sql.TAKE_LOCK, self._lock, LOCK_SECONDS)
        if taken != 1:
            raise TargetBusy(reason="another run of the table is not over yet")

    async def _done(self) -> Counts | None:
        rows = await self._session.rows(sql.ledger_row(self._schema), self._job.run_id.hex)
        return Counts.model_validate_json(rows[0][0]) if rows else None

    async def _recover(self) -> None:
        """Finish the swaps that have happened, forget the others, and drop what attempts before have left."""
        names = swaps.Names(self._job.table_key)
        rows = await self._session.rows(swaps.LEFT, self._schema_name, len(names.prefix), names.prefix)
        left = {name for (name,) in rows}
        if swaps.SWAP in left:
            left.discard(swaps.SWAP)
            for run_id, stream in await self._session.rows(swaps.begun(self._schema), self._job.table_key):
                if names.old(run_id) in left and names.new(run_id) not in left:
                    if await self.why_undone(new=names.new(run_id), old=names.old(run_id)) is None:
                        await self._record_swap(run_id, stream)
                    else:
                        left = left - {names.old(run_id)} | {names.new(run_id)}
                await self._session.execute(swaps.forget(self._schema), run_id)
            await self._session.commit()
        for name in left:
            await self._session.execute(f"DROP TABLE IF EXISTS {self._beside(name)}")

    async def _record_swap(self, run_id: str, stream: str | None) -> None:
        await self._session.execute(swaps.record(self._schema), run_id)
        if stream is not None:
            await self._session.execute(swaps.record_cursor(self._schema), run_id)

    async def why_undone(self, *, new: str, old: str) -> PenstockError | None:
        """Empty the old table, or undo the swap where that may not be: the reason, None where it holds.

        Whoever waited for the table has it before the swap, which gives up its own hold on it first. And the
        catalog shows no foreign keys of tables where the user has no privilege: they follow the old table,
        which can't be emptied then.
        """
        table, schema = self._job.table.table_name, self._schema_name
        reason: PenstockError | None = None
        altered = await self._session.rows(swaps.TRIGGERS, schema, old)
        if altered or (await self.definition(old))[0] != (await self.definition(table))[0]:
            reason = TargetBusy(reason="the table itself was changed meanwhile")
        else:
            try:
                await self._session.execute(f"TRUNCATE TABLE {self._beside(old)}")
            except TargetRefused as error:
                if not is_number(error, REFERRED):
                    raise
                reason = TargetUnfit(reason="foreign keys of tables that the user may not see point at it")
        if reason is not None:
            undo = swaps.swap(self._beside(table), new=self._beside(old), old=self._beside(new))
            await self._session.execute(undo)
        return reason

    async def definition(self, name: str) -> tuple[str, int | None]:
        """How a table is made, apart from its name, and its next number."""
        ((_, spelled),) = await self._session.rows(f"SHOW CREATE TABLE {self._beside(name)}")
        return swaps.definition(spelled, name)

    def _beside(self, name: str) -> str:
        return f"{self._quoted}.{mysql.quote(name)}"

    async def note_swap(self, counts: Counts) -> None:
        """Write into the transaction what `finish_swap` is to record, or who comes after this attempt."""
        job, run_id = self._job, self._job.run_id.hex
        stream = job.stream if counts.cursor is not None else None
        facts = (run_id, job.table_key, job.fence, counts.model_dump_json(), stream, counts.cursor)
        await self._session.execute(swaps.note(self._schema), *facts)
        self._noted_stream = stream

    async def finish_swap(self) -> None:
        """Record the swap that has happened."""
        await self._record_swap(self._job.run_id.hex, self._noted_stream)
        await self.forget_swap()

    async def forget_swap(self) -> None:
        """The note is done with."""
        await self._session.execute(swaps.forget(self._schema), self._job.run_id.hex)
        await self._session.commit()
