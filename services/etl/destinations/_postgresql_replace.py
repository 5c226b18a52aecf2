"""Replacing all rows of a table of PostgreSQL so that no reader ever sees it empty."""

import logging
from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from services.etl.destinations import _postgresql_sql as sql
from services.etl.destinations import _postgresql_swap_sql as swap_sql
from services.etl.destinations._postgresql_work import Into, Way, Work
from services.etl.destinations._target import Written
from services.etl.pipeline.errors import CountsDiffer, TargetBusy, TargetRefused, TargetUnfit
from shared.engines.postgresql import quote

_INCOMING: Final = """
    SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint AS o
                   WHERE o.contype = 'f' AND o.confrelid = $1 AND o.conrelid <> $1) AS referred,
           (SELECT c.relhasrules FROM pg_catalog.pg_class AS c WHERE c.oid = $1)
           AND EXISTS (SELECT FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class = $1) AS ruled"""
_log = logging.getLogger(__name__)


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
        found = await self._work.row(_INCOMING, self._work.oid)
        if found["ruled"]:
            raise TargetUnfit(reason="it has rules, which change what a replacement does")
        if found["referred"]:
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
        work = self._work
        await work.lock("SHARE ROW EXCLUSIVE")
        await work.execute(sql.empty(work.table))
        if not (await work.row(sql.is_empty(work.table)))["empty"]:
            raise TargetRefused(reason="a trigger of the table keeps rows from being deleted")
        inserted = await work.execute(sql.fill(work.table, work.names))
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
    would find it empty (manual, section 13.6).
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
        if await work.connection.fetchval(swap_sql.SAME_GRANTS, work.oid, self._new):
            return True
        _log.info("the table is not swapped: a new one would have other grants")
        await work.execute(f"DROP TABLE {self._new}")
        return False

    async def begin(self) -> Into:
        return Into(self._schema_name, self._name, frozen=True)

    async def finish(self, sent: int) -> Written:
        work = self._work
        for index in self._indexes:
            await self._index(index)
        await work.execute(f"ANALYZE {self._new}")
        await work.lock("ACCESS EXCLUSIVE")
        try:
            for statement in swap_sql.swap(self._new, work.table, work.job.table.table_name):
                await work.execute(statement)
        except asyncpg.DependentObjectsStillExistError:
            raise TargetBusy(reason="something new hangs on it since the run began") from None
        return Written(inserted=sent)

    async def _index(self, index: Any) -> None:
        work, name = self._work, index["name"]
        await work.execute(swap_sql.make_way(self._schema, name, index["oid"]))
        await work.execute(swap_sql.create_index(self._new, name, index["tail"], unique=index["is_unique"]))
        if index["constrains"]:
            await work.execute(swap_sql.constrain(self._new, name, index["constrains"]))
