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
from shared.engines.errors import (
    MAX_IDENTIFIER_BYTES,
    ConnectFailed,
    ConnectFailedForNow,
    ConnectRefused,
    Step,
    checked_identifier,
)
from shared.errors import Loc, PenstockError
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
        raise ConnectFailedForNow(
            step="connect",
            reason=f"the server didn't answer within {timeout:g} seconds",
            hint="Check the host, the port and firewalls between here and there.",
        ) from None


async def resolve(target: PostgresqlConnection, policy: guard.OutboundPolicy) -> list[str]:
    """The addresses of the host that the policy lets us connect to. Raises `ConnectFailed`."""
    try:
        return await guard.checked_address(target.host, target.port, policy)
    except PenstockError as error:
        raise ConnectRefused(step="resolve", reason=str(error).rstrip(".")) from error
    except OSError:
        raise ConnectFailedForNow(
            step="resolve", reason="the host has no address", hint="Check the spelling of the host."
        ) from None


def tls_context(target: PostgresqlConnection) -> ssl.SSLContext | None:
    """The TLS settings for the mode, or None for none; checks the *name* though we dial an address."""
    if target.tls == "disable":
        return None
    context = _PinnedName(ssl.PROTOCOL_TLS_CLIENT)
    context.pinned = target.host
    if target.tls == "verify-full":
        context.load_default_certs()
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class _PinnedName(ssl.SSLContext):
    """asyncpg dials the checked address; the certificate must be for the host that was configured."""

    pinned: str

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        return super().wrap_bio(*arguments, **{**options, "server_hostname": self.pinned})


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


@dataclass(frozen=True, slots=True)
class _Known:
    step: Step
    reason: str
    hint: str = ""
    transient: bool = False


_BY_SQLSTATE: Final[Mapping[str, _Known]] = {
    "28P01": _Known("authenticate", "the server refused the user or the password", "Check both."),
    "28000": _Known(
        "authenticate",
        "the server doesn't let this user in from here",
        "Check the user, the password and the server's pg_hba.conf.",
    ),
    "3D000": _Known("database", "there is no such database", "Check the name of the database."),
    "42501": _Known("database", "the user may not enter the database", "Grant CONNECT on it."),
    "55000": _Known("database", "the database accepts no connections"),
    "53300": _Known("connect", "the server has no free connection", "Try again later.", transient=True),
    "57P03": _Known("connect", "the server is starting or stopping", "Try again soon.", transient=True),
}


_ENDED_SESSIONS: Final = frozenset({"57P01", "57P02", "57P05", "25P03"})
_CLOSED: Final = _Known(
    "connect", "the server closed the connection", "Is this a PostgreSQL port?", transient=True
)


def is_lost(error: BaseException) -> bool:
    """Whether the error means that the connection is gone, and not only that a statement failed."""
    if isinstance(error, asyncpg.PostgresError):
        return _known(error) is _CLOSED
    return isinstance(error, OSError | EOFError | asyncpg.InterfaceError)


def failure_of(error: BaseException) -> ConnectFailed:
    """The failed step behind an error of the driver; says nothing that the server or a secret said."""
    known = _known(error)
    kind = ConnectFailedForNow if known.transient else ConnectRefused
    return kind(step=known.step, reason=known.reason, hint=known.hint)


def _known(error: BaseException) -> _Known:
    if isinstance(error, asyncpg.PostgresError):
        state = getattr(error, "sqlstate", None) or "unknown"
        if state.startswith("08") or state in _ENDED_SESSIONS:
            return _CLOSED
        return _BY_SQLSTATE.get(state) or _Known("database", f"the server refused with SQLSTATE {state}")
    if isinstance(error, ssl.SSLError) or _speaks_no_tls(error):
        return _encryption(error)
    if isinstance(error, asyncpg.InterfaceError):
        return _Known("authenticate", "the server asks for a kind of login that Penstock doesn't have")
    return _network(error)


def _encryption(error: BaseException) -> _Known:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _Known(
            "tls",
            "the server's certificate isn't trusted or isn't for this host",
            "Install the authority's certificate, or use another tls mode.",
        )
    if isinstance(error, ssl.SSLError):
        return _Known("tls", "the server and Penstock agreed on no encryption")
    return _Known("tls", "the server speaks no TLS", "Use tls 'prefer' or 'disable'.")


def _speaks_no_tls(error: BaseException) -> bool:
    return isinstance(error, ConnectionError) and _TLS_REJECTED.search(str(error)) is not None


def _network(error: BaseException) -> _Known:
    if isinstance(error, ConnectionRefusedError):
        return _Known("connect", "nothing listens on that port", "Check host and port.", transient=True)
    if isinstance(error, ConnectionError | EOFError):
        return _CLOSED
    if isinstance(error, OSError):
        return _Known("connect", "the host can't be reached", "Check host, port and network.", transient=True)
    return _Known("connect", "the server doesn't speak PostgreSQL's protocol", "Check host and port.")


def _target(resource: ResourceConnection) -> PostgresqlConnection:
    if not isinstance(resource.connection, PostgresqlConnection):
        raise ConnectRefused(step="connect", reason="the resource isn't a PostgreSQL server")
    return resource.connection


def _milliseconds(seconds: float) -> str:
    return str(max(0, round(seconds * 1000)))
