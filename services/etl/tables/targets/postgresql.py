"""Data tables in PostgreSQL: look, check, and carry a plan out in one transaction where that can be."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from services.etl.destinations import _postgresql_sql as runs
from services.etl.tables.definition import Location
from services.etl.tables.dialects import Check, Finding, Statement, Work
from services.etl.tables.dialects.postgresql import Postgresql
from services.etl.tables.errors import ChecksFailed, TargetBusy, TargetRefused
from services.etl.tables.physical import Marked, Place, Sight
from shared.contracts.connection import ResourceConnection
from shared.engines import postgresql
from shared.security.guard import OutboundPolicy

from ._postgresql_catalog import dependents, sight
from ._postgresql_errors import halfway, has_dependents, is_locked, translated
from ._postgresql_marks import marked
from ._postgresql_watch import answering, let_go
from .base import Ask, Decide, Examined, Told

_READING_SECONDS: Final = 60.0
_WORKING_SECONDS: Final = 3600.0
_PATIENCE_SECONDS: Final = 15.0
"""More than the server's own bounds: whoever doesn't answer then is lost."""

_LOCK_SECONDS: Final = 2
_ISOLATION: Final = "read_committed"
_PAUSES: Final = (0.25, 0.5, 1.0, 2.0)
"""Between the tries at the locks: whoever waits behind us gets on meanwhile."""
_SETTINGS: Final = (
    # Our literals double their quotes and nothing else: a backslash must mean itself.
    "SET standard_conforming_strings = on",
    # Times with and without zone are the same bytes then, and no table is written anew for them.
    "SET TimeZone = 'UTC'",
    "SET DateStyle = 'ISO, YMD'",
    # Checks are of all rows: where a policy hides some from us, the server is to say so.
    "SET row_security = off",
    f"SET lock_timeout = '{_LOCK_SECONDS}s'",
)


class PostgresqlTarget:
    """A PostgreSQL database, through a connection for each call; times in seconds."""

    def __init__(
        self,
        resource: ResourceConnection,
        policy: OutboundPolicy,
        *,
        reading_seconds: float = _READING_SECONDS,
        working_seconds: float = _WORKING_SECONDS,
    ) -> None:
        self._resource = resource
        self._policy = policy
        self._dialect = Postgresql()
        self._reading_seconds = reading_seconds
        self._working_seconds = working_seconds

    async def examine(self, place: Place, ask: Ask) -> Examined:
        """As `Target.examine`: one snapshot."""
        async with self._reading() as connection:
            seen = await sight(connection, place, measured=True)
            return Examined(seen, await _findings(connection, ask(seen)))

    async def carry_out(self, place: Place, decide: Decide, *, told: Told) -> Sight:
        """As `Target.carry_out`: one transaction, unless a statement of the work has to be alone."""
        async with self._writing() as connection:
            change = _Change(connection, self._dialect, place, told)
            return await let_go(connection, change.out(decide))

    async def marked(self) -> list[Marked]:
        """As `Target.marked`: of this database."""
        async with self._reading() as connection:
            return await marked(connection)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Any]:
        async with (
            self._connected(read_only=True, seconds=self._reading_seconds) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Any]:
        async with self._connected(read_only=False, seconds=self._working_seconds) as connection:
            await connection.execute(runs.CHECK_INTERVAL)
            yield connection

    @asynccontextmanager
    async def _connected(self, *, read_only: bool, seconds: float) -> AsyncIterator[Any]:
        connection = await postgresql.connect(
            self._resource,
            policy=self._policy,
            application_name="penstock tables",
            read_only=read_only,
            statement_timeout=seconds,
        )
        try:
            with translated(), answering(connection, within=seconds + _PATIENCE_SECONDS):
                for setting in _SETTINGS:
                    await connection.execute(setting)
                yield connection
        finally:
            connection.terminate()


class _Change:
    """One change of one table, over one connection. `committed`: a part of it is done for good."""

    def __init__(self, connection: Any, dialect: Postgresql, place: Place, told: Told) -> None:
        self._connection = connection
        self._dialect = dialect
        self._place = place
        self._told = told
        self._step = 0
        self._of = 0
        self._changed = False
        self.committed = False

    async def out(self, decide: Decide) -> Sight:
        """Try to do all of it until the locks are free, some times."""
        for pause in _PAUSES:
            try:
                return await self.carried_out(decide)
            except asyncpg.PostgresError as error:
                if not is_locked(error) or self.committed:
                    raise
            await asyncio.sleep(pause)
        return await self.carried_out(decide)

    async def carried_out(self, decide: Decide) -> Sight:
        """Do all of it. Raises what the driver raises, too; nothing was changed unless `committed`."""
        self._step = 0
        before = None
        try:
            async with self._connection.transaction(isolation=_ISOLATION):
                before = await self._locked()
                work = decide(before)
                await _require(self._connection, work)
                first, *others = _parts(work.statements)
                self._of = len(work.statements)
                await self._run(first)
                if not others:
                    return await self._verified(work)
        except asyncpg.PostgresError as error:
            if before is None or not has_dependents(error):
                raise
            raise await self._refused(before) from None
        self.committed = True
        return await self._go_on(others, work)

    async def _go_on(self, parts: Sequence[Sequence[Statement]], work: Work) -> Sight:
        """The parts after the first transaction: each fails for itself."""
        *others, last = parts
        try:
            for part in others:
                await self._part(part)
            async with self._connection.transaction(isolation=_ISOLATION):
                await self._lock_runs()
                await self._run(last)
                return await self._verified(work)
        except asyncpg.PostgresError as error:
            if not self._changed:
                await self._connection.execute(
                    self._dialect.ending(self._place.location, self._place.table_id)
                )
                raise
            raise halfway(error) from None

    async def _part(self, part: Sequence[Statement]) -> None:
        if not any(statement.alone for statement in part):
            async with self._connection.transaction(isolation=_ISOLATION):
                await self._run(part)
            return
        # It waits for transactions that are older than it, and nobody waits for it meanwhile.
        await self._connection.execute("SET lock_timeout = 0")
        await self._run(part)
        await self._connection.execute(f"SET lock_timeout = '{_LOCK_SECONDS}s'")

    async def _locked(self) -> Sight:
        await self._lock_runs()
        seen = await sight(self._connection, self._place, measured=False)
        if seen.physical is None or seen.physical.kind != "table" or seen.name is None:
            return seen
        table = self._dialect.at(self._place.location, seen.name)
        try:
            await self._connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        except asyncpg.UndefinedTableError:
            raise TargetBusy from None
        return await sight(self._connection, self._place, measured=False)

    async def _lock_runs(self) -> None:
        """The lock that a run into this table holds: changes of the table and runs exclude each other."""
        await self._connection.execute(
            "SELECT pg_catalog.pg_advisory_xact_lock($1)", runs.lock_number(str(self._place.table_id))
        )

    async def _run(self, statements: Sequence[Statement]) -> None:
        for statement in statements:
            self._step += 1
            self._told(self._step, self._of)
            await self._connection.execute(statement.sql)
            self._changed = self._changed or not statement.own

    async def _verified(self, work: Work) -> Sight:
        after = await sight(self._connection, self._place, measured=False)
        work.verify(after)
        return after

    async def _refused(self, before: Sight) -> TargetRefused:
        schema, name = self._place.location.schema, before.name or self._place.location.name
        names = await dependents(self._connection, Location(schema, name))
        others = " and ".join(names) if names else "other objects, such as views or triggers,"
        return TargetRefused(reason=f"{others} depend on the table")


def _parts(statements: Sequence[Statement]) -> list[list[Statement]]:
    """What goes in one transaction together. The first part and the last are transactions, if empty ones."""
    parts: list[list[Statement]] = [[]]
    for statement in statements:
        if statement.alone:
            parts += [[statement], []]
        else:
            parts[-1].append(statement)
    return parts


async def _require(connection: Any, work: Work) -> None:
    """Raise ChecksFailed for what can't be done, or rows that stand against it."""
    findings = [finding for finding in await _findings(connection, work.checks) if finding.rows]
    faults = [*work.faults, *(finding.fault for finding in findings)]
    if faults:
        raise ChecksFailed(faults=faults)


async def _findings(connection: Any, checks: Sequence[Check]) -> tuple[Finding, ...]:
    return tuple([await _finding(connection, check) for check in checks])


async def _finding(connection: Any, check: Check) -> Finding:
    rows = await connection.fetchval(check.count)
    if not rows or check.samples is None:
        return Finding(check, rows)
    samples = await connection.fetch(check.samples)
    return Finding(check, rows, tuple(row[0] for row in samples))
