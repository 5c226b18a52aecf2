"""Jobs for tests: a CSV file, a table in each kind of target, and what stands in it afterwards."""

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from services.etl.columns import Column, ColumnType
from services.etl.pipeline.definition import History, Limits, StepConfig, Winner, WriteMode
from services.etl.pipeline.job import Job, JobFile, JobSource, JobTarget
from services.etl.runner.executor import Executor
from services.etl.runner.messages import ChildMessage, Failed, Outcome, Reject, Rejects, Succeeded
from services.etl.tables.definition import TableDefinition
from services.etl.tables.dialects import DIALECTS
from shared.contracts.connection import (
    ConnectionInfo,
    MysqlConnection,
    PostgresqlConnection,
    SqliteConnection,
)
from shared.identifiers import uuid7
from shared.security.guard import OutboundPolicy
from tests.resources import handed_out
from tests.servers.mariadb import MariaDsn
from tests.servers.postgres import Dsn

POLICY = OutboundPolicy(allow_loopback=True)
TABLE = "goods"
TYPES: Mapping[str, str] = {
    "id": "int64",
    "name": "text",
    "price": "decimal(14,2)",
    "sold": "timestamptz",
}


def columns_of(types: Mapping[str, str], *, required: Sequence[str] = ()) -> list[Column]:
    """Columns by name and type."""
    return [
        Column(name=name, type=ColumnType.parse(kind), nullable=name not in required)
        for name, kind in types.items()
    ]


class TestTable(ABC):
    """A table in a target, with `id` as its key unless told otherwise."""

    __test__ = False

    sqlite_path: Path | None = None

    @abstractmethod
    async def create(self, columns: Sequence[Column], *, key: Sequence[str] = ("id",)) -> None:
        """Make the table, empty."""

    @abstractmethod
    async def rows(self, query: str = f"SELECT * FROM {TABLE} ORDER BY 1") -> list[tuple[Any, ...]]:
        """The rows of a query."""

    @abstractmethod
    def connection(self) -> ConnectionInfo:
        """Connection info of the target."""

    @abstractmethod
    async def execute(self, statement: str) -> None:
        """Run a statement."""


