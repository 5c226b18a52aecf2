"""Try a connection step by step and say which step works, how long it took and what to do."""

import asyncio
import sqlite3
from contextlib import suppress
from pathlib import Path

from shared.contracts.connection import (
    HttpConnection,
    MysqlConnection,
    PostgresqlConnection,
    ResourceConnection,
    S3Connection,
    SqliteConnection,
)
from shared.engines import _probe_http, _probe_mysql, _probe_postgresql, sqlite
from shared.engines._probe_steps import ProbeStep, Steps
from shared.engines.errors import ConnectFailed, ConnectRefused
from shared.security import guard

__all__ = ["ProbeStep", "test"]


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
    steps = Steps()
    with suppress(ConnectFailed):
        if isinstance(resource.connection, PostgresqlConnection):
            await _probe_postgresql.test(resource, resource.connection, policy, steps=steps, timeout=timeout)
        elif isinstance(resource.connection, MysqlConnection):
            await _probe_mysql.test(resource, policy, steps=steps, timeout=timeout)
        elif isinstance(resource.connection, HttpConnection):
            await _probe_http.test_http(resource.connection, policy, steps=steps, timeout=timeout)
        elif isinstance(resource.connection, S3Connection):
            await _probe_http.test_s3(resource.connection, policy, steps=steps, timeout=timeout)
        else:
            await asyncio.to_thread(_sqlite, resource, resource.connection, sqlite_root, steps)
    return steps.done


def _sqlite(resource: ResourceConnection, target: SqliteConnection, root: Path | None, steps: Steps) -> None:
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
