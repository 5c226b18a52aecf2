"""MySQL and MariaDB, as every service must know them: how to connect through the guard and how to quote."""

import asyncio
import re
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shared.contracts.connection import MysqlConnection, ResourceConnection
from shared.engines import _mysql_errors as errors
from shared.engines import network
from shared.engines.errors import (
    ConnectFailed,
    ConnectFailedForNow,
    ConnectRefused,
    IdentifierInvalid,
    Step,
    checked_identifier,
)
from shared.engines.network import Known
from shared.errors import Loc
from shared.security import guard

MAX_IDENTIFIER_CHARACTERS: Final = 64
"""Databases, tables, columns, indexes (MySQL manual, section 11.2.1; MariaDB, "Identifier Names")."""

SQL_MODE: Final = (
    "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION,NO_BACKSLASH_ESCAPES"
)
"""What doesn't fit is an error, and in a literal only the quote is special: it is doubled."""

LONGEST_ANSWER: Final = 8 * 1024 * 1024
"""Bytes that are read as the answer to one statement, unless somebody asks for more."""

DRIVER_ERRORS: tuple[type[Exception], ...]
"""What aiomysql lets out when a server, a network or an answer is bad; `failure_of` explains them."""

_NO_LIMIT: Final = str(2**64 - 1)
_BLANKS: Final = (" ", "\t", "\n", "\v", "\f", "\r")
_BMP_END: Final = 0xFFFF
_PATIENCE_SECONDS: Final = 10.0
"""How much longer than its own bound a server may take to say so."""
_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})(?:\.([0-9]{1,4}))?")


def _driver_errors() -> tuple[type[Exception], ...]:
    from pymysql import err

    return (OSError, EOFError, err.Error)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """DRIVER_ERRORS when somebody catches them: only who connects pays for importing the driver."""
        if name == "DRIVER_ERRORS":
            return _driver_errors()
        raise AttributeError(name)


def quote(identifier: str) -> str:
    """The identifier in backticks, which every SQL mode takes (MySQL manual, section 11.2)."""
    return "`" + identifier.replace("`", "``") + "`"


def check_identifier(name: str, loc: Loc = ()) -> str:
    """The name itself; raises `IdentifierInvalid` where MySQL or MariaDB would cut, change or refuse it."""
    checked_identifier(name, loc, max_bytes=None)
    if len(name) > MAX_IDENTIFIER_CHARACTERS:
        reason = f"must have at most {MAX_IDENTIFIER_CHARACTERS} characters, not {len(name)}"
        raise IdentifierInvalid(loc=loc, reason=reason)
    if name.endswith(_BLANKS):
        raise IdentifierInvalid(loc=loc, reason="must not end with a blank")
    if max(name) > chr(_BMP_END):
        raise IdentifierInvalid(loc=loc, reason="must not contain characters beyond U+FFFF, such as emoji")
    return name


@dataclass(frozen=True, slots=True)
class Server:
    """What answers: (major, minor, patch) of its own counting, and which of the two it is."""

    version: tuple[int, int, int]
    is_mariadb: bool

    @property
    def title(self) -> str:
        """Name and version as people say them."""
        name = "MariaDB" if self.is_mariadb else "MySQL"
        return f"{name} {'.'.join(map(str, self.version))}"


@dataclass(frozen=True, slots=True)
class Session:
    """How a session behaves: who it says it is, what it may do, and how long it may take (seconds).

    MySQL bounds only statements that read, and no idle transaction; MariaDB bounds them all.
    """

    application_name: str
    read_only: bool = True
    statement_timeout: float = 60.0
    lock_timeout: float = 5.0
    idle_timeout: float = 3600.0
    idle_in_transaction_timeout: float = 300.0
    longest_answer: int = LONGEST_ANSWER

    def settings(self, server: Server) -> dict[str, str]:
        """The server variables of this session, with their values as SQL."""
        lock = str(max(1, round(self.lock_timeout)))
        named = {
            "sql_mode": f"'{SQL_MODE}'",
            "time_zone": "'+00:00'",
            "autocommit": "1" if self.read_only else "0",
            "lock_wait_timeout": lock,
            "innodb_lock_wait_timeout": lock,
            "wait_timeout": str(max(1, round(self.idle_timeout))),
            # A server may be set to cut answers short, or to refuse large joins and changes.
            "sql_select_limit": _NO_LIMIT,
            "sql_big_selects": "1",
            "sql_safe_updates": "0",
        }
        if server.is_mariadb:
            idle = max(1, round(self.idle_in_transaction_timeout))
            statement = f"{max(0.0, self.statement_timeout):.3f}"
            return named | {"max_statement_time": statement, "idle_transaction_timeout": str(idle)}
        return named | {"max_execution_time": str(max(0, round(self.statement_timeout * 1000)))}