@dataclass
class SqliteTable(TestTable):
    """A table in a file."""

    path: Path

    def __post_init__(self) -> None:
        self.sqlite_path = self.path

    async def create(self, columns: Sequence[Column], *, key: Sequence[str] = ("id",)) -> None:
        await self.execute(_ddl(columns, key, DIALECTS["sqlite"].type_name))

    async def rows(self, query: str = f"SELECT * FROM {TABLE} ORDER BY 1") -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return list(connection.execute(query))

    async def execute(self, statement: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(statement)

    def connection(self) -> ConnectionInfo:
        return SqliteConnection(file=self.path.name)


@dataclass
class PostgresTable(TestTable):
    """A table in a database of the private server."""

    dsn: Dsn

    async def create(self, columns: Sequence[Column], *, key: Sequence[str] = ("id",)) -> None:
        await self.execute(_ddl(columns, key, DIALECTS["postgresql"].type_name))

    async def rows(self, query: str = f"SELECT * FROM {TABLE} ORDER BY 1") -> list[tuple[Any, ...]]:
        return await self.dsn.fetch(query)

    async def execute(self, statement: str) -> None:
        await self.dsn.execute(statement)

    def connection(self) -> ConnectionInfo:
        return PostgresqlConnection(
            host=self.dsn.host,
            port=self.dsn.port,
            database=self.dsn.database,
            user=self.dsn.user,
            password=SecretStr(self.dsn.password),
        )


@dataclass
class MariaTable(TestTable):
    """A table in a database of the private MariaDB."""

    dsn: MariaDsn

    async def create(self, columns: Sequence[Column], *, key: Sequence[str] = ("id",)) -> None:
        dialect = DIALECTS["mysql"]
        ddl = _ddl(columns, key, dialect.type_name)
        await self.execute(f"{ddl.replace(chr(34), '`')}{dialect.table_options(TableDefinition(columns=[]))}")

    async def rows(self, query: str = f"SELECT * FROM {TABLE} ORDER BY 1") -> list[tuple[Any, ...]]:
        return await self.dsn.fetch(query)

    async def execute(self, statement: str) -> None:
        await self.dsn.execute(statement)

    def connection(self) -> ConnectionInfo:
        return MysqlConnection(
            host=self.dsn.host,
            port=self.dsn.port,
            database=self.dsn.database,
            user=self.dsn.user,
            password=SecretStr(self.dsn.password),
        )


def _ddl(columns: Sequence[Column], key: Sequence[str], type_name: Any) -> str:
    spelled = [
        f'"{column.name}" {type_name(column.type)}{"" if column.nullable else " NOT NULL"}'
        for column in columns
    ]
    if key:
        spelled.append("PRIMARY KEY (" + ", ".join(f'"{name}"' for name in key) + ")")
    return f"CREATE TABLE {TABLE} ({', '.join(spelled)})"


@dataclass
class Jobs:
    """Makes jobs that fill one table from files in one folder, with rising fences."""

    table: TestTable
    folder: Path
    types: Mapping[str, str] = field(default_factory=lambda: dict(TYPES))
    fence: int = 0

    def job(
        self,
        content: str | bytes,
        *,
        mode: WriteMode = "append",
        key: Sequence[str] = ("id",),
        winner: Winner = "last",
        steps: Sequence[Mapping[str, Any]] = (),
        limits: Limits | None = None,
        source: Mapping[str, Any] | None = None,
        target: Sequence[Column] | None = None,
        run_id: UUID | None = None,
        history: History | None = None,
        stream: str | None = None,
    ) -> Job:
        """A job for this content of the file."""
        self.fence += 1
        return Job(
            run_id=run_id or uuid7(),
            attempt=1,
            fence=self.fence,
            table_key=f"resource:{TABLE}",
            source=csv_source(self.folder, content, self.types, source),
            steps=[StepConfig.model_validate(dict(step)) for step in steps],
            target=JobTarget(
                connection=handed_out(self.table.connection()),
                sqlite_path=str(self.table.sqlite_path) if self.table.sqlite_path else None,
                table_name=TABLE,
                columns=list(target or columns_of(self.types)),
                key=list(key),
                mode=mode,
                winner=winner,
                history=history,
            ),
            stream=stream,
            limits=limits or Limits(),
        )


def csv_source(
    folder: Path, content: str | bytes, types: Mapping[str, str], params: Mapping[str, Any] | None = None
) -> JobSource:
    """A CSV file with this content as the source of a job."""
    path = folder / f"{uuid7().hex}.csv"
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(data)
    declared = [{"name": name, "type": kind} for name, kind in types.items()]
    return JobSource(
        loader="csv",
        params={"file_id": str(uuid7()), "columns": declared} | dict(params or {}),
        files=[JobFile(path=str(path), size=len(data))],
    )


@asynccontextmanager
async def postgres_session(jobs: Jobs) -> AsyncIterator[Any]:
    """Another session with the same database of PostgreSQL, as asyncpg has it."""
    assert isinstance(jobs.table, PostgresTable)
    connection = await jobs.table.dsn.connect()
    try:
        yield connection
    finally:
        await connection.close()


async def retyped(jobs: Jobs, types: Mapping[str, str]) -> Jobs:
    """The same jobs for a table that has these columns instead; `id` is its key."""
    await jobs.table.execute(f"DROP TABLE {TABLE}")
    jobs.types = types
    await jobs.table.create(columns_of(types, required=["id"]))
    return jobs


@dataclass
class Heard:
    """What a job told while it ran."""

    messages: list[ChildMessage] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, message: ChildMessage) -> None:
        self.messages.append(message)
        self.changed.set()

    @property
    def rejects(self) -> list[Reject]:
        """All rejected rows that were told."""
        told = (message.rejects for message in self.messages if isinstance(message, Rejects))
        return [reject for rejects in told for reject in rejects]

    async def until(self, kind: type[ChildMessage], **facts: Any) -> None:
        """Wait for a message of a kind."""
        async with asyncio.timeout(30):
            while not any(
                isinstance(message, kind)
                and all(getattr(message, name) == value for name, value in facts.items())
                for message in self.messages
            ):
                self.changed.clear()
                await self.changed.wait()


async def run(executor: Executor, job: Job) -> tuple[Outcome, Heard]:
    """Run a job to its end."""
    heard = Heard()
    return await executor.execute(job, heard), heard


async def succeeded(executor: Executor, job: Job) -> Succeeded:
    """Run a job that must succeed."""
    outcome, _ = await run(executor, job)
    assert isinstance(outcome, Succeeded), outcome
    return outcome


async def failed(executor: Executor, job: Job) -> Failed:
    """Run a job that must fail."""
    outcome, _ = await run(executor, job)
    assert isinstance(outcome, Failed), outcome
    return outcome
