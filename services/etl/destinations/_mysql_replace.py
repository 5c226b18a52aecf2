"""How rows take the place of all that a table of MySQL holds, so that nobody ever sees it empty."""

from collections.abc import Mapping
from typing import Final

from services.etl.destinations import _mysql_sql as sql
from services.etl.destinations import _mysql_swap_sql as swaps
from services.etl.destinations._mysql_work import Into, Way, Work
from services.etl.destinations._target import Written
from services.etl.pipeline.errors import TargetBusy, TargetRefused, TargetUnfit
from services.etl.pipeline.job import Counts
from shared.engines import mysql

_SWAP_TRIES: Final = 3
"""Each waits for the table as long as the session waits for a lock; its readers queue meanwhile."""

_HARMLESS: Final = frozenset({"RESTRICT", "NO ACTION"})


class Replace(Way):
    """Rows go into a new table that is like the old one, and takes its name in one statement.

    Keys, indexes, comments and options are those of the old table, grants and views go by the name. Where
    something hangs on the table itself (triggers, foreign keys, its own or others', partitions of another
    disk), or the user may not swap, all rows are deleted and the new ones inserted in one transaction.
    """

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        names, run_id = swaps.Names(work.job.table_key), work.job.run_id.hex
        self._name = names.new(run_id)
        self._new, self._old = work.beside(self._name), work.beside(names.old(run_id))
        self._made = self._swaps = False

    async def prepare(self) -> None:
        if await self._is_bound():
            return
        try:
            await self._make()
        except TargetRefused:  # whoever may not make, rename and drop tables may still write rows
            await self.discard()

    async def examine(self, found: Mapping[str, sql.Found]) -> None:
        await super().examine(found)
        self._swaps = self._made and not await self._is_bound() and await self._is_alike()
        if not self._swaps:
            where = (self._work.schema, self._work.job.target.table_name)
            for _, name, rule in await self._work.session.rows(swaps.REFERRING, *where):
                if rule not in _HARMLESS:
                    reason = f"the foreign key {name!r} of another table would change rows there with it"
                    raise TargetUnfit(reason=reason)

    async def begin(self) -> Into:
        if self._swaps:
            return Into(self._new)
        await self._work.session.write(f"DELETE FROM {self._work.table}")  # noqa: S608  the name is quoted
        return Into(self._work.table)

    async def finish(self, sent: int) -> Written:
        return Written(inserted=sent)

    async def publish(self, counts: Counts) -> None:
        if not self._swaps:
            await super().publish(counts)
        else:
            await self._work.attempt.note_swap(counts)
            await self._swap()
            await self._work.attempt.finish_swap()
            self._made = False
            await self._drop(self._old)
        await self.discard()

    async def discard(self) -> None:
        if self._made:
            await self._drop(self._new)
            self._made = False

    async def _drop(self, table: str) -> None:
        await self._work.session.execute(f"DROP TABLE IF EXISTS {table}")

    async def _swap(self) -> None:
        """The statement commits what was done before it, the note of the swap too."""
        statement = swaps.swap(self._work.table, new=self._new, old=self._old)
        for tries_left in reversed(range(_SWAP_TRIES)):
            try:
                await self._work.session.execute(statement)
            except TargetBusy:
                if not tries_left:
                    await self._work.attempt.forget_swap()
                    raise
            else:
                return

    async def _make(self) -> None:
        work = self._work
        await work.session.execute(swaps.create(mysql.quote(work.schema)))
        await work.session.execute(f"CREATE TABLE {self._new} LIKE {work.table}")
        self._made = True
        for there, back in ((self._new, self._old), (self._old, self._new)):  # may the user do that?
            await work.session.execute(f"RENAME TABLE {there} TO {back}")
        _, number = await self._definition(work.table, work.job.target.table_name)
        if number is not None:
            await work.session.execute(f"ALTER TABLE {self._new} AUTO_INCREMENT = {number:d}")

    async def _is_bound(self) -> bool:
        """Whether something hangs on the table that would not come along, or can't be seen."""
        where = (self._work.schema, self._work.job.target.table_name)
        session = self._work.session
        if not await session.rows(swaps.SEES_TRIGGERS, self._work.schema):
            return True
        return bool(await session.rows(swaps.TRIGGERS, *where) or await session.rows(swaps.REFERRING, *where))

    async def _is_alike(self) -> bool:
        """Whether the new table is what the old one is: LIKE leaves out its foreign keys, for one."""
        work = self._work
        old, _ = await self._definition(work.table, work.job.target.table_name)
        new, _ = await self._definition(self._new, self._name)
        return old == new

    async def _definition(self, table: str, name: str) -> tuple[str, int | None]:
        ((_, spelled),) = await self._work.session.rows(f"SHOW CREATE TABLE {table}")
        return swaps.definition(spelled, name)