async def connect(
    resource: ResourceConnection,
    *,
    policy: guard.OutboundPolicy,
    application_name: str,
    read_only: bool = True,
    statement_timeout: float = 60.0,
    lock_timeout: float = 5.0,
    timeout: float = 10.0,  # noqa: ASYNC109 - one bound over several awaits
    database: str | None = None,
    longest_answer: int = LONGEST_ANSWER,
    passed: Callable[[Step], None] = lambda _: None,
) -> Any:
    """An aiomysql connection to the resource, with another `database` current ("" for none); in seconds.

    The host is resolved and checked once and the connection goes to the checked address. The session
    speaks utf8mb4 and UTC under SQL_MODE, sends no local file, and takes one statement at a time. Without
    `read_only` it has autocommit off. `passed` is told each step as it is done. Nothing of our own
    environment (option files, user name) can reach the server. Raises `ConnectFailed`.
    """
    target = target_of(resource)
    session = Session(
        application_name,
        read_only=read_only,
        statement_timeout=statement_timeout,
        lock_timeout=lock_timeout,
        longest_answer=longest_answer,
    )
    try:
        async with asyncio.timeout(timeout):
            addresses = await network.resolve(target.host, target.port, policy)
            passed("resolve")
            database = target.database if database is None else database
            return await _connect_any(target, addresses, database, session=session, passed=passed)
    except TimeoutError:
        raise network.no_answer(timeout) from None


def only(rows: Sequence[Sequence[Any]], *, columns: int = 1) -> Sequence[Any]:
    """The only row of an answer, of so many columns. Raises one of DRIVER_ERRORS for another answer."""
    if len(rows) != 1 or len(rows[0]) != columns:
        from pymysql import err

        raise err.InterfaceError("an answer to another question")
    return rows[0]


def server_of(connection: Any) -> Server:
    """What a connection of `connect` is connected to."""
    server: Server = connection.server
    return server


def target_of(resource: ResourceConnection) -> MysqlConnection:
    """The resource's connection. Raises `ConnectRefused` for one of another kind."""
    if not isinstance(resource.connection, MysqlConnection):
        raise ConnectRefused(step="connect", reason="the resource isn't a server of MySQL or MariaDB")
    return resource.connection


async def _connect_any(
    target: MysqlConnection,
    addresses: list[str],
    database: str,
    *,
    session: Session,
    passed: Callable[[Step], None],
) -> Any:
    failure: ConnectFailed | None = None
    for address in addresses:
        try:
            return await _connect_address(target, address, database, session=session, passed=passed)
        except ConnectFailed as error:
            failure = error
            if error.step != "connect":
                break
    raise failure or ConnectFailedForNow(step="resolve", reason="the host has no address")


async def _connect_address(
    target: MysqlConnection,
    address: str,
    database: str,
    *,
    session: Session,
    passed: Callable[[Step], None],
) -> Any:
    from shared.engines import _mysql_driver as driver

    login = driver.Login(
        address=address,
        host=target.host,
        port=target.port,
        user=target.user,
        password=target.password.get_secret_value(),
        database=database,
        application_name=session.application_name,
        context=network.tls_context(target.host, target.tls),
        needs_tls=target.tls in {"require", "verify-full"},
        is_verified=target.tls == "verify-full",
        may_load=not session.read_only,
        patience=session.statement_timeout + _PATIENCE_SECONDS,
        longest_answer=session.longest_answer,
    )
    connection = driver.Connection(login, passed)
    try:
        await connection.open()
        await _prepare(connection, session)
    except BaseException as error:
        connection.close()
        if isinstance(error, _driver_errors()):
            raise failure_of(error) from None
        raise
    return connection


async def _prepare(connection: Any, session: Session) -> None:
    """Ask the server itself what it is, for what greets may be a proxy; then set the session up."""
    async with connection.cursor() as cursor:
        await cursor.execute("SELECT VERSION()")
        (version,) = only(await cursor.fetchall())
        connection.server = _server(str(version))
        settings = session.settings(connection.server)
        assignments = ", ".join(f"SESSION {name} = {value}" for name, value in settings.items())
        await cursor.execute(f"SET NAMES utf8mb4, {assignments}")
        # Servers with another level than the usual one refuse to write, or lock all that is read.
        access = ", READ ONLY" if session.read_only else ""
        await cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ{access}")


def _server(version: str) -> Server:
    found = _VERSION.search(version)
    major, minor, patch = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    return Server((major, minor, patch), is_mariadb="mariadb" in version.lower())


def number_of(error: BaseException) -> int | None:
    """The server's number of an error, None for what no server said."""
    first = error.args[0] if error.args else None
    from_driver = isinstance(error, _driver_errors()) and not isinstance(error, OSError | EOFError)
    return first if from_driver and isinstance(first, int) else None


def is_lost(error: BaseException) -> bool:
    """Whether the error means that the connection is gone, and not only that a statement failed."""
    if not isinstance(error, _driver_errors()):
        return False
    number = number_of(error)
    return number is None or number in errors.LOST


def failure_of(error: BaseException) -> ConnectFailed:
    """The failed step behind an error of the driver; says nothing that the server or a secret said."""
    return _known(error).failure()


def _known(error: BaseException) -> Known:
    number = number_of(error)
    if number == errors.CANT_CONNECT and error.__cause__ is not None:
        return _known(error.__cause__)
    if number in errors.ENDED or network.is_cut(error):
        return errors.CLOSED
    if number is not None:
        return errors.BY_NUMBER.get(number) or Known("database", f"the server refused with error {number}")
    if isinstance(error, ssl.SSLError):
        return network.encryption(error)
    return network.unreachable(error) if isinstance(error, OSError) else errors.FOREIGN
