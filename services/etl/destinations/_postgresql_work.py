"""What the ways of writing into a table of PostgreSQL have in common: session, key, stage."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from services.etl.destinations import _postgresql_sql as sql
from services.etl.destinations._target import Written
from services.etl.pipeline.errors import TargetBusy, TargetRefused, TargetUnfit
from services.etl.pipeline.job import Job

LOCK_MILLISECONDS: Final = 400
"""How long readers may queue behind a strong lock that waits: less than the server's deadlock_timeout."""

_MOST_COLUMNS: Final = 1600
"""Of a table (manual, appendix K); a stage has one more than the rows."""

_LOCK_TRIES: Final = 20
_PAUSE_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Into:
    """Where COPY sends the rows. `frozen`: the table was made in this transaction, for its rows alone."""

    schema: str
    table: str
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """An open transaction on a table. `table` is its full quoted name, `names` the columns that are written,
    `uncomparable` those of them whose equality does not tell all values apart, each with how it is compared.
    """

    connection: Any
    job: Job
    oid: int
    table: str
    names: Sequence[str]
    uncomparable: Mapping[str, str]
    merging: Callable[[], None]

    async def execute(self, statement: str, *values: object) -> int:
        """Run a statement; how many rows it touched."""
        status = await self.connection.execute(statement, *values, timeout=self.job.limits.timeout_seconds)
        number = status.rpartition(" ")[2]
        return int(number) if number.isdigit() else 0

    async def row(self, query: str, *values: object) -> Any:
        """The one row of a query."""
        return await self.connection.fetchrow(query, *values, timeout=self.job.limits.timeout_seconds)

    async def lock(self, mode: str) -> None:
        """Take a lock that others may have to wait for, in short tries. Raises TargetBusy."""
        if not await self.locked(mode):
            raise TargetBusy(reason="a lock on the table did not come free in time")

    async def locked(self, mode: str) -> bool:
        """Whether a lock that others may have to wait for could be taken, in short tries."""
        await self.connection.execute(f"SET LOCAL lock_timeout = '{LOCK_MILLISECONDS}ms'")
        for _ in range(_LOCK_TRIES):
            try:
                async with self.connection.transaction():
                    await self.connection.execute(f"LOCK TABLE {self.table} IN {mode} MODE")
            except asyncpg.LockNotAvailableError:
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                await self.connection.execute(f"SET LOCAL lock_timeout = '{sql.LOCK_SECONDS}s'")
                return True
        return False

    async def check_key(self) -> None:
        """Raises TargetUnfit unless the table knows the job's key as a unique one."""
        keys = await self.connection.fetch(sql.UNIQUE_KEYS, self.oid)
        if not any(set(row["names"]) == set(self.job.table.key) for row in keys):
            names = ", ".join(self.job.table.key)
            raise TargetUnfit(reason=f"it has no unique key over exactly {names}")

    async def check_rules(self) -> None:
        """Raises TargetUnfit where rules make something else of what is said."""
        if (await self.row(sql.RULED, self.oid))["ruled"]:
            raise TargetUnfit(reason="it has rules, which change what is written")

    async def check_merged(self) -> None:
        """Raises TargetRefused if a trigger has dropped a row of the stage in silence."""
        if not (await self.row(sql.DROPPING, self.oid))["dropping"]:
            return
        if (await self.row(sql.missing(self.table, self.job.table.key)))["missing"]:
            raise TargetRefused(reason="a trigger of the table keeps rows from being inserted")


async def make_beside(connection: Any, statement: str) -> None:
    """Make a table of ours in the table's schema. Raises TargetRefused where the user may not."""
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        raise TargetRefused(reason="the user may not do this: it needs CREATE on the schema") from None


class Way(ABC):
    """One way of writing. `numbered`: the stage has the position of each row beside it.

    `examine` looks at the table before the source is read, `begin` makes what the rows are sent into, and
    `finish` makes them the table's.
    """

    numbered = False

    def __init__(self, work: Work) -> None:
        self._work = work

    async def examine(self) -> None:  # noqa: B027  most ways need nothing more
        """Check what the way needs of the table. Raises TargetUnfit."""

    @abstractmethod
    async def begin(self) -> Into:
        """Make a place for the rows."""

    @abstractmethod
    async def finish(self, sent: int) -> Written:
        """Bring what was sent into the table and say what became of it."""

    async def stage(self) -> Into:
        """A temporary table for the rows, that goes with the transaction. Raises TargetUnfit."""
        work = self._work
        if self.numbered and len(work.names) >= _MOST_COLUMNS:
            raise TargetUnfit(
                reason=f"to tell rows apart, at most {_MOST_COLUMNS - 1} columns can be written"
            )
        await work.execute(sql.SORT_IN_MEMORY)
        statement = sql.create_stage(work.table, work.names, numbered=self.numbered)
        try:
            await work.execute(statement)
        except asyncpg.InsufficientPrivilegeError:
            raise TargetRefused(
                reason="the user may not do this: it needs TEMPORARY on the database"
            ) from None
        return Into("pg_temp", sql.STAGE)
