"""MySQL and MariaDB as a target: rows by LOAD DATA or large INSERTs in one transaction with the ledger."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final

from services.etl.columns import Column, Columns
from services.etl.destinations import _ledger
from services.etl.destinations import _mysql_sql as sql
from services.etl.destinations._mysql_attempt import Attempt
from services.etl.destinations._mysql_modes import way_for
from services.etl.destinations._mysql_script import script
from services.etl.destinations._mysql_session import Session
from services.etl.destinations._mysql_work import Into, Way, Work
from services.etl.destinations._target import Capabilities, Encoded, Rows, Surroundings, Target, Written
from services.etl.pipeline.errors import CountsDiffer, TargetBusy, TargetRefused, TargetUnfit
from services.etl.pipeline.job import Counts, Job, JobSpec
from services.etl.runner.messages import Backend, Phase
from shared.engines import mysql

if TYPE_CHECKING:
    from services.etl.pipeline.casting import Cast

STATEMENT_BYTES: Final = 1_000_000
SETTLE_SECONDS: Final = 10.0
BEAT_SECONDS: Final = 30.0
_DISCARD_SECONDS: Final = 2.0
_PACKET_HEADER: Final = 64


class Mysql(Target):
    """Rows in one InnoDB transaction with the run's ledger row.

    They come by LOAD DATA where the server takes it, a statement for each batch: so it never waits for rows
    with a statement open. Else they come by INSERT, many in one statement. Neither may leave a warning.
    """

    name = "mysql"
    capabilities = Capabilities(transactional_ddl=False)

    def __init__(self, job: Job, columns: Columns, surroundings: Surroundings) -> None:
        super().__init__(job, columns, surroundings)
        self._schema = job.table.schema_name or mysql.target_of(job.table.connection).database
        self._table = f"{mysql.quote(self._schema)}.{mysql.quote(job.table.table_name)}"
        application_name = _ledger.application_name(job.run_id, job.fence)
        self._session = Session(job.table.connection, surroundings.policy, application_name)
        self._attempt = Attempt(self._session, job, self._schema)
        self._way: Way | None = None
        self._into = Into(self._table)
        self._found: Sequence[sql.Found] = ()
        self._load: str | None = None
        self._longest = STATEMENT_BYTES

    @classmethod
    def limited(cls, cast: "Cast", column: Column) -> "Cast":
        from services.etl.destinations import _mysql_values

        return _mysql_values.limited(cast, column)

    @classmethod
    def script(cls, job: JobSpec, columns: Columns) -> list[str]:
        return script(job, columns)

    async def prepare(self) -> Counts | None:
        if not self._schema:
            raise TargetUnfit(reason="neither it nor its resource names a database")
        await self._session.open(statement_timeout=self.job.limits.timeout_seconds)
        self.surroundings.tell(Backend(pid=self._session.number))
        done = await self._attempt.begin()
        if done is None:
            # Where a statement deletes from an alias, the server looks for that in the current database.
            await self._session.execute(f"USE {mysql.quote(self._schema)}")
            self._way = way_for(self._work())
            await self._way.prepare()
            await self._session.rows(sql.hold_table(self._table))
            await self._way.examine(await self._examined())
            self._into = await self._way.begin()
            self._load = await self._loading()
        return done

    async def last_cursor(self) -> str | None:
        return await self._attempt.last_cursor()

    def encode(self, rows: Rows) -> Encoded:
        """The rows as lines of text, or as statements of about a megabyte."""
        from services.etl.destinations import _mysql_text, _mysql_values

        self._check_nulls(rows)
        if self._load is not None:
            return Encoded(len(rows.batch), list(_mysql_text.lines(rows.batch)))
        before, after = self._into.insert(self.columns.names, self.job.table.key)
        statements = _mysql_values.statements(
            rows.batch,
            before=before,
            after=after,
            at_most=min(STATEMENT_BYTES, self._longest // 2),
            server_limit=self._longest,
        )
        return Encoded(len(rows.batch), list(statements))

    async def write(self, encoded: AsyncIterator[Encoded]) -> Written:
        assert self._way is not None
        sent = 0
        async for item in self._awake(encoded):
            if self._load is not None:
                self._check_count(item.rows, await self._session.load(self._load, item.payload))
            else:
                for rows, statement in item.payload:
                    self._check_count(rows, await self._session.write(statement))
            sent += item.rows
        return await self._way.finish(sent)

    async def _awake(self, encoded: AsyncIterator[Encoded]) -> AsyncIterator[Encoded]:
        """Say something now and then while rows are waited for: servers end sessions that are idle."""
        while True:
            waiting = asyncio.ensure_future(anext(encoded, None))
            try:
                while not (await asyncio.wait((waiting,), timeout=BEAT_SECONDS))[0]:
                    await self._session.rows("SELECT 1")
                item = await waiting
            finally:
                waiting.cancel()
            if item is None:
                return
            yield item

    async def commit(self, counts: Counts) -> None:
        assert self._way is not None
        await self._attempt.check_fence()
        await self._way.publish(counts)

    async def abandon(self) -> None:
        way, self._way = self._way, None
        if way is not None and self._session.is_idle:
            try:
                async with asyncio.timeout(_DISCARD_SECONDS):
                    await self._session.rollback()
                    await way.discard()
            except Exception:  # noqa: BLE001, S110  the next run of the table removes it
                pass
        await self._session.close()

    async def settle(self) -> Counts | None:
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await self._session.open()
                return await self._attempt.settle()
        except TimeoutError:
            raise TargetBusy(reason="it did not answer in time") from None
        finally:
            await self.abandon()

    def _work(self) -> Work:
        return Work(
            self._session,
            self._attempt,
            self.job,
            schema=self._schema,
            table=self._table,
            names=self.columns.names,
            merging=lambda: self.surroundings.tell(Phase(name="merging")),
        )

    async def _examined(self) -> dict[str, sql.Found]:
        """Read the table's columns while nobody can alter it. Raises TargetUnfit."""
        from services.etl.destinations import _mysql_values

        name, tables = self.job.table.table_name, await self._attempt.tables()
        kind, _ = tables.get(name) or tables.get(name.lower()) or ("", None)  # a server may fold names
        if kind != "BASE TABLE":
            raise TargetUnfit(reason="it is no plain table")
        rows = await self._session.rows(sql.COLUMNS, self._schema, name)
        found = _mysql_values.found_columns(rows)
        for column in self.columns:
            self._check_column(column, found.get(column.name))
        history = self.job.table.history
        given = {*self.columns.names, *(history.columns if history else ())}
        for other in found.values():
            if other.name not in given and other.must_be_given:
                raise TargetUnfit(reason=f"its column {other.name!r} must have a value")
        ((packet,),) = await self._session.rows(sql.LONGEST_PACKET)
        self._longest = packet - _PACKET_HEADER
        self._found = [found[name] for name in self.columns.names]
        return found

    def _check_column(self, column: Column, found: sql.Found | None) -> None:
        from services.etl.destinations import _mysql_values

        if found is None:
            raise TargetUnfit(reason=f"it has no column {column.name!r}")
        if found.is_generated:
            raise TargetUnfit(reason=f"its column {column.name!r} is generated and can't be written")
        if not _mysql_values.keeps(found, column.type):
            raise TargetUnfit(
                reason=f"its column {column.name!r} is {found.declared}, which can change {column.type}"
            )

    async def _loading(self) -> str | None:
        """The LOAD DATA statement, if the server takes it; a proxy may not, whatever the server says."""
        statement = self._into.load(self._found)
        if statement is None or dict(await self._session.rows(sql.LOADS)) not in sql.LOADING:
            return None
        try:
            await self._session.load(statement, ())
        except TargetRefused as error:
            if error.__cause__ is None or mysql.number_of(error.__cause__) not in sql.NO_LOADS:
                raise
            return None
        return statement

    def _check_nulls(self, rows: Rows) -> None:
        """The server would put the next number, the moment or a zero in the place of some NULLs."""
        for column, array in zip(self._found, rows.batch.columns, strict=True):
            if array.null_count and not column.nullable:
                raise TargetRefused(reason=f"a column that must have a value is NULL, column {column.name}")

    def _check_count(self, rows: int, touched: int) -> None:
        if not self._into.took(rows, touched):
            raise CountsDiffer(step=self.name, rows_in=rows, accounted=touched)
