"""The connection test of PostgreSQL."""

import asyncio
import ssl
import struct
import time
from typing import Any, Final

from shared.contracts.connection import PostgresqlConnection, ResourceConnection
from shared.engines import postgresql
from shared.engines._probe_steps import ProbeStep, Steps, bounded, failed, since
from shared.engines.errors import ConnectFailed
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


async def test(
    resource: ResourceConnection,
    target: PostgresqlConnection,
    policy: guard.OutboundPolicy,
    *,
    steps: Steps,
    timeout: float,  # noqa: ASYNC109 - as in probe.test()
) -> None:
    """Try the connection; raises the `ConnectFailed` that is also the last of the steps."""
    with steps.step("resolve") as detail:
        addresses = await bounded(postgresql.resolve(target, policy), "resolve", timeout)
        detail.append(f"{len(addresses)} address(es)")
    with steps.step("connect"):
        reader, writer = await bounded(_open(addresses, target.port), "connect", timeout)
    try:
        if target.tls != "disable":
            with steps.step("tls") as detail:
                detail.append(await bounded(_start_tls(reader, writer, target), "tls", timeout))
    finally:
        writer.close()
    await _log_in(resource, policy, steps=steps, timeout=timeout)


async def _log_in(
    resource: ResourceConnection,
    policy: guard.OutboundPolicy,
    *,
    steps: Steps,
    timeout: float,  # noqa: ASYNC109 - as in test()
) -> None:
    started = time.perf_counter()
    try:
        connection = await postgresql.connect(
            resource, policy=policy, application_name="penstock-test", timeout=timeout
        )
    except ConnectFailed as error:
        if error.step == "database":
            steps.done.append(ProbeStep("authenticate", ok=True, duration_ms=since(started)))
        steps.done.append(failed(error, started))
        raise
    steps.done.append(ProbeStep("authenticate", ok=True, duration_ms=since(started)))
    try:
        with steps.step("database") as detail:
            detail.append(f"PostgreSQL {connection.get_server_version().major}")
        with steps.step("privileges") as detail:
            detail.append(await bounded(_privileges(connection), "privileges", timeout))
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
