"""PostgreSQL as a target: COPY in one transaction with the ledger."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

import asyncpg

from services.etl.columns import Columns
from services.etl.destinations import _ledger
from services.etl.destinations import _postgresql_sql as sql
from services.etl.destinations._postgresql_columns import comparisons, found_columns
from services.etl.destinations._postgresql_copy import SentRows, ended_with
from services.etl.destinations._postgresql_errors import translated
from services.etl.destinations._postgresql_modes import way_for
from services.etl.destinations._postgresql_script import script
from services.etl.destinations._postgresql_work import Into, Way, Work, make_beside
from services.etl.destinations._stage import row_column
from services.etl.destinations._target import Encoded, Rows, Surroundings, Target, Written
from services.etl.pipeline.errors import CountsDiffer, FenceOutdated, TargetBusy, TargetUnfit
from services.etl.pipeline.job import Counts, Job, JobSpec
from services.etl.runner.messages import Backend, Phase
from shared.engines import postgresql
from shared.errors import PenstockError

if TYPE_CHECKING:
    from services.etl.destinations._encoding import Encoder, PhysicalColumn
    from services.etl.loaders._base import Reading

T = TypeVar("T")
SETTLE_SECONDS: Final = 10.0
_BROKEN: Final = (*postgresql.DRIVER_ERRORS, asyncpg.InternalClientError)
"""The last one is what asyncpg says when the session ends while it is about to say something itself."""


class Postgresql(Target):
    """Rows by COPY, in binary where the types allow it, in one transaction with the run's ledger row."""

    name = "postgresql"

    def __init__(self, job: Job, columns: Columns, surroundings: Surroundings) -> None:
        super().__init__(job, columns, surroundings)
        self._schema_name = job.table.schema_name or "public"
        self._schema = postgresql.quote(self._schema_name)
        self._table = f"{self._schema}.{postgresql.quote(job.table.table_name)}"
        self._lock = sql.lock_number(job.table_key)
        self._connection: Any = None
        self._transaction: Any = None
        self._encoder: Encoder | None = None
        self._physical: list[PhysicalColumn] = []
        self._way: Way | None = None
        self._rows, self._row = 0, row_column(columns.names)
        self._sent = SentRows()
        self._from_source: Exception | None = None
        self._oid = 0

    @classmethod
    def script(cls, job: JobSpec, columns: Columns) -> list[str]:
        return script(job, columns)

    async def prepare(self) -> Counts | None:
        return await self._guarded(self._prepare)

    async def _prepare(self) -> Counts | None:
        self._connection = await self._connect(fence=self.job.fence)
        self.surroundings.tell(Backend(pid=self._connection.get_server_pid()))
        await self._make_ledger()
        await self._raise_fence()
        await self._connection.fetch(sql.END_OLDER, self.job.fence, self.job.run_id.hex, self._lock)
        await self._begin()
        done = await self._connection.fetchval(sql.ledger_row(self._schema), self.job.run_id.hex)
        if done is not None:
            return Counts.model_validate_json(done)
        await self._examine(await self._locked_table())
        return None

    async def straight(self, reading: "Reading") -> Iterator[Encoded] | None:
        """Rows of PostgreSQL that have the very types of the table, in binary form."""
        from services.etl.destinations import _postgresql_straight

        assert self._way is not None
        if self._way.numbered or self.job.table.mode not in {"append", "replace"}:
            return None
        items = await self._guarded(
            lambda: _postgresql_straight.items(self._connection, self._oid, self.columns, reading)
        )
        if items is not None:
            self._encoder = _postgresql_straight.AsIs()
        return items

    def encode(self, rows: Rows) -> Encoded:
        """COPY data of the rows, with their positions where those decide."""
        assert self._way is not None
        assert self._encoder is not None
        batch = self._numbered(rows.batch) if self._way.numbered else rows.batch
        self._sent.add(len(batch), rows.records)
        return Encoded(len(batch), self._encoder.encode(batch))

    async def write(self, encoded: AsyncIterator[Encoded]) -> Written:
        return await self._guarded(lambda: self._write(encoded))

    async def _write(self, encoded: AsyncIterator[Encoded]) -> Written:
        assert self._way is not None
        into = await self._way.begin()
        sent, status = await self._copy(encoded, into)
        if status != f"COPY {sent}":
            raise CountsDiffer(step=self.name, rows_in=sent, accounted=status)
        return await self._way.finish(sent)

    async def commit(self, counts: Counts) -> None:
        await self._guarded(lambda: self._commit(counts))

    async def _commit(self, counts: Counts) -> None:
        fence = await self._connection.fetchval(sql.held_fence(self._schema), self.job.table_key)
        if fence != self.job.fence:
            raise FenceOutdated
        facts = (self.job.run_id.hex, self.job.table_key, self.job.fence, counts.model_dump_json())
        await self._connection.execute(sql.write_ledger(self._schema), *facts)
        if counts.cursor is not None and self.job.stream is not None:
            cursor = (self.job.stream, counts.cursor, self.job.run_id.hex)
            await self._connection.execute(sql.write_cursor(self._schema), *cursor)
        await self._transaction.commit()
        self._transaction = None

    async def last_cursor(self) -> str | None:
        if self.job.stream is None:
            return None
        return await self._guarded(
            lambda: self._connection.fetchval(sql.last_cursor(self._schema), self.job.stream)
        )

    async def abandon(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None or connection.is_closed():
            return
        try:
            async with asyncio.timeout(2):
                if self._transaction is not None:
                    await self._transaction.rollback()
                await connection.close()
        except Exception:  # noqa: BLE001  whatever is wrong with it: the socket goes, and the session with it
            connection.terminate()

    async def settle(self) -> Counts | None:
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                return await self._guarded(self._settle)
        except TimeoutError:
            raise TargetBusy(reason="it did not answer in time") from None
        finally:
            await self.abandon()

    async def _settle(self) -> Counts | None:
        self._connection = await self._connect(fence=self.job.fence + 1)
        if await self._connection.fetchrow(sql.TABLE, self._schema_name, _ledger.LEDGER) is None:
            return None
        await self._connection.fetch(sql.END_OLDER, self.job.fence + 1, self.job.run_id.hex, self._lock)
        await self._begin()
        done = await self._connection.fetchval(sql.ledger_row(self._schema), self.job.run_id.hex)
        return None if done is None else Counts.model_validate_json(done)

    async def _connect(self, *, fence: int) -> Any:
        connection = await postgresql.connect(
            self.job.table.connection,
            policy=self.surroundings.policy,
            application_name=_ledger.application_name(self.job.run_id, fence),
            read_only=False,
            statement_timeout=60.0,
            timeout=15.0,
        )
        try:
            await connection.execute(sql.CHECK_INTERVAL)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _make_ledger(self) -> None:
        """Make our tables where they are missing. Two runs may try at once: the second finds them."""
        made = zip(
            (_ledger.LEDGER, _ledger.FENCE), _ledger.statements("postgresql", self._schema), strict=True
        )
        cursor = (_ledger.CURSOR, _ledger.cursor_statement("postgresql", self._schema))
        for name, statement in (*made, cursor) if self.job.stream else made:
            if await self._connection.fetchrow(sql.TABLE, self._schema_name, name) is None:
                async with self._connection.transaction():
                    await self._connection.execute("SELECT pg_advisory_xact_lock($1)", sql.lock_number(name))
                    await make_beside(self._connection, statement)

    async def _raise_fence(self) -> None:
        raised = await self._connection.fetchval(
            sql.raise_fence(self._schema), self.job.table_key, self.job.fence, self.job.run_id.hex
        )
        if raised is None:
            raise FenceOutdated

    async def _begin(self) -> None:
        # A snapshot for each statement: the ledger's row of another attempt is seen once its lock is ours.
        self._transaction = self._connection.transaction(isolation="read_committed")
        await self._transaction.start()
        times = (f"{self.job.limits.timeout_seconds}s", f"{sql.LOCK_SECONDS}s")
        await self._connection.execute(sql.SETTINGS, *times)
        await self._connection.execute("SELECT pg_advisory_xact_lock($1)", self._lock)

    async def _locked_table(self) -> int:
        """The table's OID; until the end of the transaction nobody can alter it."""
        table = await self._connection.fetchrow(sql.TABLE, self._schema_name, self.job.table.table_name)
        if table is None:
            raise TargetUnfit(reason="it is not there")
        if table["kind"] != "r":
            raise TargetUnfit(reason="it is no plain table")
        await self._connection.execute(f"LOCK TABLE {self._table} IN ROW EXCLUSIVE MODE")
        # Not the one from before: a table may have been swapped while the lock was waited for.
        oid: int = await self._connection.fetchval("SELECT $1::text::regclass::oid::int8", self._table)
        return oid

    async def _examine(self, table: int) -> None:
        """Read the table's columns in this transaction and choose way and encoder by them."""
        from services.etl.destinations._encoding import PhysicalColumn, encoder_for
        from services.etl.pipeline.arrow_types import arrow_schema

        self._oid = table
        found = await found_columns(self._connection, table, self.columns, self.job.table.history)
        self._physical = [
            PhysicalColumn(
                one.name, one.type_name, one.built_in, one.modifier, one.longest(column), one.scale
            )
            for column, one in zip(self.columns, found, strict=True)
        ]
        schema = arrow_schema(self.columns)
        self._way = way_for(
            Work(
                self._connection,
                self.job,
                table,
                self._table,
                self.columns.names,
                comparisons(found),
                merging=lambda: self.surroundings.tell(Phase(name="merging")),
            )
        )
        await self._way.examine()
        if self._way.numbered:
            schema = self._with_row_number(schema)
            self._physical.append(PhysicalColumn(self._row, "int8", built_in=True, modifier=-1))
        self._encoder = encoder_for(self._physical, schema)

    def _with_row_number(self, schema: Any) -> Any:
        import pyarrow as pa

        return schema.append(pa.field(self._row, pa.int64()))

    def _numbered(self, batch: Any) -> Any:
        import numpy as np
        import pyarrow as pa

        numbers = pa.array(np.arange(self._rows, self._rows + len(batch), dtype=np.int64))
        self._rows += len(batch)
        return pa.RecordBatch.from_arrays(
            [*batch.columns, numbers], schema=self._with_row_number(batch.schema)
        )

    async def _copy(self, encoded: AsyncIterator[Encoded], into: Into) -> tuple[int, str]:
        assert self._encoder is not None
        encoder, sent = self._encoder, 0

        async def source() -> AsyncIterator[bytes]:
            nonlocal sent
            yield encoder.header()
            try:
                async for item in encoded:
                    sent += item.rows
                    if item.payload:
                        yield item.payload
            except Exception as error:
                self._from_source = error
                raise
            yield encoder.trailer()

        copying = self._connection.copy_to_table(
            into.table,
            schema_name=into.schema,
            columns=[column.name for column in self._physical],
            source=source(),
            format=encoder.format,
            freeze=into.frozen or None,
            timeout=self.job.limits.timeout_seconds,
        )
        status = await ended_with(self._connection, copying)
        return sent, status

    async def _guarded(self, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await work()
        except PenstockError:
            raise
        except _BROKEN as error:
            if error is self._from_source:
                raise
            raise translated(error, self._sent.record) from error
