"""A writing session with MySQL or MariaDB, whose errors are those of a job."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from services.etl.destinations import _mysql_sql as sql
from services.etl.destinations._mysql_errors import translated, warned
from services.etl.pipeline.errors import CountsDiffer, TargetBusy
from shared.contracts.connection import ResourceConnection
from shared.engines import mysql
from shared.errors import PenstockError
from shared.security.guard import OutboundPolicy

CLOSE_SECONDS: Final = 2.0
_NOT_TO_END: Final = frozenset({1094, 1095})
"""There is no such session; it belongs to another user."""


class Session:
    """One connection. It commits only when it is told to, and knows whether a statement is under way."""

    def __init__(self, resource: ResourceConnection, policy: OutboundPolicy, application_name: str) -> None:
        self._resource = resource
        self._policy = policy
        self._application_name = application_name
        self._connection: Any = None
        self._busy = False

    @property
    def number(self) -> int:
        """The server's number of the connection."""
        number: int = self._connection.thread_id()
        return number

    @property
    def is_idle(self) -> bool:
        """Whether it is there and no statement is under way."""
        return self._connection is not None and not self._busy

    async def open(self, *, statement_timeout: float = 60.0) -> None:
        """Connect. Raises ConnectFailed."""
        self._connection = await mysql.connect(
            self._resource,
            policy=self._policy,
            application_name=self._application_name,
            read_only=False,
            statement_timeout=statement_timeout,
            timeout=15.0,
            database="",
        )
        await self.execute(sql.WRITE_EXACTLY)

    async def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query with its values."""
        with self._at_work():
            async with self._connection.cursor() as cursor:
                await cursor.execute(query, values or None)
                return list(await cursor.fetchall())

    async def execute(self, statement: str, *values: object) -> None:
        """Run a statement with its values, or one that is complete."""
        escape = self._connection.escape
        with self._at_work():
            await self._connection.query(statement % tuple(map(escape, values)) if values else statement)

    async def write(self, statement: str | bytes) -> int:
        """Run a statement that writes rows; how many it has touched. A warning is a failure."""
        with self._at_work():
            touched: int = await self._connection.query(statement)
        await self._check_warnings(touched)
        return touched

    async def load(self, statement: str, data: Iterable[memoryview]) -> int:
        """Run a LOAD DATA LOCAL with its content; how many rows it has touched. A warning is a failure.

        To the server such a statement never fails: it cuts, rounds and leaves out, and warns.
        """
        with self._at_work():
            touched: int = await self._connection.load(statement, data)
        await self._check_warnings(touched)
        return touched

    async def _check_warnings(self, touched: int) -> None:
        ((warnings,),) = await self.rows(sql.WARNINGS)
        if not warnings:
            return
        told = await self.rows(sql.WARNED)
        for _, number, said in told:
            if number not in sql.HARMLESS:
                raise warned(number, said)
        if len(told) != warnings:
            raise CountsDiffer(step="mysql", rows_in=touched, accounted=f"{warnings} warnings")

    async def commit(self) -> None:
        """Commit what was done."""
        with self._at_work():
            await self._connection.commit()

    async def rollback(self) -> None:
        """Undo what was done."""
        with self._at_work():
            await self._connection.rollback()

    async def kill(self, number: int) -> None:
        """End another session of the same user; one that is gone, or isn't ours to end, is left alone."""
        try:
            await self.execute(f"KILL {number:d}")
        except PenstockError as error:
            if error.__cause__ is None or mysql.number_of(error.__cause__) not in _NOT_TO_END:
                raise

    async def close(self) -> None:
        """Roll back and say goodbye. Never raises; a statement that is under way is ended by the server."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                if self._busy:
                    number = connection.thread_id()
                    connection.close()
                    await self._end(number)
                else:
                    await connection.rollback()
                    await connection.ensure_closed()
        except Exception:  # noqa: BLE001  whatever is wrong with it: the socket goes, and the session with it
            connection.close()

    async def _end(self, number: int) -> None:
        """The server notices a lost client only when its statement is done: tell it."""
        other = Session(self._resource, self._policy, self._application_name)
        await other.open()
        try:
            await other.kill(number)
        finally:
            await other.close()

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        if self._connection is None:
            raise TargetBusy(reason="the connection broke")
        self._busy = True
        try:
            yield
        except mysql.DRIVER_ERRORS as error:
            self._busy = False
            raise translated(error) from error
        self._busy = False
