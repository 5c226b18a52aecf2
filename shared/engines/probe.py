"""Try a connection step by step and say which step works, how long it took and what to do."""

import asyncio
import sqlite3
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from shared.contracts.connection import PostgresqlConnection, ResourceConnection, SqliteConnection
from shared.engines import postgresql, sqlite
from shared.engines.errors import ConnectFailed, ConnectRefused, Step
from shared.security import guard

_SSL_REQUEST: Final = struct.pack("!ii", 8, 80877103)
"""PostgreSQL's SSLRequest message (manual, section 54.7): the server answers S or N."""

_PRIVILEGES: Final = """
WITH visible AS (
  SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
         AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AS readable
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
     AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),
       count(*), count(*) FILTER (WHERE readable)
  FROM visible
"""


@dataclass(frozen=True, slots=True)
class ProbeStep:
    """One step of a connection test: `duration_ms` in milliseconds, `hint` only where there is advice."""

    name: Step
    ok: bool
    duration_ms: float
    detail: str = ""
    hint: str = ""


@dataclass
class _Steps:
    done: list[ProbeStep] = field(default_factory=list)

    @contextmanager
    def step(self, name: Step) -> Iterator[list[str]]:
        """Time one step; the list takes its detail. A failure is written down and raised on."""
        detail: list[str] = []
        started = time.perf_counter()
        try:
            yield detail
        except ConnectFailed as error:
            self.done.append(_failed(error, started))
            raise
        self.done.append(ProbeStep(name, ok=True, duration_ms=_since(started), detail=" ".join(detail)))


async def test(
    resource: ResourceConnection,
    *,
    policy: guard.OutboundPolicy,
    sqlite_root: Path | None,
    timeout: float = 10.0,  # noqa: ASYNC109, PT028 - one bound over several awaits; no test of pytest's
) -> list[ProbeStep]:
    """Try the connection; the list ends with the first step that failed. `timeout` in seconds.

    Never raises for what is wrong with the connection, and changes nothing: an SQLite file that
    would be created on first use is only checked for its place.
    """
    steps = _Steps()
    with suppress(ConnectFailed):
        if isinstance(resource.connection, PostgresqlConnection):
            await _postgresql(resource, resource.connection, policy, steps=steps, timeout=timeout)
        else:
            await asyncio.to_thread(_sqlite, resource, resource.connection, sqlite_root, steps)
    return steps.done


async def _postgresql(
    resource: ResourceConnection,
    target: PostgresqlConnection,
    policy: guard.OutboundPolicy,
    *,
    steps: _Steps,
    timeout: float,  # noqa: ASYNC109 - as in test()
) -> None:
    with steps.step("resolve") as detail:
        addresses = await _bounded(postgresql.resolve(target, policy), "resolve", timeout)
        detail.append(f"{len(addresses)} address(es)")
    with steps.step("connect"):
        reader, writer = await _bounded(_open(addresses, target.port), "connect", timeout)
    try:
        if target.tls != "disable":
            with steps.step("tls") as detail:
                detail.append(await _bounded(_start_tls(reader, writer, target), "tls", timeout))
    finally:
        writer.close()
    await _log_in(resource, policy, steps=steps, timeout=timeout)


async def _log_in(
    resource: ResourceConnection,
    policy: guard.OutboundPolicy,
    *,
    steps: _Steps,
    timeout: float,  # noqa: ASYNC109 - as in test()
) -> None:
    started = time.perf_counter()
    try:
        connection = await postgresql.connect(
            resource, policy=policy, application_name="penstock-test", timeout=timeout
        )
    except ConnectFailed as error:
        if error.step == "database":
            steps.done.append(ProbeStep("authenticate", ok=True, duration_ms=_since(started)))
        steps.done.append(_failed(error, started))
        raise
    steps.done.append(ProbeStep("authenticate", ok=True, duration_ms=_since(started)))
    try:
        with steps.step("database") as detail:
            detail.append(f"PostgreSQL {connection.get_server_version().major}")
        with steps.step("privileges") as detail:
            detail.append(await _bounded(_privileges(connection), "privileges", timeout))
    finally:
        connection.terminate()


async def _open(addresses: list[str], port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    failure: OSError = ConnectionRefusedError()
    for address in addresses:
        try:
            return await asyncio.open_connection(address, port)
        except OSError as error:
            failure = error
    raise postgresql.failure_of(failure)


async def _start_tls(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: PostgresqlConnection
) -> str:
    context = postgresql.tls_context(target)
    assert context is not None
    try:
        writer.write(_SSL_REQUEST)
        await writer.drain()
        answer = await reader.readexactly(1)
        if answer == b"S":
            await writer.start_tls(context, server_hostname=target.host)
            return str(writer.get_extra_info("ssl_object").version())
    except (OSError, EOFError, ssl.SSLError) as error:
        raise postgresql.failure_of(error) from None
    if target.tls == "prefer":
        return "the server speaks no TLS; the connection is not encrypted"
    raise postgresql.failure_of(ConnectionError("rejected SSL upgrade"))


async def _privileges(connection: Any) -> str:
    try:
        create, tables, readable = await connection.fetchrow(_PRIVILEGES)
    except postgresql.DRIVER_ERRORS as error:
        raise postgresql.failure_of(error) from None
    creates = "may create schemas" if create else "may not create schemas"
    return f"can read {readable} of {tables} tables and views; {creates}"


def _sqlite(resource: ResourceConnection, target: SqliteConnection, root: Path | None, steps: _Steps) -> None:
    with steps.step("file") as detail:
        path = sqlite.path_of(root, resource)
        if target.create and not path.exists():
            detail.append("the file will be created when it is first used")
            return
        if not path.exists():
            raise ConnectRefused(
                step="file", reason="there is no such file", hint="Check its name, or set create."
            )
    with steps.step("database") as detail:
        connection = sqlite.connect(path)
        try:
            tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[
                0
            ]
        except sqlite3.Error as error:
            raise sqlite.failure_of(error) from None
        finally:
            connection.close()
        detail.append(f"SQLite {sqlite3.sqlite_version}, {tables} table(s)")


async def _bounded(awaitable: Any, step: Step, seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds):
            return await awaitable
    except TimeoutError:
        raise ConnectRefused(
            step=step,
            reason=f"no answer within {seconds:g} seconds",
            hint="Check the host, the port and firewalls between here and there.",
        ) from None


def _failed(error: ConnectFailed, started: float) -> ProbeStep:
    return ProbeStep(error.step, ok=False, duration_ms=_since(started), detail=error.reason, hint=error.hint)


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)
