"""MySQL and MariaDB as a target: rows by large INSERT statements in one transaction with the ledger."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final

from services.etl.columns import Column, Columns
from services.etl.destinations import _ledger
from services.etl.destinations import _mysql_sql as sql
from services.etl.destinations._mysql_errors import needing
from services.etl.destinations._mysql_session import Session
from services.etl.destinations._target import Capabilities, Encoded, Rows, Surroundings, Target, Written
from services.etl.pipeline.errors import (
    CountsDiffer,
    FenceOutdated,
    TargetBusy,
    TargetRefused,
    TargetUnfit,
)
from services.etl.pipeline.job import Counts, Job
from services.etl.runner.messages import Backend, Phase
from shared.engines import mysql

if TYPE_CHECKING:
    from services.etl.pipeline.casting import Cast

STATEMENT_BYTES: Final = 1_000_000
LOCK_SECONDS: Final = 5
SETTLE_SECONDS: Final = 10.0
_PACKET_HEADER: Final = 64


class Mysql(Target):
    """Rows by INSERT, many in one statement, in one InnoDB transaction with the run's ledger row.

    An upsert stages its rows in a temporary table that only this session sees: it is gone with the session,
    however that ends. Attempts of one table hold a lock of the server one after the other; whoever has raised
    the fence ends the session that still holds it.
    """

    name = "mysql"
    capabilities = Capabilities(transactional_ddl=False)

    def __init__(self, job: Job, columns: Columns, surroundings: Surroundings) -> None:
        super().__init__(job, columns, surroundings)
        schema = job.target.schema_name or mysql.target_of(job.target.connection).database
        self._schema_name, quoted = schema, mysql.quote(schema)
        self._schema = quoted.replace("%", "%%")
        self._table = f"{quoted}.{mysql.quote(job.target.table_name)}"
        self._stage = f"{quoted}.{mysql.quote(sql.stage_name(job.run_id))}"
        self._lock = sql.lock_name(schema, job.table_key)
        self._change_lock = sql.change_lock_name(schema, job.table_key)
        self._session = Session(
            job.target.connection,
            surroundings.policy,
            _ledger.application_name(job.run_id, job.fence),
        )
        self._found: Sequence[sql.Found] = ()
        self._before, self._after, self._longest = "", "", STATEMENT_BYTES

    @classmethod
    def limited(cls, cast: "Cast", column: Column) -> "Cast":
        from services.etl.destinations import _mysql_values

        return _mysql_values.limited(cast, column)

    async def prepare(self) -> Counts | None:
        if not self._schema_name:
            raise TargetUnfit(reason="neither it nor its resource names a database")
        await self._session.open(statement_timeout=self.job.limits.timeout_seconds)
        self.surroundings.tell(Backend(pid=self._session.number))
        await self._make_ledger()
        await self._raise_fence()
        await self._take_lock()
        if await self._held_fence() != self.job.fence:
            raise FenceOutdated
        await self._session.commit()
        done = await self._done()
        if done is None:
            await self._session.rows(sql.hold_table(self._table))
            await self._examine()
        return done

    def encode(self, rows: Rows) -> Encoded:
        """The rows as statements of about a megabyte."""
        from services.etl.destinations import _mysql_values

        statements = _mysql_values.statements(
            rows.batch,
            before=self._before,
            after=self._after,
            at_most=min(STATEMENT_BYTES, self._longest // 2),
            server_limit=self._longest,
        )
        return Encoded(len(rows.batch), list(statements))

    async def write(self, encoded: AsyncIterator[Encoded]) -> Written:
        upsert, sent = self.job.target.mode == "upsert", 0
        async for item in encoded:
            for rows, statement in item.payload:
                touched = await self._session.write(statement)
                # A row that takes another one's place in the stage counts twice, one that doesn't not at all.
                if touched != rows and not (upsert and touched <= 2 * rows):
                    raise CountsDiffer(step=self.name, rows_in=rows, accounted=touched)
            sent += item.rows
        if not upsert:
            return Written(inserted=sent)
        self.surroundings.tell(Phase(name="merging"))
        return await self._merge(sent)

    async def commit(self, counts: Counts) -> None:
        if await self._held_fence() != self.job.fence:
            raise FenceOutdated
        facts = (self.job.run_id.hex, self.job.table_key, self.job.fence, counts.model_dump_json())
        await self._session.execute(sql.write_ledger(self._schema), *facts)
        await self._session.commit()

    async def abandon(self) -> None:
        await self._session.close()

    async def settle(self) -> Counts | None:
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                return await self._settle()
        except TimeoutError:
            raise TargetBusy(reason="it did not answer in time") from None
        finally:
            await self.abandon()

    async def _settle(self) -> Counts | None:
        await self._session.open()
        if not {_ledger.LEDGER, _ledger.FENCE} <= set(await self._tables()):
            return None
        if (await self._held_fence() or 0) <= self.job.fence:
            await self._end_holder()
            await self._session.commit()
            await self._take_lock()
        await self._session.commit()
        return await self._done()

    async def _tables(self) -> dict[str, tuple[str, str | None]]:
        """Which of the ledger's tables and the table itself are there, with kind and engine."""
        names = (_ledger.LEDGER, _ledger.FENCE, self.job.target.table_name)
        rows = await self._session.rows(sql.TABLES, self._schema_name, *names)
        return {name: (kind, engine) for name, kind, engine in rows}

    async def _make_ledger(self) -> None:
        """Make the two tables where they are missing: DDL, which commits by itself and may run twice."""
        found = await self._tables()
        for name, statement in zip(
            (_ledger.LEDGER, _ledger.FENCE),
            _ledger.statements("mysql", mysql.quote(self._schema_name)),
            strict=True,
        ):
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
        run_id, fence = self.job.run_id.hex, self.job.fence
        values = (self.job.table_key, fence, run_id, fence, run_id, fence)
        await self._session.execute(sql.raise_fence(self._schema), *values)
        if await self._held_fence() != fence:
            raise FenceOutdated
        await self._end_holder()
        await self._session.commit()

    async def _held_fence(self) -> int | None:
        rows = await self._session.rows(sql.held_fence(self._schema), self.job.table_key)
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
        rows = await self._session.rows(sql.ledger_row(self._schema), self.job.run_id.hex)
        return Counts.model_validate_json(rows[0][0]) if rows else None

    async def _examine(self) -> None:
        """Read the table's columns while nobody can alter it, and prepare the statements by them."""
        from services.etl.destinations import _mysql_values

        name, tables = self.job.target.table_name, await self._tables()
        kind, _ = tables.get(name) or tables.get(name.lower()) or ("", None)  # a server may fold names
        if kind != "BASE TABLE":
            raise TargetUnfit(reason="it is no plain table")
        where = (self._schema_name, self.job.target.table_name)
        found = _mysql_values.found_columns(await self._session.rows(sql.COLUMNS, *where))
        for column in self.columns:
            self._check_column(column, found.get(column.name))
        for other in found.values():
            if other.name not in self.columns and other.must_be_given:
                raise TargetUnfit(reason=f"its column {other.name!r} must have a value")
        ((packet,),) = await self._session.rows(sql.LONGEST_PACKET)
        self._longest = packet - _PACKET_HEADER
        self._found = [found[name] for name in self.columns.names]
        self._before = sql.insert(self._table, self.columns.names)
        if self.job.target.mode == "upsert":
            await self._make_stage()

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

    async def _make_stage(self) -> None:
        key = self.job.target.key
        where = (self._schema_name, self.job.target.table_name)
        keys: dict[str, list[str]] = {}
        for index, column, sub_part, kind in await self._session.rows(sql.UNIQUE_KEYS, *where):
            plain = column is not None and sub_part is None and kind == "BTREE"
            keys.setdefault(index, []).append(column if plain else "")
        if not any(set(names) == set(key) for names in keys.values()):
            raise TargetUnfit(reason=f"it has no unique key over exactly {', '.join(key)}")
        for column in self._found:
            if column.name in key and not column.is_exact:
                raise TargetUnfit(
                    reason=f"its column {column.name!r} compares by {column.collation}, which takes different"
                    " keys for one"
                )
        try:
            await self._session.execute(sql.create_stage(self._stage, self._found, key))
        except TargetRefused as error:
            raise needing("CREATE TEMPORARY TABLES", error) from None
        self._before, self._after = sql.stage_rows(
            self._stage, self.columns.names, key, self.job.target.winner
        )

    async def _merge(self, staged: int) -> Written:
        names, key = self.columns.names, self.job.target.key
        ((chosen,),) = await self._session.rows(sql.count(self._stage))
        update = sql.update_changed(self._table, self._stage, self._found, key)
        updated = await self._session.write(update) if update else 0
        inserted = await self._session.write(sql.insert_new(self._table, self._stage, names, key))
        return Written(
            inserted=inserted,
            updated=updated,
            unchanged=chosen - inserted - updated,
            deduplicated=staged - chosen,
        )
