"""Carrying a plan out in MySQL and MariaDB, where every statement that changes a table commits by itself."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from services.etl.tables.dialects import Dialect, Sql, Statement, Work
from services.etl.tables.dialects._mysql_alter import INSTANT
from services.etl.tables.dialects.base import MARKS
from services.etl.tables.errors import ChecksFailed, TargetHalfway, TargetLost
from services.etl.tables.physical import Place, Sight
from shared.engines import mysql
from shared.observe import logs

from . import _mysql_marks as marks
from ._mysql_errors import is_algorithm_refused, reason, refusal
from ._mysql_session import answered, seen
from .base import Decide, Told

_log = logs.get(__name__)


class Carrying:
    """One change on one connection, which holds the locks of its table already."""

    def __init__(self, connection: Any, dialect: Dialect, place: Place, told: Told) -> None:
        self._connection = connection
        self._dialect = dialect
        self._place = place
        self._told = told
        self._is_shut = False

    async def out(self, decide: Decide) -> Sight:
        """Look, decide, check, run, look again and verify. Raises what `Target.carry_out` raises."""
        before = await self._seen()
        work = decide(before)
        books = list(takewhile(_opens_books, work.statements))
        await self._run(books)
        if before.name is not None and any(one.lock == "all" for one in work.statements):
            await self._shut(before.name)
            # What was decided on may have changed until the lock was ours.
            work = decide(await self._seen())
        await self._require_none(work)
        return await self._carried(before, work, work.statements[len(books) :])

    async def _carried(self, before: Sight, work: Work, statements: Sequence[Statement]) -> Sight:
        last = max((at for at, one in enumerate(statements, 1) if not one.own), default=0)
        try:
            await self._run(statements[:last], of=sum(not one.own for one in statements))
        except mysql.DRIVER_ERRORS as error:
            raise await self._refused(before, error) from None
        if self._is_shut:
            await self._connection.query("UNLOCK TABLES")
        after = await self._seen()
        work.verify(after)
        await self._run(statements[last:])
        return await self._seen() if statements[last:] else after

    async def _seen(self) -> Sight:
        sight = await seen(self._connection, self._dialect, self._place)
        await self._connection.rollback()  # what was read is not to be held
        return sight

    async def _shut(self, name: str) -> None:
        """Nobody else reads or writes the table until the last statement about it is done."""
        table, books = (self._dialect.at(self._place.location, one) for one in (name, MARKS))
        await self._connection.query(f"LOCK TABLES {table} WRITE, {books} WRITE")
        self._is_shut = True

    async def _require_none(self, work: Work) -> None:
        findings = [one for one in await answered(self._connection, work.checks) if one.rows]
        await self._connection.rollback()
        if findings or work.faults:
            raise ChecksFailed(faults=[*work.faults, *(finding.fault for finding in findings)])

    async def _run(self, statements: Sequence[Statement], *, of: int = 0) -> None:
        step = 0
        for statement in statements:
            if not statement.own:
                step += 1
                self._told(step, of)
            await self._execute(statement.sql)
            await self._connection.commit()

    async def _execute(self, sql: Sql) -> None:
        """A plan that says at once asks the server for just that; if it can't, the longer way is logged."""
        try:
            await self._connection.query(sql)
        except mysql.DRIVER_ERRORS as error:
            if not (sql.endswith(INSTANT) and is_algorithm_refused(error)):
                raise
            _log.warning("a table can't be altered at once", table_id=str(self._place.table_id))
            await self._connection.query(sql.removesuffix(INSTANT))

    async def _refused(self, before: Sight, error: Exception) -> Exception:
        """What to raise; a note about a change that has changed nothing goes."""
        refused = refusal(error)
        if isinstance(refused, TargetLost):
            return refused
        await self._connection.rollback()
        if self._is_shut:
            await self._connection.query("UNLOCK TABLES")
        after = await self._seen()
        if (after.physical, after.name) != (before.physical, before.name):
            return TargetHalfway(reason=reason(error))
        for statement in marks.restored(self._dialect, self._place, before):
            await self._connection.query(statement)
        await self._connection.commit()
        return refused


def _opens_books(statement: Statement) -> bool:
    """Tables of ours are made first: a session that has locked a table can't make any."""
    return statement.own and statement.sql.startswith("CREATE TABLE")
