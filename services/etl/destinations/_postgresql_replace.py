"""Replacing all rows of a table of PostgreSQL so that no reader ever sees it empty."""

import logging
from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from services.etl.destinations import _postgresql_sql as sql
from services.etl.destinations import _postgresql_swap_sql as swap_sql
from services.etl.destinations._postgresql_work import Into, Way, Work
from services.etl.destinations._target import Written
from services.etl.pipeline.errors import CountsDiffer, TargetRefused, TargetUnfit
from shared.engines.postgresql import quote

_INCOMING: Final = """
    SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint AS o
                   WHERE o.contype = 'f' AND o.confrelid = $1 AND o.conrelid <> $1) AS referred"""
_CHANGED: Final = (
    asyncpg.DependentObjectsStillExistError,
    asyncpg.UndefinedTableError,
    asyncpg.DuplicateTableError,
)
"""What the server says where something has come to hang on the table, or an index has another name now."""

_log = logging.getLogger(__name__)


class _NotSwapped(Exception):
    """The table can't be swapped after all."""


class Replace(Way):
    """The rows are loaded beside the table and take its place at the end, in one of three ways.

    Swapped: a new table takes the name, where nothing hangs on the old one that the new one lacks. Rewritten:
    the rows are deleted and inserted, and the table stays what it was. By key: where foreign keys point at
    the table, only what differs is deleted, updated and inserted, so that rows that stay are never gone.
    """

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._way: Way = _Rewrite(work)

    async def examine(self) -> None:
        """Decide by what the catalog knows of the table."""
        await self._work.check_rules()
        if (await self._work.row(_INCOMING, self._work.oid))["referred"]:
            self._way = _ByKey(self._work)
            await self._way.examine()
        elif await (beside := _Beside(self._work)).is_possible():
            self._way = beside
        self.numbered = self._way.numbered

    async def begin(self) -> Into:
        if isinstance(self._way, _Beside) and not await self._way.make():
            self._way = _Rewrite(self._work)
        return await self._way.begin()

    async def finish(self, sent: int) -> Written:
        self._work.merging()
        return await self._way.finish(sent)


class _Rewrite(Way):
    """DELETE and INSERT in one transaction: readers see the old rows until the commit."""

    async def begin(self) -> Into:
        return await self.stage()

    async def finish(self, sent: int) -> Written:
        return await _rewritten(self._work, f"pg_temp.{sql.STAGE}", sent)


async def _rewritten(work: Work, rows: str, sent: int) -> Written:
    """The rows of another table take the place of those that are there."""
    await work.lock("SHARE ROW EXCLUSIVE")
    await work.execute(sql.empty(work.table))
    if not (await work.row(sql.is_empty(work.table)))["empty"]:
        raise TargetRefused(reason="a trigger of the table keeps rows from being deleted")
    inserted = await work.execute(sql.fill(work.table, work.names, rows))
    if inserted != sent:
        raise CountsDiffer(step="database_save", rows_in=sent, accounted=inserted)
    await work.execute(f"ANALYZE {work.table}")
    return Written(inserted=inserted)


class _ByKey(Way):
    """Only what differs is written, told apart by the key."""

    numbered = True

    async def examine(self) -> None:
        if not self._work.job.table.key:
            raise TargetUnfit(reason="foreign keys point at it, so it needs a key to replace its rows by")
        await self._work.check_key()

    async def begin(self) -> Into:
        return await self.stage()

    async def finish(self, sent: int) -> Written:
        work, target = self._work, self._work.job.table
        await work.lock("SHARE ROW EXCLUSIVE")
        await work.execute(sql.ANALYZE_STAGE)
        await work.execute(sql.delete_absent(work.table, target.key))
        row = await work.row(
            sql.merge(
                work.table, work.names, target.key, winner=target.winner, uncomparable=work.uncomparable
            )
        )
        chosen, inserted, updated = row["chosen"], row["inserted"], row["updated"]
        if chosen != sent:
            raise TargetRefused(reason="a row has the key of another one")
        return Written(inserted, updated, chosen - inserted - updated)


class _Beside(Way):
    """A new table, filled and indexed beside the old one, takes its name.

    COPY FREEZE makes its rows visible to everybody who sees the table: else a reader with an older snapshot
    would find it empty (manual, section 13.6). Where readers don't let go of the old table, or it is not what
    it was when the run began, the rows go from the new table into the old one.
    """

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._schema_name = work.job.table.schema_name or "public"
        self._schema = quote(self._schema_name)
        self._name = swap_sql.beside(work.job.run_id.hex)
        self._new = f"{self._schema}.{quote(self._name)}"
        self._indexes: Sequence[Any] = ()

    async def is_possible(self) -> bool:
        """Whether nothing hangs on the table that a new one would not have."""
        connection, oid = self._work.connection, self._work.oid
        hanging = list(await connection.fetchval(swap_sql.HANGING, oid))
        self._indexes = await connection.fetch(swap_sql.INDEXES, oid)
        if any(index["tail"] is None for index in self._indexes):
            hanging.append("indexes of another form")
        if hanging:
            _log.info("the table is not swapped: it has %s", ", ".join(hanging))
        return not hanging

    async def make(self) -> bool:
        """Make the new table, unless default privileges give it other grants than the old one has."""
        work = self._work
        await work.execute(swap_sql.create(self._new, work.table))
        for row in await work.connection.fetch(swap_sql.FITTING_OUT, work.oid, self._new):
            await work.execute(row["statement"])
        if await work.connection.fetchval(swap_sql.ALIKE, work.oid, self._new):
            return True
        _log.info("the table is not swapped: a new one would have other grants or comments")
        await work.execute(f"DROP TABLE {self._new}")
        return False

    async def begin(self) -> Into:
        return Into(self._schema_name, self._name, frozen=True)

    async def finish(self, sent: int) -> Written:
        work = self._work
        try:
            async with work.connection.transaction():
                await self._swap()
        except (_NotSwapped, *_CHANGED) as reason:
            _log.info(
                "the table is not swapped: %s", reason if isinstance(reason, _NotSwapped) else "changed"
            )
        else:
            return Written(inserted=sent)
        written = await _rewritten(work, self._new, sent)
        await work.execute(f"DROP TABLE {self._new}")
        return written

    async def _swap(self) -> None:
        work = self._work
        for one in self._indexes:
            made = swap_sql.create_index(self._new, one["oid"], one["tail"], unique=one["is_unique"])
            await work.execute(made)
        await work.execute(f"ANALYZE {self._new}")
        if not await work.locked("ACCESS EXCLUSIVE"):
            raise _NotSwapped("its readers did not let go of it")
        if not await self._is_as_before():
            raise _NotSwapped("it changed after the run had begun")
        for statement in swap_sql.swap(self._new, work.table, work.job.table.table_name):
            await work.execute(statement)
        for one in self._indexes:
            where, name = (self._schema, work.table), one["name"]
            await work.execute(
                swap_sql.name_index(*where, name, oid=one["oid"], constrains=one["constrains"])
            )

    async def _is_as_before(self) -> bool:
        """Whether what was true when the run began still is: its lock keeps away only some changes."""
        connection, oid = self._work.connection, self._work.oid
        if await connection.fetchval(swap_sql.HANGING, oid):
            return False
        indexes = {index["oid"]: index["tail"] for index in await connection.fetch(swap_sql.INDEXES, oid)}
        if indexes != {index["oid"]: index["tail"] for index in self._indexes}:
            return False
        return bool(await connection.fetchval(swap_sql.ALIKE, oid, self._new))
