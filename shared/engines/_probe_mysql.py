"""The connection test of MySQL and MariaDB.

All on one connection: these servers count a handshake that is given up, and block a host after a hundred
of them (max_connect_errors).
"""

import time
from typing import Any, Final

from shared.contracts.connection import ResourceConnection
from shared.engines import mysql
from shared.engines._probe_steps import ProbeStep, Steps, bounded, failed, since
from shared.engines.errors import ConnectFailed, Step
from shared.security import guard

_TABLES: Final = """
SELECT count(*) AS tables, count(DISTINCT table_schema) AS databases_seen FROM information_schema.tables
 WHERE table_schema NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')
"""
_CREATES: Final = "SELECT 1 FROM information_schema.{view} WHERE privilege_type = 'CREATE' LIMIT 1"


async def test(
    resource: ResourceConnection,
    policy: guard.OutboundPolicy,
    *,
    steps: Steps,
    timeout: float,  # noqa: ASYNC109 - as in probe.test()
) -> None:
    """Try the connection; raises the `ConnectFailed` that is also the last of the steps."""
    connection = await _log_in(resource, policy, steps=steps, timeout=timeout)
    try:
        with steps.step("database") as detail:
            detail.append(mysql.server_of(connection).title)
        with steps.step("privileges") as detail:
            detail.append(await bounded(_privileges(connection), "privileges", timeout))
    finally:
        connection.close()


async def _log_in(
    resource: ResourceConnection,
    policy: guard.OutboundPolicy,
    *,
    steps: Steps,
    timeout: float,  # noqa: ASYNC109 - as in test()
) -> Any:
    wants_tls = mysql.target_of(resource).tls != "disable"
    started = time.perf_counter()

    def passed(step: Step) -> None:
        nonlocal started
        if step == "authenticate" and wants_tls and steps.done[-1].name != "tls":
            detail = "the server speaks no TLS; the connection is not encrypted"
            steps.done.append(ProbeStep("tls", ok=True, duration_ms=0.0, detail=detail))
        steps.done.append(ProbeStep(step, ok=True, duration_ms=since(started)))
        started = time.perf_counter()

    try:
        return await mysql.connect(
            resource, policy=policy, application_name="penstock-test", timeout=timeout, passed=passed
        )
    except ConnectFailed as error:
        if error.step == "database":
            passed("authenticate")
        steps.done.append(failed(error, started))
        raise


async def _privileges(connection: Any) -> str:
    try:
        async with connection.cursor() as cursor:
            await cursor.execute(_TABLES)
            tables, databases = mysql.only(await cursor.fetchall(), columns=2)
            creates = False
            for view in ("user_privileges", "schema_privileges"):
                await cursor.execute(_CREATES.format(view=view))
                creates = creates or bool(await cursor.fetchall())
    except mysql.DRIVER_ERRORS as error:
        raise mysql.failure_of(error) from None
    may = "may create tables" if creates else "may not create tables"
    return f"sees {tables} tables and views in {databases} databases; {may}"
