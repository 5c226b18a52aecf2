"""PostgreSQL, as every service must know it: how to connect through the outbound guard and how to quote."""

import asyncio
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from shared.contracts.connection import PostgresqlConnection, ResourceConnection
from shared.engines import network
from shared.engines.errors import (
    MAX_IDENTIFIER_BYTES,
    ConnectFailed,
    ConnectFailedForNow,
    ConnectRefused,
    checked_identifier,
)
from shared.engines.network import Known
from shared.errors import Loc
from shared.security import guard

DRIVER_ERRORS: Final = (OSError, EOFError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What asyncpg lets out when a server, a network or an answer is bad; `failure_of` explains them."""

_TLS_REJECTED = re.compile(r"rejected SSL upgrade")


def quote(identifier: str) -> str:
    """The identifier in double quotes, as PostgreSQL spells any name (manual, section 4.1.1)."""
    return '"' + identifier.replace('"', '""') + '"'


def check_identifier(name: str, loc: Loc = ()) -> str:
    """The name itself; raises `IdentifierInvalid` where PostgreSQL would cut, change or refuse it."""
    return checked_identifier(name, loc, max_bytes=MAX_IDENTIFIER_BYTES)


@dataclass(frozen=True, slots=True)
class Session:
    """How a session behaves: who it says it is, what it may do, and how long it may take (seconds)."""

    application_name: str
    read_only: bool = True
    statement_timeout: float = 60.0
    lock_timeout: float = 5.0
    idle_in_transaction_timeout: float = 300.0

    def settings(self) -> dict[str, str]:
        """The server settings of this session, by PostgreSQL's own names."""
        return {
            "application_name": self.application_name,
            "default_transaction_read_only": "on" if self.read_only else "off",
            "statement_timeout": _milliseconds(self.statement_timeout),
            "lock_timeout": _milliseconds(self.lock_timeout),
            "idle_in_transaction_session_timeout": _milliseconds(self.idle_in_transaction_timeout),
        }


async def connect(
    resource: ResourceConnection,
    *,
    policy: guard.OutboundPolicy,
    application_name: str,
    read_only: bool = True,
    statement_timeout: float = 60.0,
    timeout: float = 10.0,  # noqa: ASYNC109 - one bound over several awaits
    database: str | None = None,
) -> Any:
    """An asyncpg connection to the resource, or to another `database` of its server; times in seconds.

    The host is resolved and checked once and the connection goes to the checked address. Nothing of
    our own environment (password files, PG* variables, client certificates) can reach the server.
    Raises `ConnectFailed` with the step that failed.
    """
    target = _target(resource)
    session = Session(application_name, read_only=read_only, statement_timeout=statement_timeout)
    try:
        async with asyncio.timeout(timeout):
            addresses = await resolve(target, policy)
            return await _connect_any(target, addresses, database or target.database, session)
    except TimeoutError:
        raise network.no_answer(timeout) from None


async def resolve(target: PostgresqlConnection, policy: guard.OutboundPolicy) -> list[str]:
    """The addresses of the host that the policy lets us connect to. Raises `ConnectFailed`."""
    return await network.resolve(target.host, target.port, policy)


def tls_context(target: PostgresqlConnection) -> ssl.SSLContext | None:
    """The TLS settings for the mode, or None for none; checks the *name* though we dial an address."""
    return network.tls_context(target.host, target.tls)


async def _connect_any(
    target: PostgresqlConnection, addresses: list[str], database: str, session: Session
) -> Any:
    failure: ConnectFailed | None = None
    for address in addresses:
        try:
            return await _connect_address(target, address, database, session)
        except ConnectFailed as error:
            failure = error
            if error.step != "connect":
                break
    raise failure or ConnectFailedForNow(step="resolve", reason="the host has no address")


async def _connect_address(
    target: PostgresqlConnection, address: str, database: str, session: Session
) -> Any:
    context = tls_context(target)
    try:
        return await _dial(target, address, database, session=session, context=context)
    except DRIVER_ERRORS as error:
        if target.tls != "prefer" or not _speaks_no_tls(error):
            raise failure_of(error) from None
    try:
        return await _dial(target, address, database, session=session, context=None)
    except DRIVER_ERRORS as error:
        raise failure_of(error) from None


async def _dial(
    target: PostgresqlConnection,
    address: str,
    database: str,
    *,
    session: Session,
    context: ssl.SSLContext | None,
) -> Any:
    connection = await asyncpg.connect(
        host=address,
        port=target.port,
        user=target.user,
        password=target.password.get_secret_value(),
        passfile=os.devnull,
        database=database,
        ssl=context if context is not None else False,
        direct_tls=False,
        target_session_attrs="any",
        timeout=None,
    )
    try:
        names, values = zip(*session.settings().items(), strict=True)
        await connection.execute(
            "SELECT pg_catalog.set_config(name, value, false)"
            " FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]))"
            " AS s(name, value)",
            list(names),
            list(values),
        )
    except BaseException:
        connection.terminate()
        raise
    return connection


_BY_SQLSTATE: Final[Mapping[str, Known]] = {
    "28P01": Known("authenticate", "the server refused the user or the password", "Check both."),
    "28000": Known(
        "authenticate",
        "the server doesn't let this user in from here",
        "Check the user, the password and the server's pg_hba.conf.",
    ),
    "3D000": Known("database", "there is no such database", "Check the name of the database."),
    "42501": Known("database", "the user may not enter the database", "Grant CONNECT on it."),
    "55000": Known("database", "the database accepts no connections"),
    "53300": Known("connect", "the server has no free connection", "Try again later.", transient=True),
    "57P03": Known("connect", "the server is starting or stopping", "Try again soon.", transient=True),
}


_ENDED_SESSIONS: Final = frozenset({"57P01", "57P02", "57P05", "25P03"})
_CLOSED: Final = Known(
    "connect", "the server closed the connection", "Is this a PostgreSQL port?", transient=True
)


def is_lost(error: BaseException) -> bool:
    """Whether the error means that the connection is gone, and not only that a statement failed."""
    if isinstance(error, asyncpg.PostgresError):
        return _known(error) is _CLOSED
    return isinstance(error, OSError | EOFError | asyncpg.InterfaceError)


def failure_of(error: BaseException) -> ConnectFailed:
    """The failed step behind an error of the driver; says nothing that the server or a secret said."""
    return _known(error).failure()


def _known(error: BaseException) -> Known:
    if isinstance(error, asyncpg.PostgresError):
        state = getattr(error, "sqlstate", None) or "unknown"
        if state.startswith("08") or state in _ENDED_SESSIONS:
            return _CLOSED
        return _BY_SQLSTATE.get(state) or Known("database", f"the server refused with SQLSTATE {state}")
    if isinstance(error, ssl.SSLError):
        return network.encryption(error)
    if _speaks_no_tls(error):
        return network.NO_TLS
    if isinstance(error, asyncpg.InterfaceError):
        return Known("authenticate", "the server asks for a kind of login that Penstock doesn't have")
    return _network(error)


def _speaks_no_tls(error: BaseException) -> bool:
    return isinstance(error, ConnectionError) and _TLS_REJECTED.search(str(error)) is not None


def _network(error: BaseException) -> Known:
    if network.is_cut(error):
        return _CLOSED
    if isinstance(error, OSError):
        return network.unreachable(error)
    return Known("connect", "the server doesn't speak PostgreSQL's protocol", "Check host and port.")


def _target(resource: ResourceConnection) -> PostgresqlConnection:
    if not isinstance(resource.connection, PostgresqlConnection):
        raise ConnectRefused(step="connect", reason="the resource isn't a PostgreSQL server")
    return resource.connection


def _milliseconds(seconds: float) -> str:
    return str(max(0, round(seconds * 1000)))
