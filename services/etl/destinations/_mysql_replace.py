"""Replacing all rows of a table of MySQL so that no reader ever sees it empty."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from services.etl.destinations import _mysql_sql as sql
from services.etl.destinations import _mysql_swap_sql as swap_sql
from services.etl.destinations._mysql_errors import is_number
from services.etl.destinations._mysql_merge import Merge
from services.etl.destinations._mysql_work import Into, Way, Work
from services.etl.destinations._target import Written
from services.etl.pipeline.errors import CountsDiffer, TargetBusy, TargetRefused, TargetUnfit
from services.etl.pipeline.job import Counts
from shared.engines import mysql

_SWAP_TRIES: Final = 5
_WAIT_SECONDS: Final = 1
_PAUSE_SECONDS: Final = 1.0
"""Each try waits that long for the table, whose readers queue meanwhile; in the pauses they have it."""

_NO_LOCK: Final = 1205

_log = logging.getLogger(__name__)


class Replace(Way):
    """The rows take the place of those that are there, in one of three ways.

    Swapped: a new table takes the name, where nothing hangs on the old one that the new one lacks. Rewritten:
    the old rows are deleted and the new ones loaded in one transaction. By key: where foreign keys point at
    the table, only what differs is deleted, updated and inserted, so that rows that stay are never gone.
    """

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._beside = _Beside(work)
        self._way: Way = _Rewrite(work)

    async def prepare(self) -> None:
        await self._beside.prepare()

    async def examine(self, found: Mapping[str, sql.Found]) -> None:
        """Decide by what the catalog knows of the table."""
        where = (self._work.schema, self._work.job.table.table_name)
        if await self._work.session.rows(swap_sql.REFERRING, *where):
            self._way = _ByKey(self._work)
        elif await self._beside.is_alike():
            self._way = self._beside
        await self._way.examine(found)

    async def begin(self) -> Into:
        return await self._way.begin()

    async def finish(self, sent: int) -> Written:
        return await self._way.finish(sent)

    async def publish(self, counts: Counts) -> None:
        await self._way.publish(counts)
        await self.discard()

    async def discard(self) -> None:
        await self._beside.discard()


class _Rewrite(Way):
    """DELETE and INSERT in one transaction: readers see the old rows until the commit."""

    async def begin(self) -> Into:
        await self._work.session.write(sql.empty(self._work.table))
        return Into(self._work.table)

    async def finish(self, sent: int) -> Written:
        return Written(inserted=sent)


class _ByKey(Merge):
    """Only what differs is written, told apart by the key."""

    async def examine(self, found: Mapping[str, sql.Found]) -> None:
        if not self._work.job.table.key:
            raise TargetUnfit(reason="foreign keys point at it, so it needs a key to replace its rows by")
        await super().examine(found)

    async def finish(self, sent: int) -> Written:
        work = self._work
        ((chosen,),) = await work.session.rows(sql.count(self._into.table))
        if chosen != sent:
            raise TargetRefused(reason="a row has the key of another one")
        await work.session.write(sql.delete_absent(work.table, self._into.table, work.job.table.key))
        return await super().finish(sent)


class _Beside(Way):
    """A new table that is like the old one takes its name, in one statement.

    Keys, indexes, comments and options are those of the old table; grants and views go by the name. Triggers
    and foreign keys would go with the old one. Where readers don't let go of the old table, the rows go from
    the new table into it.
    """

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        names, run_id = swap_sql.Names(work.job.table_key), work.job.run_id.hex
        self._name = names.new(run_id)
        self._old_name = names.old(run_id)
        self._new, self._old = work.beside(self._name), work.beside(self._old_name)
        self._is_made = False
        self._sent = 0

    async def prepare(self) -> None:
        """Make the new table, if the user may do all that a swap needs: that commits by itself."""
        work = self._work
        ((granted,),) = await work.session.rows(swap_sql.GRANTED, work.schema)
        if granted < len(swap_sql.NEEDED):
            _log.info("the table is not swapped: the user lacks one of %s", ", ".join(swap_sql.NEEDED))
            return
        await work.session.execute(swap_sql.create(mysql.quote(work.schema)))
        await work.session.execute(f"CREATE TABLE {self._new} LIKE {work.table}")
        self._is_made = True
        _, number = await work.attempt.definition(work.job.table.table_name)
        if number is not None:
            await work.session.execute(f"ALTER TABLE {self._new} AUTO_INCREMENT = {number:d}")

    async def is_alike(self) -> bool:
        """Whether the new table has all that the old one has: foreign keys, for one, LIKE leaves out."""
        where = (self._work.schema, self._work.job.table.table_name)
        if not self._is_made or await self._work.session.rows(swap_sql.TRIGGERS, *where):
            return False
        old, _ = await self._work.attempt.definition(self._work.job.table.table_name)
        new, _ = await self._work.attempt.definition(self._name)
        if old != new:
            _log.info("the table is not swapped: a new one would have another definition")
        return old == new

    async def begin(self) -> Into:
        return Into(self._new)

    async def finish(self, sent: int) -> Written:
        self._sent = sent
        return Written(inserted=sent)

    async def publish(self, counts: Counts) -> None:
        attempt = self._work.attempt
        await attempt.note_swap(counts)
        if not await self._swap():
            await attempt.forget_swap()
            await attempt.check_fence()
            await self._rewrite()
            await super().publish(counts)
            return
        reason = await attempt.why_undone(new=self._name, old=self._old_name)
        if reason is not None:
            await attempt.forget_swap()
            raise reason
        self._is_made = False
        try:
            await attempt.finish_swap()
        except TargetRefused as error:
            raise TargetBusy(reason="the rows were replaced, and the server refused to note it") from error
        await self._drop(self._old)

    async def discard(self) -> None:
        if self._is_made:
            await self._drop(self._new)
            self._is_made = False

    async def _swap(self) -> bool:
        """The statement commits what was done before it, the note of the swap too. False: it got no lock."""
        session = self._work.session
        statement = swap_sql.swap(self._work.table, new=self._new, old=self._old)
        await session.execute(f"SET SESSION lock_wait_timeout = {_WAIT_SECONDS}")
        for _ in range(_SWAP_TRIES):
            try:
                await session.execute(statement)
            except TargetBusy as error:
                if not is_number(error, _NO_LOCK):
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return True
        return False

    async def _rewrite(self) -> None:
        """Readers see the old rows until the commit."""
        work, session = self._work, self._work.session
        _log.info("the table is not swapped: its readers did not let go of it")
        await session.write(sql.empty(work.table))
        inserted = await session.write(sql.fill(work.table, work.names, self._new))
        if inserted != self._sent:
            raise CountsDiffer(step="database_save", rows_in=self._sent, accounted=inserted)

    async def _drop(self, table: str) -> None:
        await self._work.session.execute(f"DROP TABLE IF EXISTS {table}")
