"""Units of work: a read session that can't write, a write session that only its owner commits."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import Executable, Result, ScalarResult, Select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db import engine
from shared.db.engine import Dialect
from shared.db.errors import translated
from shared.db.outbox import Outbox

T = TypeVar("T")
Params = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class ReadSession:
    """A transaction that reads. Writing through it is refused by the database itself."""

    def __init__(self, session: AsyncSession, dialect: Dialect) -> None:
        self._session = session
        self.dialect = dialect

    async def execute(self, statement: Executable, params: Params | None = None) -> Result[Any]:
        """Run a statement and return its buffered result."""
        return await self._session.execute(statement, params)

    async def scalar(self, statement: Executable, params: Params | None = None) -> Any:
        """The first column of the first row, or None."""
        return await self._session.scalar(statement, params)

    async def scalars(self, statement: Executable, params: Params | None = None) -> ScalarResult[Any]:
        """The first column of every row."""
        return await self._session.scalars(statement, params)

    async def get(self, model: type[T], key: Any) -> T | None:
        """The row with this primary key, or None. For rows of a tenant use its repository."""
        return await self._session.get(model, key)

    async def one_or_none(self, statement: Select[Any]) -> Any:
        """The only object that a statement selects, or None."""
        return (await self._session.scalars(statement)).one_or_none()

    async def stream_scalars(self, statement: Executable, *, batch: int = 500) -> AsyncIterator[Any]:
        """The first column of every row, fetched in batches, so that memory stays flat."""
        result = await self._session.stream_scalars(statement, execution_options={"yield_per": batch})
        async for value in result:
            yield value


class WriteSession(ReadSession):
    """A unit of work. It is committed when its `async with` block ends well, and only then.

    Inside the block nothing but the database is awaited: on SQLite all writers wait for this one.
    Messages put into `outbox` leave with the commit, or not at all.
    """

    def __init__(self, session: AsyncSession, dialect: Dialect) -> None:
        super().__init__(session, dialect)
        self.outbox = Outbox()

    def add(self, instance: object) -> None:
        """Let a new object be inserted at the next flush."""
        self._session.add(instance)

    def add_all(self, instances: Iterable[object]) -> None:
        """Let new objects be inserted at the next flush."""
        self._session.add_all(instances)

    async def delete(self, instance: object) -> None:
        """Let an object be deleted at the next flush."""
        await self._session.delete(instance)

    async def flush(self) -> None:
        """Send pending changes now, so that constraints and versions are checked here.

        Raises `VersionOutdated` when a versioned row has changed since it was read.
        """
        with translated():
            await self._session.flush()

    async def refresh(self, instance: object) -> None:
        """Read an object's columns again."""
        await self._session.refresh(instance)


class Database:
    """A service's own database: `sqlite+aiosqlite:///<file>` or `postgresql+asyncpg://...`.

    Services of the application take a Database and open short units of work; repositories take a session.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        _, self.dialect = engine.parse(url)
        self._writing, self._reading = engine.create(url, pool_size=pool_size)
        self._reading_options = {"postgresql_readonly": True} if self.dialect == "postgresql" else {}
        self._wakers: list[Callable[[], None]] = []

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """A transaction that sees one state of the database and can't change it.

        Raises `Unavailable` when the database can't be reached.
        """
        with translated():
            reader = self._reading.execution_options(**self._reading_options)
            async with AsyncSession(reader, expire_on_commit=False, autoflush=False) as session:
                yield ReadSession(session, self.dialect)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        """A unit of work: committed on a clean exit, rolled back on an exception or a cancellation.

        Raises `VersionOutdated` for a versioned row that has changed meanwhile, `Unavailable` when the
        database can't be reached.
        """
        with translated():
            async with AsyncSession(self._writing, expire_on_commit=False) as session:
                await session.connection()
                unit = WriteSession(session, self.dialect)
                yield unit
                await unit.outbox.store(session)
                await session.commit()
        if unit.outbox:
            for wake in self._wakers:
                wake()

    def on_commit_with_messages(self, wake: Callable[[], None]) -> None:
        """Call `wake` after each commit that put messages into the outbox."""
        self._wakers.append(wake)

    async def ping(self) -> None:
        """Raises `Unavailable` when the database doesn't answer."""
        async with self.read() as session:
            await session.scalar(sqlalchemy.select(1))

    async def close(self) -> None:
        """Close all connections."""
        await self._reading.dispose()
        await self._writing.dispose()
